//! What must not get worse: counters of ours, which are the same in every run. Never times.
//!
//! Instructions of every operation and at every place of growth, bytes that pools need, and page faults in callbacks. The file
//! `benches/counters.json` keeps them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::measured::is_ours;
use super::report::Report;
use crate::failure::Failure;
use crate::json;
use crate::output::Output;

/// By name.
#[derive(Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub(super) struct Counters {
    counters: BTreeMap<String, u64>,
}

/// Longer histories than a quick run has are not kept.
const HISTORY: u64 = 1_000_000;

/// The counters of a report. Of callbacks, and of what is called within one, the fewest instructions: the longest so far takes a few
/// more to note that it is, and which one that is depends on time.
pub(super) fn counters(report: &Report) -> Counters {
    let mut counters = BTreeMap::new();
    for row in report.growth.iter().filter(|row| is_ours(&row.engine)) {
        let name = format!("{} {} at {} {}, instructions", row.engine, row.operation, row.x, row.axis);
        if row.axis != "history" || row.x <= HISTORY {
            counters.insert(name, if row.operation == "callback" { row.fewest } else { row.instructions });
        }
        counters.extend(
            row.bytes.map(|bytes| (format!("{} at {} {}, bytes", row.engine, row.x, row.axis), bytes)),
        );
    }
    // A quick run has this trace only.
    let kept = |trace: Option<&str>| trace.is_none_or(|trace| trace == "audio");
    for row in report.operations.iter().filter(|row| is_ours(&row.engine) && kept(row.trace.as_deref())) {
        let on = row.trace.as_ref().map_or(String::new(), |trace| format!(" on {trace}"));
        let name = format!("{}: {}{on}, instructions", row.engine, row.operation);
        let count = if row.trace.is_some() { row.instructions } else { row.fewest_instructions };
        counters.extend(count.map(|count| (name, count)));
    }
    for row in report.memory.iter().filter(|row| is_ours(&row.allocator)) {
        let name = format!("{} on {}, bytes", row.allocator, row.trace);
        // Recordings are of sounds that not everybody has.
        if ["random", "comb", "audio"].contains(&row.trace.as_str()) {
            counters.extend(row.needed_bytes.map(|bytes| (name, bytes)));
        }
    }
    for row in report.callbacks.iter().filter(|row| is_ours(&row.engine)) {
        counters.insert(format!("{} in {}, faults", row.engine, row.scenario), row.minor_faults);
    }
    Counters { counters }
}

/// What a run can be compared with.
#[derive(Deserialize)]
#[serde(untagged)]
enum Base {
    Counters(Counters),
    Report(Box<Report>),
}

/// Reads what a run is to be compared with: kept counters, or the report of an earlier run.
pub(super) fn read(path: &Path) -> Result<Counters, Failure> {
    let text = fs::read_to_string(path).map_err(|error| Failure::file(path, error))?;
    match serde_json::from_str(&text) {
        Ok(Base::Counters(kept)) => Ok(kept),
        Ok(Base::Report(report)) => Ok(counters(&report)),
        Err(_) => Err(Failure::file(path, "neither counters that `--update` kept nor what `--json` wrote")),
    }
}

/// Writes the counters.
pub(super) fn write(counters: &Counters, path: PathBuf) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(counters)
        .map_err(|error| Failure::CannotRun(format!("JSON: {error}")))?;
    Output::reserve(path)?.write_text(&(text + "\n"))
}

/// Says what has changed; what is worse is a failure.
pub(super) fn check(base: &Counters, now: &Counters) -> Result<(), Failure> {
    let changes: Vec<(&String, u64, u64)> = base
        .counters
        .iter()
        .filter_map(|(name, &before)| Some((name, before, *now.counters.get(name)?)))
        .collect();
    if changes.is_empty() {
        return Err(Failure::CannotRun("nothing of what is to be compared was counted".to_owned()));
    }
    let better = changes.iter().filter(|(_, before, now)| now < before);
    let better: String =
        better.map(|(name, before, now)| format!("better: {name}: {before} → {now}\n")).collect();
    let left_out = base.counters.len() - changes.len();
    json::print(&format!(
        "{better}{} counters compared, {left_out} not counted in this run\n",
        changes.len()
    ))?;
    let worse: Vec<String> = changes
        .iter()
        .filter(|(_, before, now)| now > before)
        .map(|(name, before, now)| format!("{name}: {before} → {now}"))
        .collect();
    if worse.is_empty() {
        return Ok(());
    }
    Err(Failure::Check(format!(
        "worse than before: {}. If that is meant, `cargo xtask bench --counters --update` keeps it",
        worse.join("; ")
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(counters: &[(&str, u64)]) -> Counters {
        Counters { counters: counters.iter().map(|&(name, count)| (name.to_owned(), count)).collect() }
    }

    #[test]
    fn what_is_worse_fails_and_what_is_better_does_not() {
        let base = counters(&[("a", 10), ("b", 20)]);
        assert_eq!(check(&base, &counters(&[("a", 10), ("b", 20)])), Ok(()));
        assert_eq!(check(&base, &counters(&[("a", 9), ("b", 20), ("c", 1)])), Ok(()));
        let failure = check(&base, &counters(&[("a", 11), ("b", 20)]));
        assert!(matches!(&failure, Err(Failure::Check(why)) if why.contains("a: 10 → 11")), "{failure:?}");
    }

    #[test]
    fn nothing_in_common_is_no_success() {
        let failure = check(&counters(&[("a", 10)]), &counters(&[("b", 10)]));
        assert!(matches!(failure, Err(Failure::CannotRun(_))), "{failure:?}");
    }
}
