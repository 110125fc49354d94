//! `miri`: the tests of the core, of the C interface and of the integration in an interpreter that knows undefined behaviour when it meets it:
//! pointers that do not belong to what they are used for, memory that was never written, and races on the schedules it tries.
//!
//! It is a thousand times slower than the processor. So long loops are short there, and a test that cannot run at all says why.
//! What it does not see: what ordinary code does in callbacks, as the window of addresses that contains it is the system's.

use std::process::{Command, Stdio};

use crate::cli::MiriArgs;
use crate::failure::Failure;
use crate::workspace::Workspace;

/// Clocks and files are the machine's, so that reapers wake up. What is in statics or forgotten on purpose is no leak. And guards
/// find their blocks again by exposed addresses, which is no news.
const FLAGS: &str = "-Zmiri-disable-isolation -Zmiri-ignore-leaks -Zmiri-permissive-provenance";

/// A package, and the features that its tests need.
const PACKAGES: [(&str, &str); 3] = [
    ("detalloc", "alloc,os,allocator-api2,allocator-api2-03,allocator-api2-04"),
    ("detalloc-capi", ""),
    ("detalloc-audio", "fault-injection,record"),
];

/// Runs the subcommand.
///
/// # Errors
///
/// [`Failure::Check`] if and only if a test failed or Miri found something; [`Failure::CannotRun`] if and only if there is no
/// Miri or the tests do not build.
pub fn run(args: &MiriArgs) -> Result<(), Failure> {
    let packages: Vec<_> = PACKAGES
        .into_iter()
        .filter(|(name, _)| args.package.as_deref().is_none_or(|wanted| wanted == *name))
        .collect();
    let workspace = Workspace::find()?;
    let cargo = || {
        let mut cargo = Command::new("cargo");
        cargo.args(["+nightly", "miri"]).current_dir(&workspace.root).stdin(Stdio::null());
        // This program's own cargo is a pinned one, and says so to its children.
        cargo.env_remove("CARGO").env_remove("RUSTC").env_remove("RUSTUP_TOOLCHAIN");
        cargo
    };
    let there = cargo().arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !there.is_ok_and(|status| status.success()) {
        let how = "rustup toolchain install nightly --component miri,rust-src";
        return Err(Failure::CannotRun(format!("Miri is missing. Install: {how}")));
    }

    let given = std::env::var("MIRIFLAGS").unwrap_or_default();
    let test = |(name, features): (&str, &str), last: &[&str]| {
        let mut cargo = cargo();
        cargo.args(["test", "--package", name, "--features", features, "--lib", "--tests"]).args(last);
        cargo.env("MIRIFLAGS", format!("{FLAGS} {given}").trim());
        // Each backtrace of a panic that a test is about takes seconds.
        cargo.env("RUST_BACKTRACE", "0").arg("--target-dir").arg(workspace.target.join("miri"));
        cargo.status().is_ok_and(|status| status.success())
    };
    let filter: Vec<&str> = args.filter.as_deref().into_iter().collect();
    let mut bad = Vec::new();
    for package in packages {
        if !test(package, &["--no-run"]) {
            return Err(Failure::CannotRun(format!("{}: the tests do not build", package.0)));
        }
        if !test(package, &[&["--no-fail-fast"], &filter[..]].concat()) {
            bad.push(package.0);
        }
    }
    if bad.is_empty() { Ok(()) } else { Err(Failure::Check(format!("failed: {}", bad.join(", ")))) }
}
