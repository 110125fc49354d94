//! Targets with an operating system: their tests under an emulator, or a check that they compile.

use std::process::Command;

use super::report::Row;
use super::target::Target;
use crate::failure::Failure;
use crate::workspace::Workspace;

/// How the programs of a target are made and run.
#[derive(Clone, Copy, Debug)]
pub struct Tools {
    /// What runs one, with its arguments.
    pub runner: &'static [&'static str],
    /// What compiles C and links.
    pub c: &'static str,
    /// What compiles C++.
    pub cpp: &'static str,
    /// Flags of the Rust compiler, for the core's tests.
    pub flags: &'static str,
    /// Libraries that C programs with the static library need.
    pub libraries: &'static [&'static str],
}

/// Tests that cannot run.
#[derive(Clone, Copy, Debug)]
pub struct Skipped {
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

/// The programs in C and C++ of `detalloc/capi/examples`, with what each prints in the end. Threads of C are a system's own.
const PROGRAMS: [(&str, &str, &str); 3] = [
    ("specification.c", "c99", "[detalloc] peak usage: 512 bytes"),
    ("misuse.c", "c99", "all refused"),
    ("process_block.cpp", "c++17", "refused: 0, valid: 1, containers: 1"),
];

/// Builds and runs the tests of the core and of the integration, and the programs in C.
///
/// # Errors
///
/// [`Failure::CannotRun`] if and only if something does not build.
pub fn run(
    workspace: &Workspace,
    target: &Target,
    tools: &Tools,
    skipped: &[Skipped],
    row: &mut Row,
) -> Result<(), Failure> {
    // Static linking and a `malloc` of one's own, which the integration's tests have, exclude each other.
    for (package, flags) in [(&CORE[..], tools.flags), (&AUDIO, "")] {
        test(workspace, target, tools, (package, flags), skipped, row)?;
    }
    for Skipped { names, why } in skipped {
        row.not_possible.push(format!("{}: {why}", names.join(", ")));
    }
    row.ran_on.push(tools.runner[0].to_owned());
    programs(workspace, target, tools, row)
}

/// Builds and runs the tests of packages.
fn test(
    workspace: &Workspace,
    target: &Target,
    tools: &Tools,
    (package, flags): (&[&str], &str),
    skipped: &[Skipped],
    row: &mut Row,
) -> Result<(), Failure> {
    let variable = target.triple.to_uppercase().replace('-', "_");
    let cargo = |args: &[&str]| {
        let mut cargo = target.cargo(workspace, ".", "test");
        cargo
            .args(package)
            .args(["--lib", "--tests", "--no-fail-fast"])
            .args(args)
            .env(format!("CARGO_TARGET_{variable}_LINKER"), tools.c)
            .env(format!("CARGO_TARGET_{variable}_RUNNER"), tools.runner.join(" "))
            .env(format!("CARGO_TARGET_{variable}_RUSTFLAGS"), flags)
            // The emulator's own remarks are no output of a test.
            .env("WINEDEBUG", "-all");
        cargo
    };
    if !cargo(&["--no-run"]).status().is_ok_and(|status| status.success()) {
        return Err(Failure::CannotRun(format!("the tests do not build for {}", target.triple)));
    }
    row.built = true;
    if tools.runner == ["wine"] {
        stand_in(workspace, target, tools.c)?;
    }
    let mut args = vec!["--"];
    for name in skipped.iter().flat_map(|skipped| skipped.names) {
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

/// Builds the library for C programs, compiles them with every warning an error, and runs them.
fn programs(workspace: &Workspace, target: &Target, tools: &Tools, row: &mut Row) -> Result<(), Failure> {
    let capi = "detalloc/capi";
    let mut cargo = target.cargo(workspace, capi, "rustc");
    cargo.args(["--package", "detalloc-capi", "--profile", "capi", "--features", "freestanding"]);
    if !cargo.args(["--crate-type", "staticlib"]).status().is_ok_and(|status| status.success()) {
        return Err(Failure::CannotRun(format!("{capi} does not build for {}", target.triple)));
    }
    let library = target.folder(workspace).join(target.triple).join("capi");
    let capi = workspace.root.join(capi);
    for (source, standard, last) in PROGRAMS {
        // Windows wants the ending.
        let program = library.join(source).with_extension("exe");
        let mut compile = Command::new(if source.ends_with(".c") { tools.c } else { tools.cpp });
        compile
            .arg(format!("-std={standard}"))
            .args(["-O2", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-static", "-o"])
            .arg(&program)
            .arg("-I")
            .arg(capi.join("include"))
            .arg(capi.join("examples").join(source))
            .arg(library.join("libdetalloc_c.a"))
            .args(tools.libraries);
        if !compile.status().is_ok_and(|status| status.success()) {
            return Err(Failure::CannotRun(format!("{source} does not build for {}", target.triple)));
        }
        let mut run = Command::new(tools.runner[0]);
        let output = run.args(&tools.runner[1..]).arg(&program).env("WINEDEBUG", "-all").output();
        let says = output.is_ok_and(|output| {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            output.status.success() && text.lines().any(|line| line.trim_end() == last)
        });
        if says {
            row.passed += 1;
        } else {
            row.failed.push(format!("{source} does not say: {last}"));
        }
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

/// Checks that the core, the integration and the C interface compile.
///
/// # Errors
///
/// [`Failure::CannotRun`] if and only if one does not.
pub fn check(workspace: &Workspace, target: &Target, row: &mut Row) -> Result<(), Failure> {
    for args in [&CORE[..2], &["--package", "detalloc-capi"], &AUDIO[..2]] {
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
