//! The programs in C and C++ of `detalloc/capi/examples`, compiled for a target with every warning an error, and run there.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::build::Build;
use super::emulator::emulate;
use super::report::Row;
use crate::failure::Failure;

/// What compiles C and C++ for a system, and links.
#[derive(Clone, Copy, Debug)]
pub struct Tools {
    /// For C.
    pub c: &'static str,
    /// For C++.
    pub cpp: &'static str,
}

/// How programs in C are made for a board: by what, with picolibc, whose start-up code and output need nothing but to be told where
/// the board's memory lies.
#[derive(Clone, Copy, Debug)]
pub struct BoardC {
    /// The compiler, and what it is told of the processor.
    pub compiler: &'static [&'static str],
    /// Where programs begin.
    pub flash: &'static str,
    /// Where their data begins.
    pub ram: &'static str,
}

/// Of either, in bytes: more than any of the programs needs, and less than the boards have.
const BOARD_MEMORY: &str = "0x400000";

const CAPI: &str = "detalloc/capi";

const WARNINGS: [&str; 4] = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"];

/// A program.
struct Program {
    source: &'static str,
    standard: &'static str,
    /// How each line begins that it prints.
    says: &'static [&'static str],
    /// Whether boards can run it: it needs neither threads nor a library of C++ nor megabytes.
    is_small: bool,
}

const PROGRAMS: [Program; 6] = [
    Program {
        source: "specification.c",
        standard: "c99",
        says: &["[detalloc] total pools: 10", "[detalloc] peak usage: 512 bytes", "[detalloc] WCET alloc: "],
        is_small: true,
    },
    Program { source: "misuse.c", standard: "c99", says: &["all refused"], is_small: true },
    Program { source: "hooks.c", standard: "c99", says: &["heard"], is_small: true },
    Program {
        source: "threads.c",
        standard: "c99",
        says: &["failures: 0, left: 0 and 0 bytes, valid: 1 and 1"],
        is_small: false,
    },
    Program {
        source: "process_block.cpp",
        standard: "c++17",
        says: &["refused: 0, valid: 1, containers: 1"],
        is_small: false,
    },
    Program { source: "containers.cpp", standard: "c++17", says: &["contained"], is_small: false },
];

impl Program {
    /// Whether it has printed what it should, and nothing else.
    fn has_said(&self, text: &str) -> bool {
        let lines: Vec<_> = text.lines().collect();
        lines.len() == self.says.len()
            && lines.iter().zip(self.says).all(|(line, begins)| line.starts_with(begins))
    }

    fn judge(&self, text: &str, row: &mut Row) {
        if self.has_said(text) {
            row.passed += 1;
        } else {
            let (should, says) = (self.says.join("; "), text.trim_end());
            row.failed.push(format!("{} says {says:?} and not: {should}", self.source));
        }
    }

    /// Compiles and links it.
    fn compile(
        &self,
        build: &Build<'_>,
        compiler: &mut Command,
        library: &Path,
        flags: &[String],
    ) -> Result<PathBuf, Failure> {
        let capi = build.workspace.root.join(CAPI);
        // Windows wants the ending.
        let program = build.output("capi").join(self.source).with_extension("exe");
        compiler.arg(format!("-std={}", self.standard)).arg("-O2").args(WARNINGS);
        compiler
            .arg("-I")
            .arg(capi.join("include"))
            .arg(capi.join("examples").join(self.source))
            .arg(library);
        compiler.args(flags).arg("-o").arg(&program);
        if compiler.status().is_ok_and(|status| status.success()) {
            Ok(program)
        } else {
            Err(Failure::CannotRun(format!("{} does not build for {}", self.source, build.target.triple)))
        }
    }
}

/// Builds the library for programs that are not Rust, with further arguments of cargo.
///
/// # Errors
///
/// [`Failure::CannotRun`] if and only if it does not build.
pub fn library(build: &Build<'_>, args: &[&str]) -> Result<PathBuf, Failure> {
    let mut cargo = build.cargo(CAPI, "rustc");
    cargo.args(["--package", "detalloc-capi", "--profile", "capi", "--features", "freestanding"]).args(args);
    if cargo.args(["--crate-type", "staticlib"]).status().is_ok_and(|status| status.success()) {
        Ok(build.output("capi").join("libdetalloc_c.a"))
    } else {
        Err(Failure::CannotRun(format!("{CAPI} does not build for {}", build.target.triple)))
    }
}

/// Runs all programs on a system, under an emulator.
///
/// # Errors
///
/// [`Failure::CannotRun`] if and only if the library or a program does not build.
pub fn on_system(build: &Build<'_>, tools: &Tools, runner: &[&str], row: &mut Row) -> Result<(), Failure> {
    let library = library(build, &[])?;
    for program in &PROGRAMS {
        let compiler = if program.source.ends_with(".c") { tools.c } else { tools.cpp };
        let flags = ["-static", "-pthread"].map(str::to_owned);
        let binary = program.compile(build, &mut Command::new(compiler), &library, &flags)?;
        // The emulator's own remarks are no output of a program.
        let output =
            Command::new(runner[0]).args(&runner[1..]).arg(&binary).env("WINEDEBUG", "-all").output();
        let text = match output {
            Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).into_owned(),
            Ok(output) => format!("{}: {}", output.status, String::from_utf8_lossy(&output.stdout)),
            Err(error) => error.to_string(),
        };
        program.judge(&text, row);
    }
    Ok(())
}

/// Runs the small programs on a board.
///
/// # Errors
///
/// [`Failure::CannotRun`] if and only if the library or a program does not build.
pub fn on_board(
    build: &Build<'_>,
    emulator: &[&str],
    (board, tools): (&str, &BoardC),
    row: &mut Row,
) -> Result<(), Failure> {
    let library = library(build, &[])?;
    let place = |name: &str, value: &str| format!("-Wl,--defsym={name}={value}");
    let flags = [
        place("__flash", tools.flash),
        place("__flash_size", BOARD_MEMORY),
        place("__ram", tools.ram),
        place("__ram_size", BOARD_MEMORY),
        place("__stack_size", "0x8000"),
        // The C library's own objects do not say that their stack is for data alone.
        "-Wl,--no-warn-execstack".to_owned(),
    ];
    for program in PROGRAMS.iter().filter(|program| program.is_small) {
        let mut compiler = Command::new(tools.compiler[0]);
        compiler.args(&tools.compiler[1..]).args([
            "--specs=picolibc.specs",
            "--oslib=semihost",
            "--crt0=hosted",
        ]);
        let binary = program.compile(build, &mut compiler, &library, &flags)?;
        program.judge(&emulate(emulator, board, &binary), row);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_has_to_say_every_line_and_no_other() {
        let program = &PROGRAMS[0];
        let good = "[detalloc] total pools: 10\n[detalloc] peak usage: 512 bytes\n[detalloc] WCET alloc: 5\n";
        assert!(program.has_said(good));
        for bad in ["", &good[1..], &good.replace("512", "51"), &format!("{good}\n"), &good[..30]] {
            assert!(!program.has_said(bad), "{bad}");
        }
    }
}
