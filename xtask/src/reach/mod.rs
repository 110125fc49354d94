//! `reach`: the same allocator on other machines, each of them run where something here can run it, and compared with
//! what x86-64 gives.

mod bare;
mod emulator;
mod freertos;
mod hosted;
mod report;
mod target;
mod zephyr;

use report::{Report, Row};
use target::{Reach, Target};

use crate::cli::ReachArgs;
use crate::demo::rustc_version;
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
    let mut report = Report { rustc: rustc_version(&workspace), ..Report::default() };
    let mut wrong = Vec::new();
    for target in &targets {
        eprintln!("{} ...", target.triple);
        let mut row =
            Row { target: target.name.to_owned(), triple: target.triple.to_owned(), ..Row::default() };
        match missing(&workspace, target) {
            Some(missing) if args.target.is_some() => return Err(Failure::CannotRun(missing)),
            Some(missing) => row.not_possible.push(missing),
            None => {
                if let Err(failure) = reach(&workspace, target, &mut row) {
                    row.failed.push(failure.to_string());
                }
            }
        }
        wrong.extend(row.failed.iter().map(|failed| format!("{}: {failed}", row.target)));
        report.targets.push(row);
    }
    json.show(&report, |_| report::table(&report))?;
    if wrong.is_empty() { Ok(()) } else { Err(Failure::Check(wrong.join("; "))) }
}

/// What the target needs and is not to be had.
fn missing(workspace: &Workspace, target: &Target) -> Option<String> {
    if !target.has_library(workspace) {
        return Some(format!("its library is missing: rustup target add {}", target.triple));
    }
    let root = &workspace.root;
    TOOLS
        .iter()
        .chain(&REACH_TOOLS)
        .filter(|tool| target.tools.contains(&tool.name))
        .find(|tool| tool.version(root).is_none() && !(tool.install() && tool.version(root).is_some()))
        .map(|tool| format!("{} is missing. Install: {}", tool.name, tool.how_to_install()))
}

fn reach(workspace: &Workspace, target: &Target, row: &mut Row) -> Result<(), Failure> {
    match target.reach {
        Reach::BareMetal { emulator, boards, large, swaps } => {
            bare::run(workspace, target, emulator, (boards, large), swaps, row)
        }
        Reach::FreeRtos { emulator, board } => freertos::run(workspace, target, emulator, board, row),
        Reach::Zephyr => zephyr::run(workspace, row),
        Reach::Hosted { tools, skipped } => hosted::run(workspace, target, &tools, skipped, row),
        Reach::BuiltOnly { why } => {
            row.not_possible.push(why.to_owned());
            hosted::check(workspace, target, row)
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
