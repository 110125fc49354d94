//! `cargo xtask budget` as a person or a script sees it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn budget(args: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_xtask")).arg("budget").args(args).output();
    output.expect("it starts")
}

fn recording() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../detalloc-audio/tests/data/synth.trace")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// That these bytes as a file are refused with one line that has these words in it.
fn refused(name: &str, bytes: &[u8], words: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join(name);
    fs::write(&file, bytes).expect("writable");
    let output = budget(&[file.to_str().expect("text")]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(output.stdout.is_empty());
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains(words) && said.contains(name), "{said}");
}

/// detalloc-audio's tests compile that file, and replay the recording on its pools.
#[test]
fn what_is_printed_is_the_source_that_the_tests_compile() {
    let output = budget(&[recording().to_str().expect("text")]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let kept = fs::read_to_string(recording().with_extension("rs")).expect("there");
    assert_eq!(text(&output.stdout), kept);
}

#[test]
fn json_has_the_figures_behind_the_source() {
    let output = budget(&[recording().to_str().expect("text"), "--headroom", "100", "--json", "-"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON and nothing else");
    assert_eq!(json["headroom_percent"], 100);
    assert_eq!(json["refused_when_recorded"], 0);
    assert!(
        json["callbacks"].as_u64() > Some(7_000) && json["needed_over_peak"].as_f64() > Some(1.0),
        "{json}"
    );
    let blocks = |json: &serde_json::Value| {
        let pools = json["pools"].as_array().expect("pools").iter();
        pools.filter_map(|pool| pool["blocks"].as_u64()).sum::<u64>()
    };
    let least = budget(&[recording().to_str().expect("text"), "--headroom", "0", "--json", "-"]);
    let least = serde_json::from_slice(&least.stdout).expect("JSON and nothing else");
    assert_eq!(blocks(&json), 2 * blocks(&least));
}

#[test]
fn what_is_no_recording_is_refused_in_one_line() {
    let whole = fs::read(recording()).expect("there");
    refused("empty.trace", b"", "not a trace");
    refused("music.wav", b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0", "not a trace");
    refused("cut.trace", &whole[..whole.len() / 2], "bytes and");
    let mut early = whole.clone();
    early[16] = 3;
    refused("early.trace", &early, "lacks 3 events");
    refused("still.trace", b"detrace\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", "no pools");
    let mut later = whole;
    later[7] = 9;
    refused("later.trace", &later, "version 9");
}

#[test]
fn what_cannot_be_read_is_refused_in_one_line() {
    for file in ["missing.trace", "/"] {
        let output = budget(&[file]);
        assert_eq!(output.status.code(), Some(2));
        assert_eq!(text(&output.stderr).lines().count(), 1, "{}", text(&output.stderr));
    }
}

#[test]
fn headroom_out_of_range_is_refused() {
    for percent in ["-1", "1001", "a quarter"] {
        let output = budget(&[recording().to_str().expect("text"), "--headroom", percent]);
        assert_eq!(output.status.code(), Some(2), "{percent}");
    }
}

/// One block of 1 GiB: larger than any.
#[test]
fn a_request_that_no_block_can_serve_fails_the_check() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("huge.trace");
    let records = [&[0_u8][..], &[0x80, 0x80, 0x80, 0x80, 0x08], &[0, 0x20]].concat();
    let head = [*b"detrace\x01", (records.len() as u64).to_le_bytes(), [0; 8]].concat();
    fs::write(&file, [head, records].concat()).expect("writable");
    let output = budget(&[file.to_str().expect("text")]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("1073741824 bytes"), "{}", text(&output.stderr));
}
