//! Targets with an operating system: their tests under an emulator.

use std::process::Command;

use super::build::Build;
use super::c::{self, Tools};
use super::report::Row;
use crate::failure::Failure;

/// Tests that cannot run.
#[derive(Clone, Copy, Debug)]
pub struct Skipped {
    /// The package whose tests they are.
    pub package: &'static str,
    /// What their names have in common.
    pub names: &'static [&'static str],
    /// Why.
    pub why: &'static str,
}

/// The packages of the core, with the features that every system has.
const CORE: [&str; 6] =
    ["--package", "detalloc", "--package", "detalloc-vectors", "--features", "detalloc/alloc,detalloc/os"];

/// The integration, with the features that every system has.
const AUDIO: [&str; 4] = ["--package", "detalloc-audio", "--features", "realtime,record"];

/// How programs are made and run.
#[derive(Clone, Copy, Debug)]
pub struct Hosted {
    /// What runs one, with its arguments.
    pub runner: &'static [&'static str],
    /// What compiles C and C++, and links.
    pub tools: Tools,
    /// Flags of the Rust compiler, for the core's tests.
    pub flags: &'static str,
    /// Tests that cannot run there.
    pub skipped: &'static [Skipped],
}

/// Builds and runs the tests of the core and of the integration, and the programs in C.
///
/// # Errors
///
/// [`Failure::CannotRun`] if and only if something does not build.
pub fn run(build: &Build<'_>, hosted: &Hosted, row: &mut Row) -> Result<(), Failure> {
    // Static linking and a `malloc` of one's own, which the integration's tests have, exclude each other.
    for (package, flags) in [(&CORE[..], hosted.flags), (&AUDIO, "")] {
        test(build, hosted, (package, flags), row)?;
    }
    for Skipped { package, names, why } in hosted.skipped {
        row.not_possible.push(format!("{package}: {}: {why}", names.join(", ")));
    }
    row.ran_on.push(hosted.runner[0].to_owned());
    c::on_system(build, &hosted.tools, hosted.runner, row)
}

/// Builds and runs the tests of packages.
fn test(
    build: &Build<'_>,
    hosted: &Hosted,
    (package, flags): (&[&str], &str),
    row: &mut Row,
) -> Result<(), Failure> {
    let cargo = |args: &[&str]| {
        let mut cargo = build.cargo(".", "test");
        cargo
            .args(package)
            .args(["--lib", "--tests", "--no-fail-fast"])
            .args(args)
            .env(build.variable("LINKER"), hosted.tools.c)
            .env(build.variable("RUNNER"), hosted.runner.join(" "))
            .env(build.variable("RUSTFLAGS"), flags)
            // The emulator's own remarks are no output of a test.
            .env("WINEDEBUG", "-all");
        cargo
    };
    if !cargo(&["--no-run"]).status().is_ok_and(|status| status.success()) {
        return Err(Failure::CannotRun(format!("the tests do not build for {}", build.target.triple)));
    }
    row.built = true;
    if hosted.runner == ["wine"] {
        stand_in(build, hosted.tools.c)?;
    }
    let mut args = vec!["--"];
    let skipped = hosted.skipped.iter().filter(|skipped| skipped.package == package[1]);
    for name in skipped.flat_map(|skipped| skipped.names) {
        args.extend(["--skip", name]);
    }
    let output = cargo(&args).output().map_err(|error| Failure::CannotRun(format!("cargo test: {error}")))?;
    let (passed, failed) = (row.passed, row.failed.len());
    count(&String::from_utf8_lossy(&output.stdout), row);
    if !output.status.success() && row.failed.len() == failed {
        row.failed.push(format!("a test program of {} did not come to its end", package[1]));
    }
    if row.passed == passed {
        row.failed.push(format!("no test of {} ran", package[1]));
    }
    Ok(())
}

/// Puts a library that older versions of wine lack beside the test programs.
fn stand_in(build: &Build<'_>, compiler: &str) -> Result<(), Failure> {
    let folder = build.output("debug").join("deps");
    let source = build.workspace.root.join("xtask/src/reach/bcryptprimitives.c");
    let mut command = Command::new(compiler);
    command.args(["-shared", "-o"]).arg(folder.join("bcryptprimitives.dll")).arg(&source).arg("-ladvapi32");
    if command.status().is_ok_and(|status| status.success()) {
        Ok(())
    } else {
        Err(Failure::file(&source, format!("{compiler} does not compile it")))
    }
}

/// Counts what the test programs say.
fn count(text: &str, row: &mut Row) {
    for line in text.lines() {
        if let Some(test) = line.strip_prefix("test ") {
            if test.ends_with("... ok") {
                row.passed += 1;
            } else if let Some(name) = test.strip_suffix(" ... FAILED") {
                row.failed.push(name.to_owned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_counted_by_what_they_say() {
        let mut row = Row::default();
        count(
            "running 3 tests\ntest a ... ok\ntest b ... FAILED\ntest c ... ignored\ntest result: FAILED. 1\n",
            &mut row,
        );
        assert_eq!((row.passed, row.failed), (1, vec!["b".to_owned()]));
    }
}
