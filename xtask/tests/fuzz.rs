//! `cargo xtask fuzz` as a person or a script sees it, with the random driver.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn fuzz(args: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_xtask")).arg("fuzz").args(args).output();
    output.expect("it starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn arguments_that_cannot_be_are_refused() {
    for args in [
        &["--minutes", "0"][..],
        &["--minutes", "-1"],
        &["--minutes", "1441"],
        &["--minutes", "soon"],
        &["--seed", "0"],
        &["--seed", "4294967296"],
        &["--replay", "a.input"],
        &["--replay", "a.input", "--target", "heap", "--record"],
        &["--unknown"],
    ] {
        let output = fuzz(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", text(&output.stderr));
        assert!(output.stdout.is_empty(), "{args:?}");
    }
}

#[test]
fn a_target_or_a_file_that_is_not_there_is_named() {
    let output = fuzz(&["--stable", "--target", "nothing"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("no target nothing") && said.contains("heap, shared"), "{said}");
    let output = fuzz(&["--stable", "--target", "heap", "--replay", "missing.input"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("missing.input"));
}

#[test]
fn what_holds_exits_with_0_and_is_told_as_json() {
    let output = fuzz(&["--stable", "--target", "ring", "--minutes", "0.01", "--seed", "7", "--json", "-"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON and nothing else");
    let runs = json["runs"].as_array().expect("runs");
    assert!(!runs.is_empty());
    for (run, seed) in runs.iter().zip(7..) {
        assert_eq!((run["target"].as_str(), run["engine"].as_str()), (Some("ring"), Some("random")));
        assert_eq!(run["seed"].as_u64(), Some(seed));
        assert!(
            run["inputs"].as_u64() > Some(0) && run["operations"].as_u64() > run["inputs"].as_u64(),
            "{run}"
        );
        assert_eq!(run["findings"].as_array().map(Vec::len), Some(0));
        assert_eq!(run["date"].as_str().map(str::len), Some(10));
    }
}

/// A target that fails on purpose is found, kept, and fails again when it is replayed.
#[test]
fn what_fails_is_kept_with_the_command_that_runs_it_again() {
    let output = fuzz(&["--stable", "--target", "planted", "--minutes", "0.5", "--seed", "1", "--json", "-"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON and nothing else");
    let finding = &json["runs"][0]["findings"][0];
    assert!(finding["why"].as_str().is_some_and(|why| why.contains("as planned")), "{finding}");
    let file = finding["file"].as_str().expect("a file");
    assert!(fs::read(file).expect("it is there").windows(2).any(|pair| pair == [42, 42]));
    let command = finding["command"].as_str().expect("a command");
    assert!(said.contains(command), "{said}");

    let args: Vec<&str> = command.split(' ').skip(3).collect();
    let again = fuzz(&args);
    assert_eq!(again.status.code(), Some(1), "{}", text(&again.stderr));
    assert!(text(&again.stderr).contains("as planned"));

    let folder = tempfile::tempdir().expect("a folder");
    let good = folder.path().join("good.input");
    fs::write(&good, [41, 42, 41]).expect("writable");
    let held = fuzz(&["--stable", "--target", "planted", "--replay", path(&good)]);
    assert_eq!(held.status.code(), Some(0), "{}", text(&held.stderr));
    assert!(text(&held.stdout).contains("holds on planted"));
}

fn path(path: &Path) -> &str {
    path.to_str().expect("text")
}
