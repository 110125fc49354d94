//! `proof`: every claim of the documentation with its evidence, its figure and the command that shows it, on one page.

mod claims;
mod list;
mod page;
mod report;

use std::process::{Command, Stdio};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use claims::{CLAIMS, Claim};
use report::{Report, Row, Status};

use crate::cli::ProofArgs;
use crate::demo::rustc_version;
use crate::failure::Failure;
use crate::json::{self, Json};
use crate::number;
use crate::workspace::Workspace;

/// The most lines of a figure.
const MOST_LINES: usize = 12;

/// Runs the subcommand.
///
/// # Errors
///
/// [`Failure::Check`] if and only if a claim does not hold; [`Failure::CannotRun`] if and only if the page or the JSON cannot
/// be written.
pub fn run(args: &ProofArgs) -> Result<(), Failure> {
    if args.list {
        return json::print(&list::markdown());
    }
    let workspace = Workspace::find()?;
    let json = Json::reserve(args.json.as_deref())?;
    let bar = ProgressBar::new(number::length(CLAIMS.len()));
    if let Ok(style) = ProgressStyle::with_template("{pos}/{len} {wide_bar} {msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    let mut claims = Vec::new();
    for claim in CLAIMS {
        bar.set_message(claim.command);
        claims.push(check(claim, &workspace, args.quick));
        bar.inc(1);
    }
    bar.finish_and_clear();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let machine = format!("{} {}, {cores} cores", std::env::consts::OS, std::env::consts::ARCH);
    let report = Report { rustc: rustc_version(&workspace), machine, claims };

    let folder = workspace.target.join("proof");
    let page = folder.join("index.html");
    std::fs::create_dir_all(&folder)
        .and_then(|()| std::fs::write(&page, page::page(&report)))
        .map_err(|error| Failure::file(&page, error))?;
    json.show(&report, |_| {
        let rows = report.claims.iter().map(|row| format!("{:<12} {}\n", row.status.words(), row.claim));
        format!("{}{}\n", rows.collect::<String>(), page.display())
    })?;
    let failed: Vec<&str> = report
        .claims
        .iter()
        .filter(|row| row.status == Status::Fail)
        .map(|row| row.command.as_str())
        .collect();
    if failed.is_empty() {
        Ok(())
    } else {
        Err(Failure::Check(format!("does not hold: {}", failed.join("; "))))
    }
}

/// Runs the command of a claim.
fn check(claim: &Claim, workspace: &Workspace, quick: bool) -> Row {
    let row = |status, figure| Row {
        id: claim.id.to_owned(),
        claim: claim.claim.to_owned(),
        evidence: claim.evidence.to_owned(),
        figure,
        status,
        command: claim.shown(),
    };
    if claim.here_only && !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return row(Status::NotChecked, "it can be checked on Linux on x86-64 only".to_owned());
    }
    if claim.is_long && quick {
        return row(Status::NotChecked, "left out by --quick".to_owned());
    }
    let mut cargo = Command::new("cargo");
    cargo.args(claim.command.split(' ')).current_dir(&workspace.root).stdin(Stdio::null());
    if let Some(flags) = claim.flags {
        // One folder for each: they would throw each other's builds away.
        let folder =
            workspace.target.join("proof").join(flags.rustc.replace(|c: char| !c.is_alphanumeric(), ""));
        cargo.env("RUSTFLAGS", flags.rustc).env("CARGO_TARGET_DIR", folder);
        if flags.unstable {
            cargo.env("RUSTC_BOOTSTRAP", "1");
        }
    }
    match cargo.output() {
        Err(error) => row(Status::NotChecked, format!("cargo: {error}")),
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout);
            let status = if output.status.success() { Status::Pass } else { Status::Fail };
            row(status, figure(&text, claim.figure))
        }
    }
}

/// The lines of an output that have the figure: those that begin with one of these words, or all but nothing if none does.
fn figure(output: &str, begins: &str) -> String {
    let has = |line: &&str| begins.split('|').any(|begin| line.trim_start_matches('.').starts_with(begin));
    let plain = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let lines: Vec<String> = output.lines().filter(has).take(MOST_LINES).map(plain).collect();
    if lines.is_empty() { "no figure".to_owned() } else { lines.join("\n") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_the_lines_that_have_it() {
        let output = "running 2 tests\n.enter and leave: 58 instructions\nother\ndeferred drop: 49\n";
        assert_eq!(
            figure(output, "enter and leave|deferred"),
            ".enter and leave: 58 instructions\ndeferred drop: 49"
        );
        assert_eq!(figure(output, "nothing"), "no figure");
    }

    #[test]
    fn every_claim_says_what_shows_it() {
        for claim in CLAIMS {
            assert!(!claim.claim.is_empty() && !claim.evidence.is_empty(), "{}", claim.command);
            assert!(
                claim.command.starts_with("test ") || claim.command.starts_with("xtask "),
                "{}",
                claim.command
            );
        }
    }
}
