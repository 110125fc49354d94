//! Targets with an operating system: their tests under an emulator, or a check that they compile.

use std::process::Command;

use super::report::Row;
use super::target::Target;
use crate::failure::Failure;
use crate::workspace::Workspace;

/// The packages of the core, whose tests run, with the features that every system has.
const CORE: [&str; 6] =
    ["--package", "detalloc", "--package", "detalloc-vectors", "--features", "detalloc/alloc,detalloc/os"];

/// Builds and runs the tests of the core.
///
/// # Errors
///
/// [`Failure::CannotRun`] if and only if they do not build.
pub fn run(
    workspace: &Workspace,
    target: &Target,
    (runner, linker, flags): (&str, &str, &str),
    skipped: &[(&str, &str)],
    row: &mut Row,
) -> Result<(), Failure> {
    let variable = target.triple.to_uppercase().replace('-', "_");
    let cargo = |args: &[&str]| {
        let mut cargo = target.cargo(workspace, ".", "test");
        cargo
            .args(CORE)
            .args(["--lib", "--tests", "--no-fail-fast"])
            .args(args)
            .env(format!("CARGO_TARGET_{variable}_LINKER"), linker)
            .env(format!("CARGO_TARGET_{variable}_RUNNER"), runner)
            .env(format!("CARGO_TARGET_{variable}_RUSTFLAGS"), flags)
            // The emulator's own remarks are no output of a test.
            .env("WINEDEBUG", "-all");
        cargo
    };
    if !cargo(&["--no-run"]).status().is_ok_and(|status| status.success()) {
        return Err(Failure::CannotRun(format!("the tests do not build for {}", target.triple)));
    }
    row.built = true;
    if runner == "wine" {
        stand_in(workspace, target, linker)?;
    }
    let mut args = vec!["--"];
    for (test, why) in skipped {
        args.extend(["--skip", test]);
        row.not_possible.push(format!("{test}: {why}"));
    }
    let output = cargo(&args).output().map_err(|error| Failure::CannotRun(format!("cargo test: {error}")))?;
    row.ran_on.push(runner.to_owned());
    count(&String::from_utf8_lossy(&output.stdout), row);
    if !output.status.success() && row.failed.is_empty() {
        row.failed.push("a test program did not come to its end".to_owned());
    }
    if row.passed == 0 {
        row.failed.push("no test ran".to_owned());
    }
    Ok(())
}

/// Puts a library that older versions of wine lack beside the test programs.
fn stand_in(workspace: &Workspace, target: &Target, compiler: &str) -> Result<(), Failure> {
    let folder = target.folder(workspace).join(target.triple).join("debug/deps");
    let source = workspace.root.join("xtask/src/reach/bcryptprimitives.c");
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

/// Checks that the core and the integration compile.
///
/// # Errors
///
/// [`Failure::CannotRun`] if and only if one does not.
pub fn check(workspace: &Workspace, target: &Target, row: &mut Row) -> Result<(), Failure> {
    for args in [&CORE[..2], &["--package", "detalloc-audio"]] {
        let status = target.cargo(workspace, ".", "check").arg("--lib").args(args).status();
        if !status.is_ok_and(|status| status.success()) {
            return Err(Failure::CannotRun(format!("{} does not compile for {}", args[1], target.triple)));
        }
    }
    row.built = true;
    Ok(())
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
