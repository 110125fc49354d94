//! cpal's own sample types, and its raw buffers, whose sample format is known at run time only.

use super::samples::{Sample, Samples};
use core::num::NonZero;
use cpal::{Data, I24, SampleFormat, U24};

impl Sample for I24 {
    const SILENCE: Self = <Self as cpal::Sample>::EQUILIBRIUM;
}

impl Sample for U24 {
    const SILENCE: Self = <Self as cpal::Sample>::EQUILIBRIUM;
}

/// Half of its bits are set, evenly: how a one-bit stream is silent.
const DSD_SILENCE: u8 = 0x69;

/// A raw buffer stays whole: cpal has no safe way to cut one.
impl Samples for Data {
    fn count(&self) -> usize {
        self.len()
    }

    fn silence(&mut self) {
        fn fill<S: Sample + cpal::SizedSample>(data: &mut Data) {
            if let Some(samples) = data.as_slice_mut::<S>() {
                samples.silence();
            }
        }
        match self.sample_format() {
            SampleFormat::U8 => fill::<u8>(self),
            SampleFormat::U16 => fill::<u16>(self),
            SampleFormat::U24 => fill::<U24>(self),
            SampleFormat::U32 => fill::<u32>(self),
            SampleFormat::U64 => fill::<u64>(self),
            SampleFormat::DsdU8 | SampleFormat::DsdU16 | SampleFormat::DsdU32 => {
                self.bytes_mut().fill(DSD_SILENCE);
            }
            // Signed and floating samples, and such as nobody knows yet.
            _ => self.bytes_mut().fill(0),
        }
    }

    fn chunks(&self, _: NonZero<usize>, mut each: impl FnMut(&Self)) {
        if self.len() > 0 {
            each(self);
        }
    }

    fn chunks_mut(&mut self, _: NonZero<usize>, mut each: impl FnMut(&mut Self)) {
        if self.len() > 0 {
            each(self);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn silenced<S: Sample + cpal::SizedSample>(loud: S) -> [S; 3] {
        let mut samples = [loud; 3];
        // SAFETY: the pointer is to as many samples of that format, which nothing else uses meanwhile.
        let mut data = unsafe { Data::from_parts(samples.as_mut_ptr().cast(), samples.len(), S::FORMAT) };
        data.silence();
        samples
    }

    #[test]
    fn raw_buffers_are_silenced_in_their_own_format() {
        assert_eq!(silenced(1_u8), [128; 3]);
        assert_eq!(silenced(1_u16), [32_768; 3]);
        assert_eq!(silenced(U24::new(1).unwrap()), [U24::SILENCE; 3]);
        assert_eq!(silenced(1_u32), [1 << 31; 3]);
        assert_eq!(silenced(1_u64), [1 << 63; 3]);
        assert_eq!(silenced(1_i16), [0; 3]);
        assert_eq!(silenced(I24::new(1).unwrap()), [I24::SILENCE; 3]);
        assert_eq!(silenced(0.5_f64), [0.0; 3]);
    }

    #[test]
    fn raw_one_bit_buffers_are_silenced_with_their_pattern() {
        let mut bytes = [0xFF_u8; 4];
        // SAFETY: as above.
        let mut data = unsafe { Data::from_parts(bytes.as_mut_ptr().cast(), 4, SampleFormat::DsdU8) };
        data.silence();
        assert_eq!(bytes, [0x69; 4]);
    }
}
