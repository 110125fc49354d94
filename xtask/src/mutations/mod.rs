//! `mutations`: breaks the code on purpose, one line at a time, and demands that the proof of what was broken fails.
//!
//! Works in a copy of the workspace in the system's temporary folder; the workspace itself stays as it is. Before anything is
//! broken, every proof has to hold in the copy. A mutant that does not compile is no mutant: then the list is out of date.

mod copy;
mod list;
mod orderings;
mod report;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use copy::{Copied, Ended};
use list::{MUTATIONS, Mutation, Proof};
use orderings::Weakening;
use report::{Outcome, Report, Row};

use crate::cli::MutationsArgs;
use crate::failure::Failure;
use crate::json::Json;
use crate::number;
use crate::workspace::Workspace;

/// How long a proof may take as things are.
const PATIENCE: Duration = Duration::from_secs(600);

/// How long it may take when something is broken, in its time before and at least: some loop for ever.
const TIMES_AS_LONG: u32 = 5;
const AT_LEAST: Duration = Duration::from_secs(30);

/// Runs the subcommand.
///
/// # Errors
///
/// [`Failure::Check`] if and only if a proof did not see what it should have; [`Failure::CannotRun`] if and only if the copy cannot
/// be made, a proof does not hold before anything is broken, or the list does not fit the sources.
pub fn run(args: &MutationsArgs) -> Result<(), Failure> {
    let workspace = Workspace::find()?;
    let json = Json::reserve(args.json.as_deref())?;
    let weakenings = orderings::weakenings(&workspace.root, args.quick)?;
    let weakened: Vec<Mutation<'_>> = weakenings.iter().map(Weakening::mutation).collect();
    let all = if args.orderings { &weakened } else { MUTATIONS };
    let chosen: Vec<&Mutation<'_>> = all
        .iter()
        .filter(|mutation| args.only.as_ref().is_none_or(|words| mutation.matches(words)))
        .collect();
    if chosen.is_empty() {
        return Err(Failure::CannotRun("no mutation has these words".to_owned()));
    }
    let copied = Copied::new(&workspace)?;
    for mutation in &chosen {
        copied.broken(mutation)?;
    }

    let bar = ProgressBar::new(number::length(chosen.len()));
    if let Ok(style) = ProgressStyle::with_template("{pos}/{len} {wide_bar} {msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    let mut rows = Vec::new();
    for (proof, mutations) in by_proof(&chosen) {
        bar.set_message(proof.command().to_owned());
        let (before, took) = copied.prove(proof, PATIENCE)?;
        let patience = (TIMES_AS_LONG * took).max(AT_LEAST);
        for mutation in mutations {
            bar.set_message(mutation.what.to_owned());
            let started = Instant::now();
            let outcome = if before == Ended::Holds {
                copied.with(mutation, || copied.prove(proof, patience))?.0.into()
            } else {
                Outcome::NoProof
            };
            let row = Row::new(mutation, outcome, started.elapsed());
            bar.suspend(|| eprintln!("{:>4.0} s  {}: {}", row.seconds, row.outcome.words(), row.mutation));
            rows.push(row);
            bar.inc(1);
        }
    }
    bar.finish_and_clear();

    let report = Report { mutations: rows };
    json.show(&report, |_| report.table())?;
    let unknown = report.count(Outcome::NotBuilt) + report.count(Outcome::NoProof);
    match (unknown, report.count(Outcome::NotCaught)) {
        (0, 0) => Ok(()),
        (0, uncaught) => Err(Failure::Check(format!("{uncaught} of {} not caught", report.mutations.len()))),
        _ => Err(Failure::CannotRun(format!("{unknown} of {} say nothing", report.mutations.len()))),
    }
}

/// The mutations, those of one proof together: what a proof needs is built once.
fn by_proof<'m>(chosen: &[&'m Mutation<'m>]) -> BTreeMap<Proof, Vec<&'m Mutation<'m>>> {
    let mut groups = BTreeMap::<Proof, Vec<&Mutation<'_>>>::new();
    for mutation in chosen {
        groups.entry(mutation.proof).or_default().push(mutation);
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mutation_fits_the_sources() {
        let workspace = Workspace::find().expect("cargo runs");
        for mutation in MUTATIONS {
            let text = std::fs::read_to_string(workspace.root.join(mutation.file)).expect("a file");
            assert_eq!(text.matches(mutation.from).count(), 1, "{}: {:?}", mutation.file, mutation.from);
        }
    }

    #[test]
    fn no_two_mutations_are_the_same() {
        for (number, mutation) in MUTATIONS.iter().enumerate() {
            let before = &MUTATIONS[..number];
            assert!(
                before
                    .iter()
                    .all(|other| (other.file, other.from, other.to)
                        != (mutation.file, mutation.from, mutation.to)),
                "{}",
                mutation.what
            );
            assert!(before.iter().all(|other| other.what != mutation.what), "{}", mutation.what);
            assert_ne!(mutation.from, mutation.to);
        }
    }

    #[test]
    fn a_mutation_is_found_by_its_words() {
        let mutation = &MUTATIONS[0];
        assert!(mutation.matches(mutation.file) && mutation.matches(mutation.what));
        assert!(!mutation.matches("no such words"));
    }
}
