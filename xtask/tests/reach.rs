//! `cargo xtask reach` takes the allocator to a microcontroller, where there is an emulator of one.
#![cfg(target_os = "linux")]

use std::process::{Command, Output};

use serde_json::Value;

fn reach(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask")).arg("reach").args(args).output().expect("the program runs")
}

/// The row of a target; `None` where what it needs is not to be had, which is a failure in CI.
fn row(target: &str) -> Option<Value> {
    let output = reach(&["--target", target, "--json", "-"]);
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(2) && std::env::var_os("CI").is_none() {
        eprintln!("not run: {said}");
        return None;
    }
    assert_eq!(output.status.code(), Some(0), "{said}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    Some(report["targets"][0].clone())
}

#[test]
fn an_emulated_microcontroller_gives_what_x86_64_gives_in_the_same_number_of_instructions_every_time() {
    let Some(row) = row("thumbv7em") else { return };
    // Eight vectors, fourteen checks, three programs in C, and the core's tests but for those that need a system.
    assert!(row["passed"].as_u64() >= Some(8 + 14 + 3 + 150), "{row}");
    let why = row["not_possible"].as_array().expect("an array");
    assert!(why.iter().all(|why| why.as_str().is_some_and(|why| why.contains("tests that need"))), "{row}");
    for operation in ["allocate", "free"] {
        let (least, most) = (row[operation]["least"].as_u64(), row[operation]["most"].as_u64());
        assert!(least == most && (10..=60).contains(&least.unwrap_or(0)), "{operation}: {row}");
    }
}

#[test]
fn allocate_and_free_with_all_checks_fit_into_one_and_a_half_kibibytes() {
    let Some(row) = row("thumbv7em-small") else { return };
    assert!((500..=1536).contains(&row["code_bytes"].as_u64().unwrap_or(0)), "{row}");
    // Eight vectors, and thirteen checks: remote frees are not there.
    assert_eq!(row["passed"].as_u64(), Some(8 + 13), "{row}");
}

#[test]
fn a_target_that_nobody_knows_is_named() {
    let output = reach(&["--target", "z80"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("z80") && said.contains("thumbv7em"), "{said}");
}
