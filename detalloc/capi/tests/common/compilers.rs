//! The compilers that the C and C++ programs have to please: GCC and Clang. A missing one is a failure; `cargo xtask test` installs
//! both.

use std::process::Command;

#[allow(dead_code, reason = "one suite lets CMake choose")]
pub const C: [&str; 2] = ["gcc", "clang"];
#[allow(dead_code, reason = "not every suite compiles C++")]
pub const CPP: [&str; 2] = ["g++", "clang++"];

/// What a command prints, that has to succeed.
pub fn output(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {out}{err}");
    out.into_owned()
}
