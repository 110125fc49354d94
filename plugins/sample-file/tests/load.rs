//! What [`sample_file::load`] promises: every kind of file it reads, and what each bad one gets.
#![expect(clippy::cast_possible_truncation, reason = "the tests' own numbers are small")]

use hound::{SampleFormat, WavSpec, WavWriter};
use sample_file::{Reason, load};
use std::{f64::consts::TAU, fs, path::PathBuf};
use tempfile::TempDir;

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn bytes(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    fn ints(&self, channels: u16, rate_hz: u32, bits: u16, values: &[i32]) -> PathBuf {
        let path = self.path("ints.wav");
        let spec = WavSpec {
            channels,
            sample_rate: rate_hz,
            bits_per_sample: bits,
            sample_format: SampleFormat::Int,
        };
        let mut writer = WavWriter::create(&path, spec).unwrap();
        values.iter().for_each(|&value| writer.write_sample(value).unwrap());
        writer.finalize().unwrap();
        path
    }

    fn floats(&self, channels: u16, rate_hz: u32, values: &[f32]) -> PathBuf {
        let path = self.path("floats.wav");
        let spec = WavSpec {
            channels,
            sample_rate: rate_hz,
            bits_per_sample: 32,
            sample_format: SampleFormat::Float,
        };
        let mut writer = WavWriter::create(&path, spec).unwrap();
        values.iter().for_each(|&value| writer.write_sample(value).unwrap());
        writer.finalize().unwrap();
        path
    }
}

fn reason(path: PathBuf) -> Reason {
    let error = load(&path, 48_000).unwrap_err();
    let shown = error.to_string();
    assert!(shown.contains(&*path.to_string_lossy()), "{shown} does not name the file");
    assert!(!shown.contains('\n'), "{shown} is more than one line");
    error.reason
}

#[test]
fn integers_of_every_width_have_full_scale_at_one() {
    let folder = Folder::new();
    for bits in [8_u16, 16, 24, 32] {
        let full = i32::try_from((1_i64 << (bits - 1)) - 1).unwrap();
        let path = folder.ints(2, 48_000, bits, &[-full - 1, 0, full / 2 + 1, full]);
        let sample = load(path, 48_000).unwrap();
        assert_eq!(sample.left, [-1.0, 0.5], "{bits} bits");
        assert_eq!(sample.right[0], 0.0, "{bits} bits");
        assert!((0.99..=1.0).contains(&sample.right[1]), "{bits} bits");
    }
}

#[test]
fn floats_are_taken_as_they_are() {
    let folder = Folder::new();
    let sample = load(folder.floats(2, 44_100, &[0.25, -0.5, 1.5, 0.0]), 44_100).unwrap();
    assert_eq!((sample.left, sample.right), (vec![0.25, 1.5], vec![-0.5, 0.0]));
    assert_eq!((sample.rate_hz, sample.file_rate_hz, sample.non_finite), (44_100, 44_100, 0));
}

#[test]
fn mono_sounds_in_both_channels() {
    let folder = Folder::new();
    let sample = load(folder.floats(1, 48_000, &[0.25, -0.5]), 48_000).unwrap();
    assert_eq!(sample.left, [0.25, -0.5]);
    assert_eq!(sample.right, sample.left);
}

#[test]
fn of_many_channels_the_first_two_are_taken() {
    let folder = Folder::new();
    let sample = load(folder.floats(4, 48_000, &[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]), 48_000).unwrap();
    assert_eq!((sample.left, sample.right), (vec![0.1, 0.5], vec![0.2, 0.6]));
    assert_eq!(sample.file_channels, 4);
}

#[test]
fn values_that_are_not_finite_are_silenced_and_counted() {
    let folder = Folder::new();
    let path = folder.floats(1, 48_000, &[0.25, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.5]);
    let sample = load(path, 48_000).unwrap();
    assert_eq!(sample.left, [0.25, 0.0, 0.0, 0.0, 0.5]);
    assert_eq!(sample.non_finite, 3);
}

#[test]
fn resampling_keeps_length_pitch_level_and_phase() {
    let folder = Folder::new();
    for (from_hz, to_hz) in
        [(44_100, 48_000), (48_000, 44_100), (96_000, 48_000), (22_050, 96_000), (44_100, 44_099)]
    {
        let sine = |rate: u32, frame: u32| (TAU * 1_000.0 * f64::from(frame) / f64::from(rate)).sin() * 0.5;
        let values: Vec<i32> =
            (0..from_hz).map(|frame| (sine(from_hz, frame) * 8_388_607.0).round() as i32).collect();
        let sample = load(folder.ints(1, from_hz, 24, &values), to_hz).unwrap();
        assert_eq!(sample.frames(), usize::try_from(to_hz).unwrap(), "one second stays one second");
        assert!((sample.seconds() - 1.0).abs() < 1e-9);
        // A tenth of a second at both ends, where the filter reaches past the recording.
        let error = (to_hz / 10..to_hz * 9 / 10)
            .map(|frame| (f64::from(sample.left[frame as usize]) - sine(to_hz, frame)).abs())
            .fold(0.0, f64::max);
        assert!(error < 1e-4, "{from_hz} to {to_hz}: off by {error}");
    }
}

#[test]
fn resampling_down_does_not_alias() {
    let folder = Folder::new();
    let values: Vec<f32> =
        (0..96_000).map(|frame| (TAU * 30_000.0 * f64::from(frame) / 96_000.0).sin() as f32).collect();
    let sample = load(folder.floats(1, 96_000, &values), 48_000).unwrap();
    let peak = sample.left[4_800..43_200].iter().fold(0.0_f32, |peak, value| peak.max(value.abs()));
    assert!(peak < 1e-4, "30 kHz leaves {peak} below 24 kHz");
}

#[test]
fn a_single_frame_can_be_resampled() {
    let folder = Folder::new();
    assert_eq!(load(folder.floats(1, 4_000, &[0.5]), 48_000).unwrap().frames(), 12);
    assert_eq!(load(folder.floats(1, 96_000, &[0.5]), 4_000).unwrap().frames(), 1);
}

#[test]
fn missing_files_and_folders_are_told_apart() {
    let folder = Folder::new();
    assert!(matches!(reason(folder.path("nothing.wav")), Reason::NotFound));
    assert!(matches!(reason(folder.0.path().to_owned()), Reason::NotAFile));
    assert!(matches!(reason(folder.bytes("empty.wav", b"")), Reason::Empty));
}

#[test]
fn what_is_not_a_wav_file_is_refused() {
    let folder = Folder::new();
    assert!(matches!(
        reason(folder.bytes("text.wav", b"This is a text, not a sound at all.")),
        Reason::NotWav
    ));
    let mut avi = fs::read(folder.ints(1, 48_000, 16, &[1, 2, 3])).unwrap();
    avi[8..12].copy_from_slice(b"AVI ");
    assert!(matches!(reason(folder.bytes("avi.wav", &avi)), Reason::NotWav));
}

#[test]
fn a_file_cut_anywhere_is_never_half_a_sample() {
    let folder = Folder::new();
    let whole = fs::read(folder.ints(2, 48_000, 16, &[100; 200])).unwrap();
    for end in 1..whole.len() {
        assert!(
            matches!(reason(folder.bytes("cut.wav", &whole[..end])), Reason::Truncated | Reason::NotWav),
            "cut at {end}"
        );
    }
}

#[test]
fn a_header_that_claims_gigabytes_is_refused_before_memory_is_taken() {
    let folder = Folder::new();
    let mut lying = fs::read(folder.ints(2, 48_000, 16, &[100; 200])).unwrap();
    let data = lying.windows(4).position(|window| window == b"data").unwrap();
    lying[data + 4..data + 8].copy_from_slice(&0xFFFF_FFF0_u32.to_le_bytes());
    assert!(matches!(reason(folder.bytes("lying.wav", &lying)), Reason::Truncated));
}

#[test]
fn a_file_without_frames_is_refused() {
    assert!(matches!(reason(Folder::new().ints(2, 48_000, 16, &[])), Reason::NoFrames));
}

#[test]
fn absurd_rates_are_refused() {
    let folder = Folder::new();
    assert!(matches!(reason(folder.ints(1, 1, 16, &[1])), Reason::FileRate { rate_hz: 1 }));
    assert!(matches!(reason(folder.ints(1, 4_000_000, 16, &[1])), Reason::FileRate { rate_hz: 4_000_000 }));
    let fine = folder.ints(1, 48_000, 16, &[1]);
    assert!(matches!(load(fine, 0).unwrap_err().reason, Reason::WantedRate { rate_hz: 0 }));
}

#[test]
fn compressed_and_odd_widths_are_refused() {
    let folder = Folder::new();
    let whole = fs::read(folder.ints(1, 48_000, 16, &[1, 2, 3])).unwrap();
    let format = whole.windows(4).position(|window| window == b"fmt ").unwrap() + 8;
    let mut mu_law = whole.clone();
    mu_law[format..format + 2].copy_from_slice(&7_u16.to_le_bytes());
    assert!(matches!(reason(folder.bytes("mu-law.wav", &mu_law)), Reason::Unsupported));
    let mut adpcm = whole.clone();
    adpcm[format..format + 2].copy_from_slice(&2_u16.to_le_bytes());
    assert!(matches!(reason(folder.bytes("adpcm.wav", &adpcm)), Reason::Unsupported));
    let mut no_channels = whole;
    no_channels[format + 2..format + 4].copy_from_slice(&0_u16.to_le_bytes());
    assert!(matches!(reason(folder.bytes("silent.wav", &no_channels)), Reason::Broken(_)));
}

#[test]
fn values_near_the_largest_are_resampled_to_finite_ones() {
    let folder = Folder::new();
    for value in [f32::MAX, f32::MIN, 1e30] {
        let path = folder.floats(1, 44_100, &[value; 400]);
        let sample = load(path, 48_000).unwrap();
        assert!(sample.left.iter().all(|value| value.is_finite()));
        let (middle, expected) = (sample.left[sample.frames() / 2], value);
        assert!((middle / expected - 1.0).abs() < 0.1, "{middle} instead of {expected}");
    }
}

/// The test would not end.
#[cfg(unix)]
#[test]
fn a_pipe_that_nobody_writes_to_is_no_file() {
    let folder = Folder::new();
    let path = folder.path("pipe.wav");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    assert!(matches!(reason(path), Reason::NotAFile));
}
