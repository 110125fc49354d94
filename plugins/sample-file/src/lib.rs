//! Reads a WAV file as two planar channels of `f32` at the sample rate that is wanted.
//!
//! Whatever comes back is whole: a file that ends before its header says so, holds no frame, or cannot be read is an
//! error that names the file and the reason, never half a sample. Every value is finite. This allocates and does file
//! input, so it belongs on a loader's thread, never in a callback. Compressed formats are not read.
#![forbid(unsafe_code)]

mod error;
mod read;
mod resample;

pub use error::{Reason, SampleError};

use std::{
    ops::RangeInclusive,
    path::{Path, PathBuf},
};

/// Sample rates, in Hz, of files and of what is wanted: from telephone speech to twice the highest converters.
pub const RATES_HZ: RangeInclusive<u32> = 4_000..=768_000;

/// The longest sample, in frames, before and after resampling: 23 minutes at 48 kHz, half a gigabyte.
pub const MAX_FRAMES: usize = 1 << 26;

/// A recording in memory: two channels of equal length, at least one frame, every value finite.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The left channel: the file's first. Full scale is ±1; float files may exceed it.
    pub left: Vec<f32>,
    /// The right channel: the file's second, or its first again if it has only one.
    pub right: Vec<f32>,
    /// Frames a second, after resampling.
    pub rate_hz: u32,
    /// Where it came from.
    pub path: PathBuf,
    /// The file's own sample rate.
    pub file_rate_hz: u32,
    /// How many channels the file has; those past the second are left out.
    pub file_channels: u16,
    /// How many values of a float file were infinite or not a number; they read as silence.
    pub non_finite: usize,
}

impl Sample {
    /// The length, in frames.
    #[must_use]
    pub fn frames(&self) -> usize {
        self.left.len()
    }

    /// The length, in seconds.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        let frames = u32::try_from(self.frames()).unwrap_or(u32::MAX);
        f64::from(frames) / f64::from(self.rate_hz)
    }
}

/// Reads `path` at `rate_hz` frames a second.
///
/// WAV files with integers of 8, 16, 24 or 32 bits, or with 32-bit floats, are read. A mono file sounds in both
/// channels; of more than two channels the first two are taken. If the file has another sample rate it is resampled with
/// a linear-phase low-pass at the lower of the two Nyquist frequencies; the delay is taken out again, and the length is
/// the file's, scaled and rounded.
///
/// # Errors
/// [`SampleError`] names the file and the [`Reason`].
///
/// # Time complexity
/// Linear in the length of the file; resampling has a factor logarithmic in the two rates. Not for real-time paths.
pub fn load(path: impl AsRef<Path>, rate_hz: u32) -> Result<Sample, SampleError> {
    let path = path.as_ref();
    read_at(path, rate_hz).map_err(|reason| SampleError { path: path.to_owned(), reason })
}

fn read_at(path: &Path, rate_hz: u32) -> Result<Sample, Reason> {
    if !RATES_HZ.contains(&rate_hz) {
        return Err(Reason::WantedRate { rate_hz });
    }
    let read::Recording { channels: [left, right], rate_hz: file_rate_hz, file_channels, non_finite } =
        read::wav(path)?;
    let [left, right] = resample::to_rate([left, right], file_rate_hz, rate_hz)?;
    Ok(Sample { left, right, rate_hz, path: path.to_owned(), file_rate_hz, file_channels, non_finite })
}
