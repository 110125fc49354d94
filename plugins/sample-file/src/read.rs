//! The file as it is: two channels at the file's own rate.

use crate::{MAX_FRAMES, RATES_HZ, Reason};
use hound::{SampleFormat, WavReader};
use std::{
    fs::{self, File},
    io::BufReader,
    path::Path,
};

/// What a file holds.
pub(crate) struct Recording {
    pub(crate) channels: [Vec<f32>; 2],
    pub(crate) rate_hz: u32,
    pub(crate) file_channels: u16,
    pub(crate) non_finite: usize,
}

pub(crate) fn wav(path: &Path) -> Result<Recording, Reason> {
    // Before it is opened: that would wait at a pipe, until somebody writes to it.
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(Reason::NotAFile);
    }
    if metadata.len() == 0 {
        return Err(Reason::Empty);
    }
    let reader = WavReader::new(BufReader::new(File::open(path)?))?;
    let spec = reader.spec();
    if !RATES_HZ.contains(&spec.sample_rate) {
        return Err(Reason::FileRate { rate_hz: spec.sample_rate });
    }
    // Before any memory is asked for: a header can claim gigabytes that are not there.
    let bytes = u64::from(reader.len()) * u64::from(spec.bits_per_sample / 8);
    if bytes > metadata.len() {
        return Err(Reason::Truncated);
    }
    let frames = usize::try_from(reader.duration()).unwrap_or(usize::MAX);
    match frames {
        0 => return Err(Reason::NoFrames),
        frames if frames > MAX_FRAMES => return Err(Reason::TooLong { frames }),
        _ => {}
    }
    let (rate_hz, file_channels) = (spec.sample_rate, spec.channels);
    let mut values = Values::new(frames, file_channels);
    match (spec.sample_format, spec.bits_per_sample) {
        (SampleFormat::Int, bits @ (8 | 16 | 24 | 32)) => {
            let scale = 1.0 / f64::from(1_u32 << (bits - 1));
            for value in reader.into_samples::<i32>() {
                values.push(narrow(f64::from(value?) * scale));
            }
        }
        (SampleFormat::Float, 32) => {
            for value in reader.into_samples::<f32>() {
                values.push(value?);
            }
        }
        _ => return Err(Reason::Unsupported),
    }
    let non_finite = values.non_finite;
    Ok(Recording { channels: values.into_stereo(), rate_hz, file_channels, non_finite })
}

/// Takes interleaved values apart.
struct Values {
    channels: [Vec<f32>; 2],
    file_channels: u16,
    next: u16,
    non_finite: usize,
}

impl Values {
    fn new(frames: usize, file_channels: u16) -> Self {
        let right = if file_channels > 1 { frames } else { 0 };
        Self {
            channels: [Vec::with_capacity(frames), Vec::with_capacity(right)],
            file_channels,
            next: 0,
            non_finite: 0,
        }
    }

    fn push(&mut self, value: f32) {
        if let Some(channel) = self.channels.get_mut(usize::from(self.next)) {
            self.non_finite += usize::from(!value.is_finite());
            channel.push(if value.is_finite() { value } else { 0.0 });
        }
        self.next = (self.next + 1) % self.file_channels;
    }

    fn into_stereo(self) -> [Vec<f32>; 2] {
        let [left, right] = self.channels;
        let right = if self.file_channels == 1 { left.clone() } else { right };
        [left, right]
    }
}

#[expect(clippy::cast_possible_truncation, reason = "rounding to the nearest `f32` is what is wanted")]
fn narrow(value: f64) -> f32 {
    value as f32
}
