//! The library as C programs get it: optimised across crates, without the standard library.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

pub fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Builds the library into a folder of its own: static, and shared where the target has systems that load libraries.
#[allow(dead_code, reason = "one suite builds with CMake")]
pub fn build(folder: &str, flags: &str, target: Option<&str>) -> PathBuf {
    let built = Path::new(env!("CARGO_TARGET_TMPDIR")).join(folder);
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["rustc", "--package", "detalloc-capi", "--profile", "capi", "--features", "freestanding"])
        // Named one by one, because cargo optimises across crates only where no Rust library is wanted beside.
        .args(["--crate-type", "staticlib", "--target-dir"])
        .arg(&built)
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env("RUSTFLAGS", flags)
        .current_dir(package());
    if !target.is_some_and(|target| target.contains("-none")) {
        cargo.args(["--crate-type", "cdylib"]);
    }
    if let Some(target) = target {
        // For flags that are not stable.
        cargo.args(["--target", target]).env("RUSTC_BOOTSTRAP", "1");
    }
    assert!(cargo.status().is_ok_and(|status| status.success()), "the library builds");
    built.join(target.unwrap_or_default()).join("capi")
}

/// The folder with the library as programs get it.
#[allow(dead_code, reason = "one suite has its own")]
pub fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| build("capi", "", None))
}

/// Whether Rust's library for a target is here; says so if not. Where it cannot be installed, what needs it is not checked.
#[allow(dead_code, reason = "not every suite looks at other targets")]
pub fn is_installed(target: &str) -> bool {
    let folder = Command::new("rustc").args(["--print", "target-libdir", "--target", target]).output();
    let is_there =
        folder.is_ok_and(|folder| Path::new(String::from_utf8_lossy(&folder.stdout).trim()).is_dir());
    if !is_there {
        println!("not checked: Rust's library for {target} is not installed");
    }
    is_there
}
