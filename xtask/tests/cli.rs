//! The command line of the built program: its exit codes, one line on stderr for each bad input that names the file
//! and the reason, and nothing half-written left behind. Bad input is told before anything is built.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

fn xtask(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(args)
        .current_dir(folder)
        .output()
        .expect("the program runs")
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] })
        .collect();
    found.sort();
    found
}

/// Checks that a call ends with exit code 2 and one line that holds all of `words`, and that it leaves no new file.
fn refuses(folder: &Path, args: &[&str], words: &[&str]) {
    let before = files(folder);
    let output = xtask(folder, args);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{args:?}: {stderr}");
    assert_eq!(stderr.lines().count(), 1, "{args:?}: one line, not\n{stderr}");
    for word in words {
        assert!(stderr.contains(word), "{args:?}: {word:?} is in {stderr}");
    }
    assert!(output.stdout.is_empty(), "{args:?}: nothing on stdout");
    assert!(!stderr.contains('\x1b'), "no colours where nobody sees them");
    assert_eq!(files(folder), before, "{args:?}: no file is left behind");
}

/// A WAV file of 16-bit samples, mono, with this many frames promised and this many there.
fn wav(rate_hz: u32, promised: u32, frames: usize) -> Vec<u8> {
    let mut bytes = b"RIFF".to_vec();
    bytes.extend((36 + promised * 2).to_le_bytes());
    bytes.extend(b"WAVEfmt ");
    bytes.extend(16_u32.to_le_bytes());
    bytes.extend(1_u16.to_le_bytes());
    bytes.extend(1_u16.to_le_bytes());
    bytes.extend(rate_hz.to_le_bytes());
    bytes.extend((rate_hz * 2).to_le_bytes());
    bytes.extend(2_u16.to_le_bytes());
    bytes.extend(16_u16.to_le_bytes());
    bytes.extend(b"data");
    bytes.extend((promised * 2).to_le_bytes());
    bytes
        .extend((0..frames).flat_map(|frame| i16::try_from(frame % 100 * 100).expect("small").to_le_bytes()));
    bytes
}

/// A MIDI file of one track; 480 ticks are half a second.
fn midi(track: &[u8]) -> Vec<u8> {
    let mut bytes = b"MThd\0\0\0\x06\0\0\0\x01\x01\xE0MTrk".to_vec();
    bytes.extend(u32::try_from(track.len()).expect("a short track").to_be_bytes());
    bytes.extend(track);
    bytes
}

const END_OF_TRACK: [u8; 4] = [0, 0xFF, 0x2F, 0];

#[test]
fn audio_that_cannot_be_played() {
    let folder = folder();
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).expect("writable");
    write("empty.wav", b"");
    write("text.wav", b"this is no recording at all, only some text of a useful length");
    write("truncated-header.wav", &wav(48_000, 1000, 1000)[..30]);
    write("truncated.wav", &wav(48_000, 1000, 400));
    write("no-frames.wav", &wav(48_000, 0, 0));
    write("song.mp3", b"ID3\x03\0\0\0\0\0\0and so on and so forth, for a while longer");
    fs::create_dir(folder.path().join("folder.wav")).expect("writable");
    for name in [
        "missing.wav",
        "empty.wav",
        "text.wav",
        "truncated-header.wav",
        "truncated.wav",
        "no-frames.wav",
        "song.mp3",
        "folder.wav",
    ] {
        refuses(folder.path(), &["demo", "--audio", name, "--out", "x.wav"], &[name]);
    }
    refuses(folder.path(), &["demo", "--audio", "missing.wav"], &["missing.wav"]);
}

#[test]
#[cfg(unix)]
fn audio_that_may_not_be_read() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    let path = folder.path().join("secret.wav");
    fs::write(&path, wav(48_000, 10, 10)).expect("writable");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).expect("ours");
    // Root may read everything; then there is nothing to refuse.
    if fs::read(&path).is_err() {
        refuses(folder.path(), &["demo", "--audio", "secret.wav"], &["secret.wav"]);
    }
}

#[test]
fn midi_that_cannot_be_played() {
    let folder = folder();
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).expect("writable");
    let good = midi(&[&[0, 0x90, 60, 100, 0x83, 0x60, 0x80, 60, 0][..], &END_OF_TRACK].concat());
    write("empty.mid", b"");
    write("text.mid", b"these are no notes");
    write("truncated.mid", &good[..good.len() - 6]);
    write("header-only.mid", &good[..14]);
    write("no-notes.mid", &midi(&END_OF_TRACK));
    fs::create_dir(folder.path().join("folder.mid")).expect("writable");
    for name in [
        "missing.mid",
        "empty.mid",
        "text.mid",
        "truncated.mid",
        "header-only.mid",
        "no-notes.mid",
        "folder.mid",
    ] {
        refuses(folder.path(), &["demo", "--midi", name, "--out", "x.wav"], &[name]);
    }
    refuses(folder.path(), &["demo", "--midi", "no-notes.mid"], &["no-notes.mid", "holds no notes"]);
}

#[test]
fn places_that_cannot_be_written() {
    let folder = folder();
    fs::create_dir(folder.path().join("taken-clap.wav")).expect("writable");
    fs::create_dir(folder.path().join("folder.json")).expect("writable");
    fs::write(folder.path().join("file"), b"no folder").expect("writable");
    for (args, words) in [
        (["--out", "missing/x.wav"], ["missing/x-clap.wav", "cannot be written"]),
        (["--out", "file/x.wav"], ["file/x-clap.wav", "cannot be written"]),
        (["--out", "taken.wav"], ["taken-clap.wav", "folder"]),
        (["--out", "x.mp3"], ["x.mp3", ".wav"]),
        (["--json", "missing/x.json"], ["missing/x.json", "cannot be written"]),
        (["--json", "folder.json"], ["folder.json", "folder"]),
    ] {
        refuses(folder.path(), &[&["demo"], &args[..]].concat(), &words);
    }
}

#[test]
fn an_unknown_plugin() {
    let folder = folder();
    refuses(folder.path(), &["bundle", "nosuch"], &["nosuch", "unknown plugin", "graincloud"]);
    refuses(folder.path(), &["bundle", "detalloc", "--release"], &["detalloc", "unknown plugin"]);
}

#[test]
fn options_out_of_range() {
    let folder = folder();
    for args in [
        ["--block", "0"],
        ["--block", "8193"],
        ["--block", "many"],
        ["--rate", "7"],
        ["--rate", "400000"],
        ["--seconds", "0"],
        ["--seconds", "-1"],
        ["--seconds", "601"],
        ["--seconds", "NaN"],
        ["--source", "tape"],
        ["--colour", "blue"],
    ] {
        let output = xtask(folder.path(), &[&["demo"], &args[..]].concat());
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {stderr}");
        assert!(stderr.contains(args[0]), "{args:?}: {stderr}");
    }
    assert!(files(folder.path()).is_empty());
}

#[test]
fn help_and_usage() {
    let folder = folder();
    for args in [
        &["--help"][..],
        &["bundle", "--help"],
        &["demo", "--help"],
        &["test", "--help"],
        &["doctor", "--help"],
    ] {
        let output = xtask(folder.path(), args);
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert!(!output.stdout.is_empty() && output.stderr.is_empty(), "{args:?}");
    }
    assert_eq!(xtask(folder.path(), &[]).status.code(), Some(2));
    assert_eq!(xtask(folder.path(), &["dance"]).status.code(), Some(2));
}

#[test]
fn doctor_says_what_is_there() {
    let folder = folder();
    let output = xtask(folder.path(), &["doctor"]);
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{stdout}");
    for thing in ["rustc", "cargo", "C compiler", "rustfmt", "clippy", "processor cores", "heap watch"] {
        assert!(stdout.contains(thing), "{thing} is in\n{stdout}");
    }
    assert!(stdout.lines().count() <= 24, "one screen");
}

#[test]
fn a_demo_writes_its_figures_and_both_renders() {
    let folder = folder();
    fs::write(folder.path().join("mono-32k.wav"), wav(32_000, 3200, 3200)).expect("writable");
    let args = [
        "demo",
        "--seconds",
        "1.5",
        "--block",
        "100",
        "--rate",
        "44100",
        "--audio",
        "mono-32k.wav",
        "--out",
        "x.wav",
        "--json",
        "x.json",
    ];
    let output = xtask(folder.path(), &args);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");

    let names: Vec<String> = files(folder.path())
        .iter()
        .map(|path| path.file_name().expect("a name").to_string_lossy().into_owned())
        .collect();
    assert_eq!(names, ["mono-32k.wav", "x-clap.wav", "x-vst3.wav", "x.json"]);

    let json: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.path().join("x.json")).expect("written")).expect("JSON");
    assert!(json["rustc"].as_str().is_some_and(|version| version.starts_with("rustc 1.")));
    assert_eq!((json["block"].as_u64(), json["rate"].as_u64()), (Some(100), Some(44_100)));
    assert_eq!(json["audio_seconds"].as_f64(), Some(1.5));
    assert_eq!(json["identical"].as_bool(), Some(true));
    let formats = json["formats"].as_array().expect("formats");
    assert_eq!(formats.len(), 2);
    for (figures, name) in formats.iter().zip(["clap", "vst3"]) {
        assert_eq!(figures["format"].as_str(), Some(name));
        assert!(figures["bundle"].as_str().is_some_and(|bundle| bundle.ends_with(name)));
        assert_eq!(figures["callbacks"].as_u64(), Some(662));
        for number in ["realtime_factor", "deadline_us", "p999_us", "worst_us", "peak_db"] {
            assert!(figures[number].is_f64(), "{number} in {figures}");
        }
        for count in ["misses", "grains_spawned", "live_peak", "refusals", "stolen"] {
            assert!(figures[count].is_u64(), "{count} in {figures}");
        }
        for counter in ["allocs", "frees", "minor_faults", "voluntary_switches"] {
            let value = &figures["audio_thread"][counter];
            assert!(value.is_u64() || value.is_null(), "{counter} in {figures}");
            if cfg!(all(target_os = "linux", target_env = "gnu")) {
                assert!(value.is_u64(), "{counter} can be told here");
            }
        }

        let mut render =
            hound::WavReader::open(folder.path().join(format!("x-{name}.wav"))).expect("a WAV file");
        assert_eq!((render.spec().channels, render.spec().sample_rate), (2, 44_100));
        assert_eq!(render.duration(), 66_150);
        assert!(render.samples::<f32>().all(|sample| sample.is_ok_and(f32::is_finite)));
    }
}

#[test]
fn the_figures_go_to_stdout_when_asked() {
    let folder = folder();
    let args = ["demo", "--seconds", "0.5", "--source", "file", "--out", "x.wav", "--json", "-"];
    let output = xtask(folder.path(), &args);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let json: serde_json::Value =
        serde_json::from_slice(&output.stdout).expect("stdout holds JSON and nothing else");
    assert_eq!(json["identical"].as_bool(), Some(true));
    assert!(String::from_utf8_lossy(&output.stderr).contains("callbacks"), "the table is on stderr");
}

#[test]
fn existing_files_are_replaced_only_by_whole_ones() {
    let folder = folder();
    fs::write(folder.path().join("x-clap.wav"), b"before").expect("writable");
    refuses(folder.path(), &["demo", "--audio", "missing.wav", "--out", "x.wav"], &["missing.wav"]);
    assert_eq!(fs::read(folder.path().join("x-clap.wav")).expect("still there"), b"before");
}

/// More notes in one block than nice-plug keeps room for: its own event queue grows inside the process call. That is
/// the one way known to make the audio thread of a good plugin touch the system heap, and so the way to see the demo
/// notice it.
#[test]
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn a_touch_of_the_heap_fails_the_demo_and_names_the_call() {
    let folder = folder();
    // A note to begin with, a second later a flood within one tick.
    let mut track = vec![0, 0x90, 60, 100, 0x87, 0x40, 60, 0];
    for note in 0..9000_u32 {
        track.extend([0, u8::try_from(note % 128).expect("a key"), 100]);
    }
    track.extend(END_OF_TRACK);
    fs::write(folder.path().join("flood.mid"), midi(&track)).expect("writable");
    let output = xtask(folder.path(), &["demo", "--midi", "flood.mid", "--seconds", "1.5", "--out", "x.wav"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("system heap touched, first in callback"), "{stderr}");
    assert!(stderr.contains("nice-plug-0.4.2/src/wrapper/"), "{stderr}");
}
