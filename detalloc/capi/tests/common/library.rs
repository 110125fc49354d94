//! The library as C programs get it: optimised across crates, without the standard library.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

pub fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Builds the library into a folder of its own, static and shared.
pub fn build(folder: &str, flags: &str, target: Option<&str>) -> PathBuf {
    let built = Path::new(env!("CARGO_TARGET_TMPDIR")).join(folder);
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["rustc", "--package", "detalloc-capi", "--profile", "capi", "--features", "freestanding"])
        // Named one by one, because cargo optimises across crates only where no Rust library is wanted beside.
        .args(["--crate-type", "staticlib", "--crate-type", "cdylib", "--target-dir"])
        .arg(&built)
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env("RUSTFLAGS", flags)
        .current_dir(package());
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
