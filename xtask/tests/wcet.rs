//! `cargo xtask wcet` refuses what it must, in optimised code.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use xtask::wcet::{Row, take_apart};
use xtask::workspace::Workspace;

/// The planted functions, taken apart.
fn planted() -> &'static [Row] {
    static ROWS: OnceLock<Vec<Row>> = OnceLock::new();
    ROWS.get_or_init(|| {
        let workspace = Workspace::find().expect("a workspace");
        let folder: PathBuf = workspace.target.join("wcet/planted");
        let status = Command::new("cargo")
            .args([
                "build",
                "--release",
                "--locked",
                "--package",
                "operations",
                "--bin",
                "planted",
                "--target-dir",
            ])
            .arg(&folder)
            .env("RUSTFLAGS", "-C relocation-model=static")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .current_dir(&workspace.root)
            .status();
        assert!(status.expect("cargo runs").success());
        take_apart(&folder.join("release/planted"), "here", &workspace.root)
            .expect("a program with operations")
    })
}

fn of(name: &str) -> &'static Row {
    planted().iter().find(|row| row.operation == name).unwrap_or_else(|| panic!("{name} is there"))
}

#[test]
fn what_is_bounded_is_proved() {
    for row in planted().iter().filter(|row| row.operation.starts_with("good_")) {
        assert!(row.ok, "{row:#?}");
        assert!(row.instructions > 0 && row.instructions < 100, "{row:#?}");
    }
    assert_eq!(planted().iter().filter(|row| row.ok).count(), 4, "and nothing else");
}

#[test]
fn everything_planted_is_refused_for_its_own_reason() {
    for (name, why) in [
        ("bad_loop", "a loop"),
        ("bad_loop_in_call", "a loop"),
        ("bad_recursion", "calls itself"),
        ("bad_index", "panic_bounds_check"),
        ("bad_unwrap", "unwrap_failed"),
        ("bad_format", "fmt"),
        ("bad_pointer", "through a register or memory"),
        ("bad_table", "a jump through a register or memory"),
        ("bad_syscall", "a system call"),
        ("bad_division", "a division"),
        ("bad_fill", "memset"),
        ("bad_copy", "mem"),
        ("bad_heap", "malloc"),
        ("bad_lock", "sys"),
        ("bad_wrong_exception", "a loop"),
        ("bad_end", "std::process::abort"),
    ] {
        let row = of(name);
        assert!(!row.ok && row.why.iter().any(|said| said.contains(why)), "{name}: {:?}", row.why);
    }
}

#[test]
fn an_exception_is_told_with_its_reason() {
    let row = of("good_exception");
    assert_eq!(row.annotations.len(), 1);
    let said = &row.annotations[0];
    assert!(
        said.contains("planted.rs:") && said.ends_with("at most 4 rounds: a test of exceptions"),
        "{said}"
    );
    assert!(row.instructions > of("good_arithmetic").instructions);
}

#[test]
fn a_path_is_told_with_its_lines_and_what_it_costs() {
    let row = of("good_call");
    // Two calls, each with a call, a return and some arithmetic.
    assert!(row.lines.iter().any(|line| line.contains("planted.rs:")), "{:?}", row.lines);
    assert!(row.stack_bytes >= 8 && row.loads >= 2 && row.stores >= 2, "{row:?}");
}
