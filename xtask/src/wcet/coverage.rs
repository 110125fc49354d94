//! Static against measured: what ran of every operation, and how near to its bound.
//!
//! A block of an operation counts as run when it ran in that operation, or, in a function that operations share, in another. What
//! is left has to be where the program ends, or what a comment in the source explains: by standing above its line, or above that
//! of the only branches that lead there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Stdio};

use serde::Deserialize;

use super::image::Image;
use super::path::Stretch;
use super::report::Row;
use super::source::{Kind, Source};
use super::{Found, LEVELS, PREFIX};
use crate::failure::Failure;
use crate::number;

/// How much longer the longest path may be than the longest that ran.
const MOST_RATIO: f64 = 1.10;

/// What the program says of an operation that it has run.
#[derive(Deserialize)]
struct Measured {
    operation: String,
    /// How many levels the bitmaps of the pools had at most; a high number: more, and not the longest ways.
    levels: u32,
    instructions: u64,
    /// Stretches that ran, from the first to the last instruction, as distances from the operation of the name `allocate`.
    ran: Vec<(i64, i64)>,
}

/// The addresses that ran, as stretches that do not overlap: where each begins, and its last instruction.
struct Ran(BTreeMap<u64, u64>);

impl Ran {
    fn of(stretches: impl Iterator<Item = (u64, u64)>) -> Self {
        let sorted: BTreeSet<(u64, u64)> = stretches.collect();
        let mut joined: BTreeMap<u64, u64> = BTreeMap::new();
        for (first, last) in sorted {
            match joined.last_entry() {
                Some(mut before) if first <= *before.get() => {
                    let end = last.max(*before.get());
                    before.insert(end);
                }
                _ => drop(joined.insert(first, last)),
            }
        }
        Ran(joined)
    }

    /// Whether the instruction at this address ran.
    fn has(&self, address: u64) -> bool {
        self.0.range(..=address).next_back().is_some_and(|(_, last)| address <= *last)
    }
}

/// Runs the program and adds what it measures.
///
/// # Errors
///
/// [`Failure::CannotRun`] if and only if it does not run.
pub fn measure(program: &Path, found: &mut [Found], source: &Source) -> Result<(), Failure> {
    let measured = run(program)?;
    let entries = Image::named(program, PREFIX)?;
    let base = entries.get("allocate").copied().unwrap_or_default();
    let ran = |which: &dyn Fn(&&Measured) -> bool| {
        let stretches = measured.iter().filter(which).flat_map(|one| &one.ran);
        let address = |from_base: i64| base.wrapping_add_signed(from_base);
        Ran::of(stretches.map(|&(first, last)| (address(first), address(last))))
    };
    let anywhere = ran(&|_| true);
    let of_levels: BTreeMap<u32, Ran> =
        LEVELS.map(|levels| (levels, ran(&|one| one.levels <= levels))).collect();
    for found in found {
        let own = |one: &&Measured| one.operation == found.row.operation;
        let here = ran(&own);
        found.row.measured_max = most(measured.iter().filter(own), found);
        cover(found, &here, &anywhere, source);
        judge(found, &of_levels[&found.levels], source);
    }
    Ok(())
}

/// The most instructions that were measured. A row for pools of so many levels counts what ran in such pools and smaller ones, and is
/// bounded and not measured where the longest ways through such pools are not run.
fn most<'m>(measured: impl Iterator<Item = &'m Measured> + Clone, found: &Found) -> Option<u64> {
    let instructions = |one: &Measured| one.instructions;
    if found.row.pool_blocks.is_none() {
        return measured.map(instructions).max();
    }
    let is_run = measured.clone().any(|one| one.levels == found.levels);
    measured.filter(|one| is_run && one.levels <= found.levels).map(instructions).max()
}

fn run(program: &Path) -> Result<Vec<Measured>, Failure> {
    let output = Command::new(program)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| Failure::file(program, error))?;
    if !output.status.success() {
        return Err(Failure::file(program, format!("could not measure: {}", output.status)));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| Failure::file(program, error))
}

/// Counts the blocks that ran, and names those that neither ran nor are explained.
fn cover(found: &mut Found, here: &Ran, anywhere: &Ran, source: &Source) {
    let Found { row, entry, blocks, .. } = found;
    let has_run = |block: u64| here.has(block) || blocks[&block].function != *entry && anywhere.has(block);
    let unreached = unreached(blocks, &has_run, source);
    let (mut ran, mut uncovered) = (0, BTreeSet::new());
    for (&block, stretch) in &*blocks {
        if here.has(block) {
            ran += 1;
        } else if has_run(block) {
            row.elsewhere += 1;
        } else if unreached.contains(&block) {
            row.unreached += 1;
        } else {
            let lines = source.lines_of(block..=stretch.last);
            let lines: Vec<String> = lines.iter().map(|(file, line)| format!("{file}:{line}")).collect();
            uncovered.insert(format!("{block:#x} {}", lines.join(" ")));
        }
    }
    row.covered = Some((ran, number::length(blocks.len())));
    row.uncovered = uncovered.into_iter().collect();
}

/// The blocks that did not run and need not.
fn unreached(
    blocks: &BTreeMap<u64, Stretch>,
    has_run: &dyn Fn(u64) -> bool,
    source: &Source,
) -> BTreeSet<u64> {
    let explains = |lines: &BTreeSet<_>| source.explains(lines, Kind::Unreached).is_some();
    let missed = blocks.iter().filter(|(block, _)| !has_run(**block));
    let is_explained =
        |block: u64, stretch: &Stretch| stretch.is_end || explains(&source.lines_of(block..=stretch.last));
    let mut found: BTreeSet<u64> = missed
        .clone()
        .filter(|(block, stretch)| is_explained(**block, stretch))
        .map(|(block, _)| *block)
        .collect();
    // What nothing else leads to, from one to the next.
    loop {
        let leads = |from: &(&u64, &Stretch)| {
            found.contains(from.0) || explains(&source.lines_of(from.1.last..=from.1.last))
        };
        let more: Vec<u64> = missed
            .clone()
            .map(|(block, _)| *block)
            .filter(|block| !found.contains(block))
            .filter(|block| {
                let mut from = blocks.iter().filter(|(_, stretch)| stretch.next.contains(block)).peekable();
                from.peek().is_some() && from.all(|from| leads(&from))
            })
            .collect();
        if more.is_empty() {
            return found;
        }
        found.extend(more);
    }
}

/// Says what is wrong with what was measured.
fn judge(found: &mut Found, of_levels: &Ran, source: &Source) {
    let Found { row, entry, blocks, levels } = found;
    let mut wrong = Vec::new();
    let own = blocks.iter().filter(|(_, stretch)| stretch.function == *entry);
    let lines: BTreeSet<_> =
        own.flat_map(|(&block, stretch)| source.lines_of(block..=stretch.last)).collect();
    row.loose = source.explains(&lines, Kind::Loose).map(|loose| loose.reason);
    match row.measured_max {
        None if *levels > *LEVELS.start() && row.pool_blocks.is_some() => {}
        None => wrong.push("it was not measured".to_owned()),
        Some(most) if most > row.instructions => {
            wrong.push(format!("{most} instructions were measured, more than the longest path"));
        }
        Some(_) => {}
    }
    match (&row.loose, is_tight(row)) {
        (None, false) => {
            wrong.push(format!("the longest path is more than {MOST_RATIO} times what was measured"));
        }
        (Some(_), true) => wrong.push("what is said to be loose is not".to_owned()),
        _ => {}
    }
    if !row.uncovered.is_empty() {
        wrong.push(format!("{} blocks neither ran nor are explained", row.uncovered.len()));
    }
    // What is said to run in deeper pools only was left out of the path.
    for (&block, stretch) in &*blocks {
        let deeper = source.explains(&source.lines_of(block..=stretch.last), Kind::Levels(0));
        if let Some(deeper) = deeper
            && matches!(deeper.kind, Kind::Levels(least) if least > *levels)
            && of_levels.has(block)
        {
            wrong.push(format!("{}:{} ran in pools of fewer levels", deeper.line.0, deeper.line.1));
        }
    }
    row.ok &= wrong.is_empty();
    row.why.extend(wrong);
}

/// Whether the bound is near what was measured.
fn is_tight(row: &Row) -> bool {
    let tight = |most| number::real(row.instructions) <= number::real(most) * MOST_RATIO;
    row.measured_max.is_none_or(tight)
}
