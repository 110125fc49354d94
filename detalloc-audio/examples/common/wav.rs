//! WAV files to listen to.

use hound::{SampleFormat, WavSpec, WavWriter};
use std::path::Path;

/// Writes stereo, interleaved.
pub fn write(path: &Path, rate_hz: u32, samples: &[f32]) -> Result<(), String> {
    let said = |error: hound::Error| format!("{}: {error}", path.display());
    let spec = WavSpec {
        channels: 2,
        sample_rate: rate_hz,
        bits_per_sample: 32,
        sample_format: SampleFormat::Float,
    };
    let mut writer = WavWriter::create(path, spec).map_err(said)?;
    for &sample in samples {
        writer.write_sample(sample).map_err(said)?;
    }
    writer.finalize().map_err(said)
}
