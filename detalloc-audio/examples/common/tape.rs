//! Something to play into an effect: a WAV, or a plucked phrase, over and over.

use crate::common::CHANNELS;
use hound::{SampleFormat, WavReader};
use std::{f32::consts::TAU, path::Path};

/// Stereo, interleaved, without an end.
pub struct Tape {
    samples: Vec<f32>,
    next: usize,
}

impl Tape {
    /// A WAV at this rate: a channel alone is doubled, a third one left out. Without a path, the phrase.
    pub fn open(path: Option<&Path>, rate_hz: u32) -> Result<Self, String> {
        let samples = match path {
            Some(path) => wav(path, rate_hz).map_err(|error| format!("{}: {error}", path.display()))?,
            None => phrase(rate_hz),
        };
        Ok(Self { samples, next: 0 })
    }

    /// The next samples.
    pub fn read(&mut self, output: &mut [f32]) {
        for sample in output {
            *sample = self.samples[self.next];
            self.next = (self.next + 1) % self.samples.len();
        }
    }
}

/// The samples of a WAV at this rate.
pub fn wav(path: &Path, rate_hz: u32) -> Result<Vec<f32>, String> {
    let said = |error: hound::Error| error.to_string();
    let mut reader = WavReader::open(path).map_err(said)?;
    let spec = reader.spec();
    if spec.sample_rate != rate_hz {
        return Err(format!("it is at {} Hz, and this plays at {rate_hz}: try --rate", spec.sample_rate));
    }
    let samples: Result<Vec<f32>, _> = match spec.sample_format {
        SampleFormat::Float => reader.samples::<f32>().collect(),
        SampleFormat::Int => {
            let full_scale = 2_f32.powi(i32::from(spec.bits_per_sample) - 1);
            #[expect(clippy::cast_precision_loss, reason = "24 bits are kept")]
            reader.samples::<i32>().map(|sample| sample.map(|sample| sample as f32 / full_scale)).collect()
        }
    };
    let samples = samples.map_err(said)?;
    let stereo = samples.chunks_exact(usize::from(spec.channels).max(1)).flat_map(|frame| match *frame {
        [left, right, ..] => [left, right],
        [mono] => [mono, mono],
        [] => [0.0, 0.0],
    });
    let stereo: Vec<f32> = stereo.collect();
    match stereo.iter().position(|sample| !sample.is_finite()) {
        Some(at) => Err(format!("frame {} is not a number", at / CHANNELS)),
        None if stereo.is_empty() => Err("there is nothing in it".to_owned()),
        None => Ok(stereo),
    }
}

/// Two seconds: four plucked notes, each at another place.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a few seconds of samples"
)]
fn phrase(rate_hz: u32) -> Vec<f32> {
    let rate = rate_hz as f32;
    let length = (0.5 * rate) as usize;
    let mut samples = Vec::with_capacity(4 * length * CHANNELS);
    for (pitch_hz, place) in [(220.0, 0.2), (277.2, 0.8), (329.6, 0.4), (440.0, 0.6)] {
        for frame in 0..length {
            let (seconds, left) = (frame as f32 / rate, (length - frame) as f32 / rate);
            let rising = (seconds / 0.003).min(1.0) * (left / 0.003).min(1.0);
            let sample = 0.3 * rising * (-6.0 * seconds).exp() * (TAU * pitch_hz * seconds).sin();
            samples.extend([sample * (1.0 - place), sample * place]);
        }
    }
    samples
}
