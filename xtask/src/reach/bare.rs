//! Processors without an operating system: the programs of `detalloc/ports/bare-metal` under an emulator.

use std::path::Path;

use object::{Object, ObjectSymbol};

use super::build::Build;
use super::c;
use super::emulator::{emulate, take_over};
use super::report::{Range, Row};
use super::target::Boards;
use crate::failure::Failure;

const PORT: &str = "detalloc/ports/bare-metal";

/// The core's tests, which need more memory than small boards have.
const SUITE: &str = "detalloc/ports/suite";

/// Builds, runs and reads what the programs print.
///
/// # Errors
///
/// [`Failure::CannotRun`] if and only if a program does not build or its image cannot be read.
pub fn run(build: &Build<'_>, boards: &Boards, row: &mut Row) -> Result<(), Failure> {
    let emulator = boards.emulator;
    let folder = build.output("release");
    let features: &[&str] = if boards.large.is_some() { &[] } else { &["--no-default-features"] };
    for (number, board) in boards.boards.iter().enumerate() {
        compile(build, PORT, board, features)?;
        row.built = true;
        if number == 0 {
            row.code_bytes = Some(code_bytes(&folder.join("size"))?);
            take_over("counts", board, &emulate(emulator, board, &folder.join("counts")), row);
        }
        take_over("bare-metal", board, &emulate(emulator, board, &folder.join("bare-metal")), row);
        row.ran_on.push(format!("QEMU {board}"));
    }
    row.failed.extend(over_limits(boards, row));
    if let Some(large) = &boards.large {
        compile(build, SUITE, large.board, &[])?;
        take_over("suite", large.board, &emulate(emulator, large.board, &folder.join("suite")), row);
        c::on_board(build, emulator, (large.board, &large.c), row)?;
        row.ran_on.push(format!("QEMU {}", large.board));
    }
    row.ran_on.dedup();
    if !boards.swaps {
        let lock_free = "what needs compare-and-swap does not compile";
        if refuses_lock_free(build) {
            row.passed += 1;
        } else {
            row.failed.push(lock_free.to_owned());
        }
    }
    Ok(())
}

/// The limits that do not hold.
fn over_limits(boards: &Boards, row: &Row) -> Vec<String> {
    let mut over = Vec::new();
    if let Some(limit) = boards.limit_instructions {
        for (operation, counted) in [("allocate", row.allocate), ("free", row.free)] {
            if counted.is_none_or(|Range { least, most }| least != most || most > limit) {
                over.push(format!(
                    "{operation} takes {counted:?} instructions, not one number up to {limit}"
                ));
            }
        }
    }
    if let Some(limit) = boards.limit_code_bytes
        && row.code_bytes.is_none_or(|bytes| bytes > limit)
    {
        over.push(format!("allocate and free have {:?} bytes of code, more than {limit}", row.code_bytes));
    }
    over
}

fn compile(build: &Build<'_>, port: &str, board: &str, features: &[&str]) -> Result<(), Failure> {
    let mut cargo = build.cargo(port, "build");
    let status = cargo.arg("--release").args(features).env("BOARD", board).status();
    if status.is_ok_and(|status| status.success()) {
        Ok(())
    } else {
        Err(Failure::CannotRun(format!("{port} does not build for {}", build.target.triple)))
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
fn refuses_lock_free(build: &Build<'_>) -> bool {
    let mut cargo = build.cargo(PORT, "check");
    let output = cargo.args(["--release", "--bin", "bare-metal", "--features", "lock-free"]).output();
    output.is_ok_and(|output| {
        let said = String::from_utf8_lossy(&output.stderr);
        !output.status.success() && lacks_all(&said)
    })
}

/// Whether the compiler says that everything is missing that needs compare-and-swap.
fn lacks_all(said: &str) -> bool {
    let lock_free = ["RemoteFree", "SharedHeap", "Spin", "StaticPool", "static_pool"];
    lock_free.iter().all(|name| said.contains(&format!("no `{name}` in the root")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reach::target::{Reach, Target};

    #[test]
    fn limits_hold_for_what_was_counted_and_for_nothing_else() {
        let Reach::BareMetal(boards) = Target::named("thumbv7em-small").unwrap().reach else {
            panic!("it has boards");
        };
        let range = |least, most| Some(Range { least, most });
        let good =
            Row { allocate: range(60, 60), free: range(50, 50), code_bytes: Some(1536), ..Row::default() };
        assert_eq!(over_limits(&boards, &good), Vec::<String>::new());
        let bad = [
            Row { allocate: None, ..good.clone() },
            Row { allocate: range(61, 61), ..good.clone() },
            Row { free: range(50, 51), ..good.clone() },
            Row { code_bytes: Some(1537), ..good.clone() },
            Row { code_bytes: None, ..good },
        ];
        for row in bad {
            assert_eq!(over_limits(&boards, &row).len(), 1, "{row:?}");
        }
    }

    #[test]
    fn one_that_is_there_is_missed() {
        let said = "no `RemoteFree` in the root\nno `SharedHeap` in the root\n| no `Spin` in the root\n\
                    no `StaticPool` in the root, no `static_pool` in the root";
        assert!(lacks_all(said));
        for name in ["RemoteFree", "SharedHeap", "Spin", "StaticPool", "static_pool"] {
            assert!(!lacks_all(&said.replace(name, "")), "{name}");
        }
    }
}
