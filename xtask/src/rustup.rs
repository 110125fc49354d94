//! What rustup knows about the pinned compiler: the libraries of other targets, fetched where it may.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Whether the compiler has a library for a target, which rustup fetches where it can.
pub fn has_library(root: &Path, triple: &str) -> bool {
    is_installed(root, triple) || {
        let mut rustup = Command::new("rustup");
        rustup.args(["target", "add", triple]).current_dir(root).stdin(Stdio::null());
        rustup.status().is_ok_and(|status| status.success()) && is_installed(root, triple)
    }
}

fn is_installed(root: &Path, triple: &str) -> bool {
    let output = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", triple])
        .current_dir(root)
        .output();
    let folder = output.ok().map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    folder.is_some_and(|folder| PathBuf::from(folder).is_dir())
}
