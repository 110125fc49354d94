//! Processors without an operating system: the programs of `detalloc/ports/bare-metal` under an emulator.

use std::path::Path;

use object::{Object, ObjectSymbol};

use super::emulator::{emulate, take_over};
use super::report::Row;
use super::target::Target;
use crate::failure::Failure;
use crate::workspace::Workspace;

const PORT: &str = "detalloc/ports/bare-metal";

/// The core's tests, which need more memory than small boards have.
const SUITE: &str = "detalloc/ports/suite";

/// Builds, runs and reads what the programs print.
///
/// # Errors
///
/// [`Failure::CannotRun`] if and only if a program does not build or its image cannot be read.
pub fn run(
    workspace: &Workspace,
    target: &Target,
    emulator: &[&str],
    (boards, large): (&[&str], Option<&str>),
    swaps: bool,
    row: &mut Row,
) -> Result<(), Failure> {
    let folder = target.folder(workspace).join(target.triple).join("release");
    let features: &[&str] = if large.is_some() { &[] } else { &["--no-default-features"] };
    for (number, board) in boards.iter().enumerate() {
        build(workspace, target, PORT, board, features)?;
        row.built = true;
        if number == 0 {
            row.code_bytes = Some(code_bytes(&folder.join("size"))?);
            take_over("counts", board, &emulate(emulator, board, &folder.join("counts")), row);
        }
        take_over("bare-metal", board, &emulate(emulator, board, &folder.join("bare-metal")), row);
        row.ran_on.push(format!("QEMU {board}"));
    }
    if let Some(large) = large {
        build(workspace, target, SUITE, large, &[])?;
        take_over("suite", large, &emulate(emulator, large, &folder.join("suite")), row);
        row.ran_on.push(format!("QEMU {large}"));
    }
    row.ran_on.dedup();
    if !swaps {
        let lock_free = "what needs compare-and-swap does not compile";
        if refuses_lock_free(workspace, target) {
            row.passed += 1;
        } else {
            row.failed.push(lock_free.to_owned());
        }
    }
    Ok(())
}

fn build(
    workspace: &Workspace,
    target: &Target,
    port: &str,
    board: &str,
    features: &[&str],
) -> Result<(), Failure> {
    let mut cargo = target.cargo(workspace, port, "build");
    let status = cargo.arg("--release").args(features).env("BOARD", board).status();
    if status.is_ok_and(|status| status.success()) {
        Ok(())
    } else {
        Err(Failure::CannotRun(format!("{port} does not build for {}", target.triple)))
    }
}

/// The functions that allocate and free, and everything of the allocator that they call: all that is in this program.
fn code_bytes(program: &Path) -> Result<u64, Failure> {
    let bytes = std::fs::read(program).map_err(|error| Failure::file(program, error))?;
    let image = object::File::parse(&*bytes).map_err(|error| Failure::file(program, error))?;
    let ours = |name: &str| {
        let name = format!("{:#}", rustc_demangle::demangle(name));
        name.starts_with("operation_") || name.contains("detalloc::")
    };
    let symbols = image.symbols().filter(|symbol| symbol.name().is_ok_and(ours));
    Ok(symbols.map(|symbol| symbol.size()).sum())
}

/// Whether the lock-free parts are missing, and that is why.
fn refuses_lock_free(workspace: &Workspace, target: &Target) -> bool {
    let mut cargo = target.cargo(workspace, PORT, "check");
    let output = cargo.args(["--release", "--bin", "bare-metal", "--features", "lock-free"]).output();
    output.is_ok_and(|output| {
        let said = String::from_utf8_lossy(&output.stderr);
        !output.status.success()
            && said.contains("unresolved import")
            && said.contains("detalloc::RemoteFree")
    })
}
