//! From one sample rate to another.
//!
//! The ratio is fixed and the whole recording is there, so this takes rubato's synchronous resampler: a long windowed
//! sinc, applied in the frequency domain, without interpolation between its taps.

use crate::{MAX_FRAMES, Reason};
use rubato::{
    Fft, FixedSync, Resampler, WindowFunction, audioadapter_buffers::direct::SequentialSliceOfVecs,
};

/// Frames of input that are transformed at a time, at least. The filter is as long, so that its transition band is
/// about 1 % of the sample rate wide with this window.
const CHUNK_FRAMES: usize = 1024;

/// Beyond this, sums of the longest transform there and back (2^21 values each, the rates being what they are) may leave the
/// range of an `f32`, at which rubato panics.
const LOUDEST: f32 = power_of_two(80);

/// What brings any value below [`LOUDEST`]; a power of two, so that nothing is rounded.
const SOFTER: f32 = power_of_two(-48);

/// By its exponent, which is a normal number's.
const fn power_of_two(exponent: i32) -> f32 {
    f32::from_bits((127 + exponent).cast_unsigned() << 23)
}

pub(crate) fn to_rate(
    mut channels: [Vec<f32>; 2],
    from_hz: u32,
    to_hz: u32,
) -> Result<[Vec<f32>; 2], Reason> {
    if from_hz == to_hz {
        return Ok(channels);
    }
    let is_loud = channels.iter().flatten().any(|value| value.abs() > LOUDEST);
    if is_loud {
        channels.iter_mut().flatten().for_each(|value| *value *= SOFTER);
    }
    let frames = channels[0].len();
    let wanted = scaled(frames, from_hz, to_hz).max(1);
    if wanted > MAX_FRAMES {
        return Err(Reason::TooLong { frames: wanted });
    }
    let hz = |rate: u32| usize::try_from(rate).unwrap_or(usize::MAX);
    let mut resampler = Fft::<f32>::new_custom(
        hz(from_hz),
        hz(to_hz),
        chunk_frames(from_hz, to_hz),
        1,
        channels.len(),
        WindowFunction::BlackmanHarris2,
        FixedSync::Both,
    )
    .map_err(refused)?;
    let room = resampler.process_all_needed_output_len(frames).max(wanted);
    let mut resampled = vec![vec![0.0; room]; channels.len()];
    let input = SequentialSliceOfVecs::new(&channels, channels.len(), frames).map_err(refused)?;
    let mut output = SequentialSliceOfVecs::new_mut(&mut resampled, channels.len(), room).map_err(refused)?;
    resampler.process_all_into_buffer(&input, &mut output, frames, None).map_err(refused)?;
    let mut resampled = resampled.into_iter();
    let mut next = || {
        let mut channel: Vec<f32> = resampled.next().unwrap_or_default();
        channel.resize(wanted, 0.0);
        channel.shrink_to_fit();
        if is_loud {
            channel.iter_mut().for_each(|value| *value = (*value / SOFTER).clamp(f32::MIN, f32::MAX));
        }
        channel
    };
    Ok([next(), next()])
}

/// A chunk of input that is a whole number of frames at both rates, and even: the centre of a filter of odd length lies
/// between two frames, which would shift the recording by half a frame.
fn chunk_frames(from_hz: u32, to_hz: u32) -> usize {
    let (mut divisor, mut rest) = (from_hz, to_hz);
    while rest != 0 {
        (divisor, rest) = (rest, divisor % rest);
    }
    let smallest = usize::try_from(from_hz / divisor).unwrap_or(usize::MAX);
    smallest * CHUNK_FRAMES.div_ceil(smallest).next_multiple_of(2)
}

/// `frames` at another rate, rounded.
fn scaled(frames: usize, from_hz: u32, to_hz: u32) -> usize {
    let numerator = frames as u128 * u128::from(to_hz) + u128::from(from_hz / 2);
    usize::try_from(numerator / u128::from(from_hz)).unwrap_or(usize::MAX)
}

fn refused(error: impl std::fmt::Display) -> Reason {
    Reason::Resample(error.to_string())
}
