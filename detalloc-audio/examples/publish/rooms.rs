//! Impulse responses: a new one each time, so that every swap has something to destroy.

use crate::{common::CHANNELS, convolver::Room, tape};
use std::path::PathBuf;

/// What a plain convolution can do in time.
const FRAMES: usize = 2048;

/// Goes through the files in turn, or through rooms of its own.
pub fn from(files: &[PathBuf], rate_hz: u32) -> Result<impl FnMut() -> Room + use<>, String> {
    let mut recorded = Vec::new();
    for path in files {
        let samples = tape::wav(path, rate_hz).map_err(|error| format!("{}: {error}", path.display()))?;
        recorded.push(samples.chunks_exact(CHANNELS).map(|frame| frame[0]).take(FRAMES).collect());
    }
    if recorded.is_empty() {
        recorded = [(60, 1.0, 1), (600, 0.25, 1), (1600, 0.9, 400)].map(made).to_vec();
    }
    let mut count = 0;
    Ok(move || {
        count += 1;
        Room::new(count, recorded[(count - 1) % recorded.len()].clone())
    })
}

/// A sound that is followed by others, each `apart` frames after the one before, and dying away over so many frames; a
/// little of it comes straight.
fn made((frames, straight, apart): (u16, f32, usize)) -> Vec<f32> {
    let mut noise = 0x2545_F491_u32;
    let mut taps: Vec<f32> = (0..frames)
        .map(|frame| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let sign = if noise >> 31 == 0 { 1.0 } else { -1.0 };
            let is_echo = usize::from(frame).is_multiple_of(apart);
            if is_echo { sign * (-4.0 * f32::from(frame) / f32::from(frames)).exp() } else { 0.0 }
        })
        .collect();
    let energy: f32 = taps.iter().map(|tap| tap * tap).sum();
    taps.iter_mut().for_each(|tap| *tap *= 0.5 / energy.sqrt());
    taps[0] += straight;
    taps
}
