//! The audio the demo granulates: a WAV file at the demo's sample rate, or the synthesised string.

use std::path::{Path, PathBuf};

use super::pluck;
use crate::failure::Failure;
use crate::output::Output;

/// Two channels of the same length, at least one frame long.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// The file it came from, absolute; none for the synthesised string.
    pub file: Option<PathBuf>,
    channels: [Vec<f32>; 2],
}

impl Input {
    /// Loads a WAV file, resampled to `rate_hz`, or synthesises the string.
    ///
    /// # Errors
    ///
    /// [`Failure::CannotRun`] naming the file if and only if it is not a WAV file that can be played.
    pub fn load(file: Option<&Path>, rate_hz: u32) -> Result<Self, Failure> {
        let Some(file) = file else {
            return Ok(Input { file: None, channels: pluck::phrase(rate_hz) });
        };
        // The error names the file itself.
        let sample =
            sample_file::load(file, rate_hz).map_err(|error| Failure::CannotRun(error.to_string()))?;
        let absolute = std::path::absolute(file).map_err(|error| Failure::file(file, error))?;
        Ok(Input { file: Some(absolute), channels: [sample.left, sample.right] })
    }

    /// The file a plugin can load this from; the synthesised string is written into `folder` for it.
    ///
    /// # Errors
    ///
    /// [`Failure::CannotRun`] if and only if the string cannot be written.
    pub fn as_file(&self, folder: &Path, rate_hz: u32) -> Result<PathBuf, Failure> {
        if let Some(file) = &self.file {
            return Ok(file.clone());
        }
        std::fs::create_dir_all(folder).map_err(|error| Failure::file(folder, error))?;
        let output = Output::reserve(folder.join("plucked-string.wav"))?;
        output.write_wav(rate_hz, &self.channels)?;
        Ok(output.path().to_path_buf())
    }

    /// Fills `block` with the loop from frame `start` of the performance on.
    pub fn copy_looped(&self, start: u64, block: [&mut [f32]; 2]) {
        for (channel, target) in self.channels.iter().zip(block) {
            let length = crate::number::length(channel.len());
            let mut place = crate::number::index(start % length);
            for sample in target {
                *sample = channel[place];
                place = if place + 1 == channel.len() { 0 } else { place + 1 };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loop_goes_on_from_any_frame() {
        let input = Input { file: None, channels: [vec![1.0, 2.0, 3.0], vec![-1.0, -2.0, -3.0]] };
        let (mut left, mut right) = ([0.0; 5], [0.0; 5]);
        input.copy_looped(7, [&mut left, &mut right]);
        assert_eq!(left, [2.0, 3.0, 1.0, 2.0, 3.0]);
        assert_eq!(right, [-2.0, -3.0, -1.0, -2.0, -3.0]);
    }
}
