//! The compilers that the C and C++ programs have to please: GCC and Clang, as far as they are here; `cargo xtask test` installs
//! both where it may. A missing one is said, and is a failure in CI.

use std::{env, process::Command};

/// For C.
#[allow(dead_code, reason = "one suite lets CMake choose")]
pub fn c() -> impl Iterator<Item = &'static str> {
    ["gcc", "clang"].into_iter().filter(|compiler| is_there(&[compiler]))
}

/// For C++.
#[allow(dead_code, reason = "not every suite compiles C++")]
pub fn cpp() -> impl Iterator<Item = &'static str> {
    ["g++", "clang++"].into_iter().filter(|compiler| is_there(&[compiler]))
}

/// What a command prints, that has to succeed.
pub fn output(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {out}{err}");
    out.into_owned()
}

/// Whether other tools are here. Where one is missing, it says so, and that is a failure in CI.
#[allow(dead_code, reason = "not every suite needs more than compilers")]
pub fn is_there(tools: &[&str]) -> bool {
    let missing: Vec<_> = tools
        .iter()
        .filter(|tool| !Command::new(tool).arg("--version").output().is_ok_and(|it| it.status.success()))
        .collect();
    assert!(missing.is_empty() || env::var_os("CI").is_none(), "{missing:?} are missing");
    if !missing.is_empty() {
        println!("not checked: {missing:?} are missing");
    }
    missing.is_empty()
}
