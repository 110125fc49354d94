//! The examples without a device, as anybody would run them: what they play, measured, and what they say.

use hound::{SampleFormat, WavReader, WavSpec, WavWriter};
use midly::{
    Format, Header, MidiMessage, Smf, Timing, TrackEvent, TrackEventKind,
    num::{u4, u7, u15, u28},
};
use realfft::RealFftPlanner;
use std::{
    f32::consts::TAU,
    path::{Path, PathBuf},
    process::{Command, Output},
};
use tempfile::TempDir;

const RATE: u32 = 48_000;

/// Builds an example if need be, and runs it.
fn run(example: &str, args: &[&str]) -> Output {
    Command::new(env!("CARGO"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["run", "--quiet", "--example", example, "--"])
        .args(args)
        .output()
        .unwrap()
}

/// What an example says when all is well.
fn said(example: &str, args: &[&str]) -> String {
    let output = run(example, args);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A figure of what an example says.
fn figure(said: &str, what: &str) -> u64 {
    let line =
        said.lines().find_map(|line| line.strip_prefix(what)).unwrap_or_else(|| panic!("{what}: {said}"));
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// A place for files of one test.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// What an example plays, left channel, and what it says.
    fn play(&self, example: &str, args: &[&str]) -> (Vec<f32>, String) {
        let wav = self.path("played.wav");
        let said = said(example, &[args, &["--wav", text(&wav)]].concat());
        let mut reader = WavReader::open(&wav).unwrap();
        assert_eq!((reader.spec().sample_rate, reader.spec().channels), (RATE, 2));
        let samples: Vec<f32> = reader.samples::<f32>().map(Result::unwrap).step_by(2).collect();
        assert!(samples.iter().all(|sample| sample.abs() < 1.0), "too loud, or not a number");
        (samples, said)
    }

    /// A WAV with one channel.
    fn wav(&self, name: &str, samples: &[f32]) -> PathBuf {
        let path = self.path(name);
        let spec = WavSpec {
            channels: 1,
            sample_rate: RATE,
            bits_per_sample: 32,
            sample_format: SampleFormat::Float,
        };
        let mut writer = WavWriter::create(&path, spec).unwrap();
        samples.iter().for_each(|&sample| writer.write_sample(sample).unwrap());
        writer.finalize().unwrap();
        path
    }

    /// A MIDI file with these keys one after the other, half a second each.
    fn midi(&self, keys: &[u8]) -> PathBuf {
        let event = |ticks: u32, message| TrackEvent {
            delta: u28::new(ticks),
            kind: TrackEventKind::Midi { channel: u4::new(0), message },
        };
        let velocity = u7::new(100);
        let track = keys.iter().flat_map(|&key| {
            let key = u7::new(key);
            [
                event(0, MidiMessage::NoteOn { key, vel: velocity }),
                event(480, MidiMessage::NoteOff { key, vel: velocity }),
            ]
        });
        let header = Header::new(Format::SingleTrack, Timing::Metrical(u15::new(480)));
        let path = self.path("notes.mid");
        Smf { header, tracks: vec![track.collect()] }.save(&path).unwrap();
        path
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[expect(clippy::cast_precision_loss, reason = "a few seconds of samples")]
fn tone(frequency_hz: f32, level: f32, frames: usize) -> Vec<f32> {
    (0..frames).map(|frame| level * (TAU * frequency_hz * frame as f32 / RATE as f32).sin()).collect()
}

/// Seconds to frames.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few seconds of samples")]
fn at(seconds: f32) -> usize {
    (seconds * 48_000.0) as usize
}

#[expect(clippy::cast_precision_loss, reason = "a few seconds of samples")]
fn level(samples: &[f32]) -> f32 {
    (samples.iter().map(|sample| sample * sample).sum::<f32>() / samples.len() as f32).sqrt()
}

/// The loudest frequency, in Hz, to within 3.
#[expect(clippy::cast_precision_loss, reason = "a few thousand")]
fn pitch(samples: &[f32]) -> f32 {
    const FRAMES: usize = 16_384;
    let mut frame: Vec<f32> = samples[..FRAMES]
        .iter()
        .enumerate()
        .map(|(at, sample)| sample * (0.5 - 0.5 * (TAU * at as f32 / FRAMES as f32).cos()))
        .collect();
    let transform = RealFftPlanner::<f32>::new().plan_fft_forward(FRAMES);
    let mut spectrum = transform.make_output_vec();
    transform.process(&mut frame, &mut spectrum).unwrap();
    let loudest =
        (1..spectrum.len()).max_by(|&a, &b| spectrum[a].norm().total_cmp(&spectrum[b].norm())).unwrap();
    loudest as f32 * RATE as f32 / FRAMES as f32
}

/// The largest step from a sample to the next.
fn steepest(samples: &[f32]) -> f32 {
    samples.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max)
}

mod synth {
    use super::*;

    #[test]
    #[cfg_attr(miri, ignore = "there are no processes")]
    fn plays_the_pitches_of_a_midi_file_and_then_falls_silent() {
        let files = Files::new();
        let midi = files.midi(&[69, 60, 76]);
        let (samples, said) = files.play("synth", &["--midi", text(&midi)]);
        for (note, expected_hz) in [(0.0, 440.0), (0.5, 261.63), (1.0, 659.26)] {
            let heard = &samples[at(note + 0.1)..];
            assert!((pitch(heard) - expected_hz).abs() < 3.0, "{} Hz for {expected_hz}", pitch(heard));
            assert!((0.03..0.2).contains(&level(&heard[..at(0.3)])));
        }
        assert_eq!(samples.len(), at(2.5), "a second is left for the last note to fade");
        assert!(level(&samples[at(2.3)..]) < 1e-4);
        assert_eq!(figure(&said, "refusals"), 0);
        assert_eq!(figure(&said, "callbacks"), at(2.5).div_ceil(128) as u64);
    }

    #[test]
    #[cfg_attr(miri, ignore = "there are no processes")]
    fn steals_voices_without_a_click_when_the_pools_refuse() {
        let files = Files::new();
        let (samples, said) = files.play("synth", &["--voices", "2"]);
        assert!(figure(&said, "refusals") >= 8, "{said}");
        // Two voices of at most 440 Hz with their overtones rise at most by 0.027 a sample, a cut steps by up to 0.1.
        assert!(steepest(&samples) < 0.035, "{}", steepest(&samples));
        assert!(level(&samples) > 0.02);
    }

    #[test]
    #[cfg_attr(miri, ignore = "there are no processes")]
    fn plays_the_same_however_large_its_callbacks_are() {
        let files = Files::new();
        let (small, _) = files.play("synth", &["--block", "1", "--seconds", "1"]);
        let (large, _) = files.play("synth", &["--block", "8192", "--seconds", "1"]);
        assert_eq!(small, large);
    }

    #[test]
    #[cfg_attr(miri, ignore = "there are no processes")]
    fn without_a_device_says_so_in_a_line_and_goes_on() {
        let said = said("synth", &["--seconds", "0.1"]);
        assert!(said.lines().next().unwrap().contains("playing without a device"), "{said}");
        assert_eq!(figure(&said, "callbacks"), at(0.1).div_ceil(128) as u64);
    }
}

mod looper {
    use super::*;

    /// A second of a tone, and three of silence, through a loop of one second.
    fn looped(layers: &str) -> (Vec<f32>, String) {
        let files = Files::new();
        let mut input = tone(500.0, 0.3, at(1.0));
        input.resize(at(4.0), 0.0);
        let input = files.wav("input.wav", &input);
        let args = ["--input", text(&input), "--loop-seconds", "1", "--layers", layers, "--seconds", "4"];
        files.play("looper", &args)
    }

    fn levels(samples: &[f32]) -> [f32; 4] {
        [0.2_f32, 1.2, 2.2, 3.2].map(|second| level(&samples[at(second)..at(second + 0.6)]))
    }

    #[test]
    #[cfg_attr(miri, ignore = "there are no processes")]
    fn repeats_what_came_in_each_time_quieter() {
        let (samples, said) = looped("6");
        let levels = levels(&samples);
        assert!((levels[0] - 0.2121).abs() < 1e-3);
        for pair in levels.windows(2) {
            assert!((pair[1] / pair[0] - 0.8).abs() < 1e-3, "{levels:?}");
        }
        assert!((pitch(&samples[at(3.2)..]) - 500.0).abs() < 3.0);
        assert_eq!(figure(&said, "refusals"), 0);
    }

    #[test]
    #[cfg_attr(miri, ignore = "there are no processes")]
    fn lets_the_oldest_layer_go_when_the_pools_have_no_room_for_another() {
        let (samples, said) = looped("2");
        let levels = levels(&samples);
        assert!(levels[1] > 0.1 && levels[2] == 0.0 && levels[3] == 0.0, "{levels:?}");
        assert!(figure(&said, "refusals") >= 1);
    }

    #[test]
    #[cfg_attr(miri, ignore = "there are no processes")]
    fn has_no_click_where_the_loop_returns() {
        let files = Files::new();
        // Begins at its peak, so that a layer without a seam would begin there too.
        let input = files.wav("input.wav", &tone(100.0, 0.2, at(3.0))[120..]);
        let args = ["--input", text(&input), "--loop-seconds", "1", "--layers", "2", "--seconds", "2.9"];
        let (samples, _) = files.play("looper", &args);
        // The tone and its layer rise by 0.0047 a sample at most, their seams by less than 0.002; a cut by up to 0.16.
        assert!(steepest(&samples) < 0.008, "{}", steepest(&samples));
    }
}

mod third_party {
    use super::*;

    #[test]
    #[cfg_attr(miri, ignore = "there are no processes")]
    fn makes_a_robot_whose_pitch_is_that_of_its_frames() {
        let files = Files::new();
        let (samples, said) = files.play("third_party", &["--seconds", "3"]);
        let overtone = pitch(&samples[at(1.0)..]) * 243.0 / 48_000.0;
        assert!(overtone >= 0.9 && (overtone - overtone.round()).abs() < 0.03, "{overtone}");
        assert!(level(&samples[at(0.5)..]) > 0.005, "{}", level(&samples));
        // A frame, its spectrum and scratch space for each way, in each of the hops.
        if cfg!(all(target_pointer_width = "64", target_os = "linux")) {
            assert_eq!(figure(&said, "containments"), 4 * (at(3.0) / 243) as u64, "{said}");
            assert_eq!(figure(&said, "uncontained"), 0);
        }
    }
}

mod publish {
    use super::*;

    #[test]
    #[cfg_attr(miri, ignore = "there are no processes")]
    fn fades_from_one_impulse_response_to_the_next_where_it_was_published() {
        let files = Files::new();
        let (loud, quiet) = (files.wav("loud.wav", &[1.0]), files.wav("quiet.wav", &[0.25]));
        let input = files.wav("input.wav", &tone(300.3, 0.4, at(3.0)));
        let (samples, said) = files.play(
            "publish",
            &["--input", text(&input), "--impulse", text(&loud), "--impulse", text(&quiet), "--seconds", "3"],
        );
        let level = |second: f32| level(&samples[at(second)..at(second + 0.8)]);
        let (first, second, third) = (level(0.1), level(1.1), level(2.1));
        assert!((first - 0.2828).abs() < 1e-3, "{first}");
        assert!((second / first - 0.25).abs() < 1e-3, "{second}");
        assert!((third / first - 1.0).abs() < 1e-3, "{third}");
        // The tone rises by 0.0157 a sample at most; a cut would step by up to 0.3.
        assert!(steepest(&samples) < 0.02, "{}", steepest(&samples));
        assert_eq!(figure(&said, "refusals"), 0);
    }

    #[test]
    #[cfg_attr(miri, ignore = "there are no processes")]
    fn swaps_three_hundred_rooms_of_its_own_without_a_refusal() {
        let files = Files::new();
        let (samples, said) = files.play("publish", &["--every", "0.01", "--seconds", "3"]);
        assert!(level(&samples) > 0.01);
        assert_eq!(figure(&said, "refusals"), 0);
    }
}

/// Every allocation in turn may fail, in every example, and it plays on.
#[cfg(feature = "fault-injection")]
mod refusals {
    use super::*;

    /// The optimised programs: `third_party` is to end at the first refusal otherwise.
    fn programs() -> PathBuf {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
        cargo.args(["build", "--quiet", "--release", "--examples", "--features", "fault-injection"]);
        assert!(cargo.status().unwrap().success());
        // This program lies in `debug/deps` or `release/deps`.
        std::env::current_exe().unwrap().ancestors().nth(3).unwrap().join("release/examples")
    }

    /// How many allocations there were to refuse.
    fn refuse_each(example: &str, args: &[&str]) -> usize {
        let (files, program) = (Files::new(), programs().join(example));
        let wav = files.path("played.wav");
        for n in 0..1_000 {
            let mut program = Command::new(&program);
            program.args(args).args(["--wav", text(&wav)]);
            let output = program.env("DETALLOC_REFUSE_NTH", n.to_string()).output().unwrap();
            let said = String::from_utf8(output.stdout).unwrap();
            match output.status.code() {
                Some(0) if figure(&said, "refusals") == 0 => return n,
                Some(0) => {
                    assert_eq!(figure(&said, "refusals"), 1, "{n}: {said}");
                    let mut reader = WavReader::open(&wav).unwrap();
                    assert!(reader.samples::<f32>().all(|sample| sample.unwrap().abs() < 1.0), "{n}");
                }
                // Before anything plays: in a line.
                Some(2) => assert!(output.stderr.starts_with(b"error: the pool of "), "{n}"),
                _ => panic!("{n}: {} {said}", output.status),
            }
        }
        panic!("{example} allocates for ever")
    }

    #[test]
    #[cfg_attr(miri, ignore = "there are no processes")]
    fn leave_a_synthesizer_playing() {
        assert!(refuse_each("synth", &["--seconds", "4"]) >= 10);
    }

    #[test]
    #[cfg_attr(miri, ignore = "there are no processes")]
    fn leave_a_looper_looping() {
        assert!(refuse_each("looper", &["--loop-seconds", "1", "--layers", "8", "--seconds", "5"]) >= 5);
    }

    #[test]
    #[cfg_attr(miri, ignore = "there are no processes")]
    fn leave_other_peoples_code_running() {
        let refused = refuse_each("third_party", &["--seconds", "0.2"]);
        assert!(
            refused >= 100 || cfg!(not(all(target_pointer_width = "64", target_os = "linux"))),
            "{refused}"
        );
    }

    #[test]
    #[cfg_attr(miri, ignore = "there are no processes")]
    fn leave_a_convolution_sounding() {
        refuse_each("publish", &["--every", "0.05", "--seconds", "0.2"]);
    }
}

mod bad_input {
    use super::*;

    /// Runs an example that is to fail, and gives back the one line it says.
    fn refused(example: &str, args: &[&str]) -> String {
        let output = run(example, args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        said.lines().find(|line| line.starts_with("error: ")).unwrap_or_else(|| panic!("{said}")).to_owned()
    }

    #[test]
    #[cfg_attr(miri, ignore = "there are no processes")]
    fn files_that_are_not_there_or_something_else_are_named() {
        let files = Files::new();
        let empty = files.path("empty");
        std::fs::write(&empty, []).unwrap();
        let wav = files.wav("sound.wav", &[0.0; 8]);
        let silent = files.wav("silent.wav", &[]);
        let nan = files.wav("nan.wav", &[0.0, f32::NAN]);
        let missing = files.path("missing");
        for (example, option, file) in [
            ("synth", "--midi", &missing),
            ("synth", "--midi", &empty),
            ("synth", "--midi", &wav),
            ("looper", "--input", &missing),
            ("looper", "--input", &empty),
            ("looper", "--input", &silent),
            ("looper", "--input", &nan),
            ("third_party", "--input", &empty),
            ("publish", "--impulse", &nan),
        ] {
            let said = refused(
                example,
                &[option, text(file), "--seconds", "0.1", "--wav", text(&files.path("out"))],
            );
            assert!(said.contains(text(file)), "{said}");
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "there are no processes")]
    fn a_midi_file_cut_anywhere_never_panics() {
        let files = Files::new();
        let whole = std::fs::read(files.midi(&[60, 62])).unwrap();
        let cut = files.path("cut.mid");
        for length in (0..whole.len()).step_by(5) {
            std::fs::write(&cut, &whole[..length]).unwrap();
            refused("synth", &["--midi", text(&cut), "--wav", text(&files.path("out"))]);
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "there are no processes")]
    fn a_rate_that_the_input_does_not_have_says_what_to_do() {
        let files = Files::new();
        let input = files.wav("sound.wav", &[0.0; 8]);
        let said = refused("looper", &["--input", text(&input), "--rate", "44100", "--seconds", "0.1"]);
        assert!(said.contains("48000") && said.contains("--rate"), "{said}");
    }

    #[test]
    #[cfg_attr(miri, ignore = "there are no processes")]
    fn a_wav_that_cannot_be_written_says_so() {
        let said = refused("synth", &["--seconds", "0.1", "--wav", "/nowhere/at/all.wav"]);
        assert!(said.contains("/nowhere/at/all.wav"), "{said}");
    }

    #[test]
    #[cfg_attr(miri, ignore = "there are no processes")]
    fn figures_out_of_range_never_reach_the_audio() {
        for args in [
            ["--block", "0"],
            ["--block", "9000"],
            ["--rate", "1"],
            ["--seconds", "0"],
            ["--seconds", "NaN"],
            ["--seconds", "-1"],
            ["--seconds", "601"],
            ["--voices", "0"],
        ] {
            refused("synth", &args);
        }
        refused("looper", &["--layers", "0"]);
        refused("looper", &["--loop-seconds", "61"]);
        refused("publish", &["--every", "0"]);
    }

    #[test]
    #[cfg_attr(miri, ignore = "there are no processes")]
    fn a_device_that_this_build_cannot_have_is_an_error_and_not_a_fall_back() {
        assert!(refused("synth", &["--device", "anything"]).contains("--features cpal"));
        assert!(refused("synth", &["--host", "anything"]).contains("--features cpal"));
    }
}
