//! `reach`: the same allocator on other machines, each of them run where something here can run it, and compared with
//! what x86-64 gives.

mod bare;
mod build;
mod built;
mod c;
mod emulator;
mod freertos;
mod hosted;
mod report;
mod target;
mod zephyr;

use build::{Build, Compiler};
use report::{Report, Row};
use target::{Reach, Target};

use crate::cli::ReachArgs;
use crate::failure::Failure;
use crate::json::Json;
use crate::tools::{REACH_TOOLS, TOOLS};
use crate::workspace::Workspace;

/// Runs the subcommand.
///
/// # Errors
///
/// [`Failure::Check`] if and only if a test failed or a target that could be built did not build; [`Failure::CannotRun`] if
/// and only if there is no such target, or what the one that was asked for needs is missing, or the JSON cannot be written.
pub fn run(args: &ReachArgs) -> Result<(), Failure> {
    let workspace = Workspace::find()?;
    let targets = match &args.target {
        Some(name) => vec![Target::named(name)?],
        None => Target::ALL.to_vec(),
    };
    let json = Json::reserve(args.json.as_deref())?;
    let mut report = Report::default();
    let mut wrong = Vec::new();
    for target in &targets {
        eprintln!("{} ...", target.triple);
        let mut row =
            Row { target: target.name.to_owned(), triple: target.triple.to_owned(), ..Row::default() };
        match prepare(&workspace, target, args.distribution) {
            Err(missing) if args.target.is_some() => return Err(Failure::CannotRun(missing)),
            Err(missing) => row.not_possible.push(missing),
            Ok(build) => {
                row.compiler = build.compiler.version(&workspace);
                if let Err(failure) = reach(&build, &mut row) {
                    row.failed.push(failure.to_string());
                }
            }
        }
        wrong.extend(row.failed.iter().map(|failed| format!("{}: {failed}", row.target)));
        report.targets.push(row);
    }
    json.show(&report, |_| report::text(&report))?;
    if wrong.is_empty() { Ok(()) } else { Err(Failure::Check(wrong.join("; "))) }
}

/// Sees that there is all that the target needs.
///
/// # Errors
///
/// What is missing, and how to install it.
fn prepare<'a>(
    workspace: &'a Workspace,
    target: &'a Target,
    distribution: bool,
) -> Result<Build<'a>, String> {
    let compiler = Compiler::of(target, workspace, distribution)?;
    let needed = TOOLS.iter().chain(&REACH_TOOLS).filter(|tool| target.tools.contains(&tool.name));
    match needed.into_iter().find(|tool| !tool.is_there_or_installed(&workspace.root)) {
        Some(tool) => Err(format!("{} is missing. Install: {}", tool.name, tool.how_to_install())),
        None => Ok(Build { workspace, target, compiler }),
    }
}

fn reach(build: &Build<'_>, row: &mut Row) -> Result<(), Failure> {
    match build.target.reach {
        Reach::BareMetal(boards) => bare::run(build, &boards, row),
        Reach::FreeRtos { emulator, board } => freertos::run(build, emulator, board, row),
        Reach::Zephyr => zephyr::run(build.workspace, row),
        Reach::Hosted(hosted) => hosted::run(build, &hosted, row),
        Reach::BuiltOnly { why } => {
            row.not_possible.push(why.to_owned());
            built::run(build, row)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_of_a_target_is_known() {
        for target in Target::ALL {
            for name in target.tools {
                assert!(TOOLS.iter().chain(&REACH_TOOLS).any(|tool| tool.name == *name), "{name}");
            }
        }
    }
}
