//! `wcet`: the longest path of every real-time operation, from the machine code of a linked program.
//!
//! It demands that a path has no loop, no jump or call that leads wherever a register says, no call of what is not taken apart
//! too, no end of the program, no system call and no division. What it cannot decode or prove fails. An exception is a
//! comment in the source, with its reason, and is printed.

mod arm;
mod components;
mod coverage;
mod graph;
mod image;
mod instruction;
mod kept;
mod known;
mod path;
mod report;
mod source;
mod table;
mod target;
mod x86;

use std::collections::BTreeMap;
use std::path::Path;

use graph::Analysis;
use image::Image;
use kept::KEPT;
use path::{Stretch, Worst};
pub use report::{Report, Row};
use source::{Kind, Source};
use target::Target;

use crate::cli::WcetArgs;
use crate::demo::rustc_version;
use crate::failure::Failure;
use crate::json::Json;
use crate::rustup;
use crate::workspace::Workspace;

/// What the names of operations begin with.
const PREFIX: &str = "operation_";

/// How many levels the bitmap of a pool has at least and at most.
const LEVELS: std::ops::RangeInclusive<u32> = 2..=4;

/// Runs the subcommand.
///
/// # Errors
///
/// [`Failure::Check`] if and only if an operation is not proved, or its longest path is not what the kept table says;
/// [`Failure::CannotRun`] if and only if the program does not build for a target, cannot be read, or the JSON or the table
/// cannot be written.
pub fn run(args: &WcetArgs) -> Result<(), Failure> {
    let workspace = Workspace::find()?;
    let json = Json::reserve(args.json.as_deref())?;
    let targets: Vec<Target> = match &args.target {
        Some(name) => vec![Target::named(name)?],
        None => Target::ALL.to_vec(),
    };
    let mut report = Report { rustc: rustc_version(&workspace), ..Report::default() };
    for target in &targets {
        if !rustup::has_library(&workspace.root, target.triple) {
            let missing = format!("{}: rustup target add {}", target.name, target.triple);
            if args.target.is_some() {
                return Err(Failure::CannotRun(missing));
            }
            report.not_checked.push(missing);
            continue;
        }
        eprintln!("Building for {} ...", target.name);
        let program = target.build(&workspace)?;
        let source = Source::of(&program, &workspace.root)?;
        let mut found = found(&program, target.name, &source)?;
        if target.runs {
            eprintln!("Measuring on {} ...", target.name);
            coverage::measure(&program, &mut found, &source)?;
        }
        report.results.extend(found.into_iter().map(|found| found.row));
    }
    json.show(&report, |colours| table::tables(&report, colours))?;
    let kept = workspace.root.join(KEPT);
    if args.update {
        return kept::keep(&kept, &report);
    }
    let mut wrong: Vec<String> = report
        .results
        .iter()
        .filter(|row| !row.ok)
        .map(|row| format!("{} on {}: {}", row.operation, row.target, row.why.join(", ")))
        .collect();
    wrong.extend(kept::differences(&kept, &report)?);
    if wrong.is_empty() { Ok(()) } else { Err(Failure::Check(wrong.join("; "))) }
}

/// A row, and what is measured for it.
struct Found {
    row: Row,
    /// Where its operation begins.
    entry: u64,
    /// The levels that it is for.
    levels: u32,
    /// All blocks of its operation, those of deeper pools included.
    blocks: BTreeMap<u64, Stretch>,
}

/// Takes every operation of a program apart: all functions whose names begin with `operation_`. `root` is where the lines of its
/// source are looked for.
///
/// # Errors
///
/// [`Failure::CannotRun`] if and only if the program cannot be read or has no operations.
pub fn take_apart(program: &Path, target: &str, root: &Path) -> Result<Vec<Row>, Failure> {
    let source = Source::of(program, root)?;
    Ok(found(program, target, &source)?.into_iter().map(|found| found.row).collect())
}

/// As [`take_apart`]. An operation whose longest path depends on how many levels the bitmap of a pool has gets a row for each number
/// of them.
fn found(program: &Path, target: &str, source: &Source) -> Result<Vec<Found>, Failure> {
    let operations = Image::named(program, PREFIX)?;
    if operations.is_empty() {
        return Err(Failure::file(program, "there are no operations in it"));
    }
    let mut of_levels: BTreeMap<u32, BTreeMap<&str, Worst>> = BTreeMap::new();
    let mut image = Image::read(program)?;
    for levels in LEVELS {
        let mut analysis = Analysis::new(&mut image, source, levels);
        let worst = operations.iter().map(|(name, entry)| (name.as_str(), analysis.worst(*entry)));
        of_levels.insert(levels, worst.collect());
    }
    let mut found = Vec::new();
    for (operation, &entry) in &operations {
        let deepest = &of_levels[LEVELS.end()][operation.as_str()];
        let is_of_groups =
            |exception: &source::Exception| matches!(exception.kind, Kind::Loop { group: true, .. });
        let depends = deepest.exceptions.iter().any(is_of_groups);
        for levels in LEVELS.filter(|levels| depends || levels == LEVELS.end()) {
            let worst = &of_levels[&levels][operation.as_str()];
            let mut row = row(worst, source);
            target.clone_into(&mut row.target);
            row.operation.clone_from(operation);
            row.pool_blocks = depends.then(|| image.word_bits().saturating_pow(levels));
            found.push(Found { row, entry, levels, blocks: deepest.blocks.clone() });
        }
    }
    Ok(found)
}

/// What is said of an operation, but for its name.
fn row(worst: &Worst, source: &Source) -> Row {
    let mut why: Vec<String> = worst.problems.iter().cloned().collect();
    if worst.path.is_none() {
        why.push("it never returns".to_owned());
    }
    let path = worst.path.clone().unwrap_or_default();
    let blocks = path.blocks.iter().flat_map(|block| source.lines(*block));
    let mut lines: Vec<String> = blocks.map(|(file, line)| format!("{file}:{line}")).collect();
    lines.sort_unstable();
    lines.dedup();
    Row {
        instructions: path.instructions.saturating_sub(1),
        loads: path.loads,
        stores: path.stores,
        atomics: path.atomics,
        stack_bytes: u64::try_from(worst.stack_bytes).unwrap_or(0),
        lines,
        annotations: worst.exceptions.iter().map(describe).collect(),
        ok: why.is_empty(),
        why,
        ..Row::default()
    }
}

fn describe(exception: &source::Exception) -> String {
    let (file, line) = &exception.line;
    let what = match exception.kind {
        Kind::Loop { rounds, group: false } => format!("at most {rounds} rounds"),
        Kind::Loop { rounds: 1, group: true } => "a round for each leaf of a group".to_owned(),
        Kind::Loop { rounds, group: true } => format!("at most {rounds} rounds for each leaf of a group"),
        Kind::Retry => "as often as others interfere".to_owned(),
        Kind::Call => "a call that is not taken apart".to_owned(),
        Kind::Indirect => "an indirect jump or call".to_owned(),
        Kind::Division => "a division".to_owned(),
        Kind::System => "a system call".to_owned(),
        Kind::End => "the end of the program".to_owned(),
        Kind::Levels(levels) => format!("only in pools of {levels} levels or more"),
        Kind::Unreached => "no run comes here".to_owned(),
        Kind::Loose => "no run comes near the bound".to_owned(),
    };
    let at = if *line == 0 { file.clone() } else { format!("{file}:{line}") };
    format!("{at}: {what}: {}", exception.reason)
}
