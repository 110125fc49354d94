//! Audio files for sample-file: whatever the bytes are, a whole sample of finite values, or an error that names the file.

use crate::input::Input;
use sample_file::{MAX_FRAMES, Reason, load};
use std::{cell::RefCell, fs, io::Write};
use tempfile::NamedTempFile;

thread_local! {
    /// One file for all inputs.
    static FILE: RefCell<NamedTempFile> = RefCell::new(NamedTempFile::new().expect("a temporary file"));
}

/// Runs one input.
///
/// # Panics
/// If a file is taken for what it is not.
#[must_use]
pub fn run(data: &[u8]) -> u64 {
    let mut input = Input::new(data);
    let kind = input.byte();
    // At few rates, because the resampler's filters take longest.
    let rate = [48_000, 48_000, 44_100, 8_000, 96_000, 0, 3_999, 768_001][usize::from(kind >> 5)];
    let bytes = if kind.is_multiple_of(4) { input.rest().to_vec() } else { written(&mut input) };
    FILE.with_borrow_mut(|file| {
        file.as_file().set_len(0).expect("writable");
        fs::OpenOptions::new()
            .write(true)
            .open(file.path())
            .expect("there")
            .write_all(&bytes)
            .expect("writable");
        match load(file.path(), rate) {
            Ok(sample) => {
                assert!(sample.frames() > 0 && sample.frames() <= MAX_FRAMES);
                assert_eq!((sample.left.len(), sample.rate_hz), (sample.right.len(), rate));
                assert!(sample.left.iter().chain(&sample.right).all(|value| value.is_finite()));
                assert!(sample.file_channels > 0 && sample.seconds() > 0.0);
                // Frames are what the file has, scaled and rounded.
                let most = bytes.len() as u64 * u64::from(rate) / u64::from(sample.file_rate_hz) + 1;
                assert!(
                    sample.frames() as u64 <= most,
                    "{} frames of {} bytes",
                    sample.frames(),
                    bytes.len()
                );
                if sample.file_channels == 1 {
                    assert_eq!(sample.left, sample.right);
                }
            }
            Err(error) => {
                assert_eq!(error.path, file.path());
                assert!(!error.to_string().is_empty());
                assert!(!matches!(error.reason, Reason::NotFound | Reason::NotAFile));
                assert_eq!(
                    matches!(error.reason, Reason::WantedRate { .. }),
                    !(4_000..=768_000).contains(&rate)
                );
            }
        }
    });
    2
}

/// Chunks of a WAV file, most of which are right.
fn written(input: &mut Input<'_>) -> Vec<u8> {
    let shape = input.byte();
    let mut odd = |usual: u16| -> u16 {
        let wrong = shape & 0x40 != 0 && input.one_in(4);
        if wrong { u16::from(input.byte()) << 8 | u16::from(input.byte()) } else { usual }
    };
    let bits = [8, 16, 24, 32][usize::from(shape & 3)];
    let (format, channels, bits) =
        (odd(if shape & 12 == 12 { 3 } else { 1 }), odd(1 + u16::from(shape >> 4 & 1)), odd(bits));
    let frame_bytes = channels.wrapping_mul(bits / 8);
    let frame_bytes = odd(frame_bytes);
    let rate = match shape >> 5 & 1 {
        0 => 48_000,
        _ => [44_100, 8_000, 24_000, 11_025, 96_000, 4_000, 768_000, 1][usize::from(input.byte() % 8)],
    };
    let mut fmt = Vec::new();
    let extensible = input.one_in(8);
    fmt.extend(if extensible { 0xFFFE_u16 } else { format }.to_le_bytes());
    fmt.extend(channels.to_le_bytes());
    fmt.extend(u32::to_le_bytes(rate));
    fmt.extend(rate.wrapping_mul(u32::from(frame_bytes)).to_le_bytes());
    fmt.extend(frame_bytes.to_le_bytes());
    fmt.extend(bits.to_le_bytes());
    if extensible {
        fmt.extend(22_u16.to_le_bytes());
        fmt.extend(bits.to_le_bytes());
        fmt.extend(3_u32.to_le_bytes());
        fmt.extend(format.to_le_bytes());
        fmt.extend(b"\x00\x00\x00\x00\x10\x00\x80\x00\x00\xAA\x00\x38\x9B\x71");
    }
    let mut chunks = Vec::new();
    let mut chunk = |name: &[u8], content: &[u8], len: u32| {
        chunks.extend(name);
        chunks.extend(len.to_le_bytes());
        chunks.extend(content);
        if content.len() % 2 == 1 {
            chunks.push(0);
        }
    };
    let len = |content: &[u8]| u32::try_from(content.len()).unwrap_or(u32::MAX);
    if input.one_in(8) {
        let other: Vec<u8> = (0..input.byte() % 32).map(|_| input.byte()).collect();
        chunk(b"LIST", &other, len(&other));
    }
    chunk(b"fmt ", &fmt, len(&fmt));
    if input.one_in(8) {
        chunk(b"fact", &[0; 4], 4);
    }
    let says = if input.one_in(8) { u32::try_from(input.number()).unwrap_or(u32::MAX) } else { 0 };
    let samples = input.rest();
    let whole = samples.len() - samples.len() % usize::from(frame_bytes).max(1);
    let samples = if says == 0 { &samples[..whole] } else { samples };
    chunk(b"data", samples, if says == 0 { len(samples) } else { says });
    [b"RIFF", &(len(&chunks) + 4).to_le_bytes()[..], b"WAVE", &chunks].concat()
}
