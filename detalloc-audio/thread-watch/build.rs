//! Says whether this crate can be the program's `malloc`: on Linux with glibc, where nothing else has to be.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(interposed)");
    let cfg = |name: &str| std::env::var(format!("CARGO_CFG_{name}")).unwrap_or_default();
    let has = |name: &str| std::env::var_os(format!("CARGO_CFG_{name}")).is_some();
    // These bring a `malloc` of their own.
    let others = ["MIRI", "ASAN", "RTSAN", "TSAN"].into_iter().any(has);
    if cfg("TARGET_OS") == "linux" && cfg("TARGET_ENV") == "gnu" && !others {
        println!("cargo::rustc-cfg=interposed");
    }
}
