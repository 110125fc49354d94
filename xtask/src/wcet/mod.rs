//! `wcet`: the longest path of every real-time operation, from the machine code of a linked program.
//!
//! It demands that a path has no loop, no jump or call that leads wherever a register says, no call of what is not taken apart
//! too, no end of the program, no system call and no division. What it cannot decode or prove fails. An exception is a
//! comment in the source, with its reason, and is printed.

mod arm;
mod components;
mod graph;
mod image;
mod instruction;
mod report;
mod source;
mod table;
mod target;
mod x86;

use std::path::Path;

use graph::Analysis;
use image::Image;
pub use report::{Report, Row};
use source::{Kind, Source};
use target::Target;

use crate::cli::WcetArgs;
use crate::demo::rustc_version;
use crate::failure::Failure;
use crate::json::Json;
use crate::number;
use crate::workspace::Workspace;

/// What the names of operations begin with.
const PREFIX: &str = "operation_";

/// Where the table is kept, in the workspace.
const KEPT: &str = "xtask/wcet.json";

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
    let mut report = Report { rustc: rustc_version(&workspace), results: Vec::new() };
    for target in &targets {
        if !target.is_installed(&workspace) {
            let missing = format!("{}: rustup target add {}", target.name, target.triple);
            if args.target.is_some() {
                return Err(Failure::CannotRun(missing));
            }
            eprintln!("Not checked, as its standard library is missing: {missing}");
            continue;
        }
        eprintln!("Building for {} ...", target.name);
        let program = target.build(&workspace)?;
        let mut rows = rows(&program, target.name, &workspace.root)?;
        if target.runs {
            eprintln!("Measuring on {} ...", target.name);
            target::measure(&program, &mut rows)?;
        }
        report.results.extend(rows.into_iter().map(|row| row.0));
    }
    json.show(&report, |colours| table::tables(&report, colours))?;
    let kept = workspace.root.join(KEPT);
    if args.update {
        return keep(&kept, &report);
    }
    let mut wrong: Vec<String> = report
        .results
        .iter()
        .filter(|row| !row.ok)
        .map(|row| format!("{} on {}: {}", row.operation, row.target, row.why.join(", ")))
        .collect();
    wrong.extend(differences(&kept, &report)?);
    if wrong.is_empty() { Ok(()) } else { Err(Failure::Check(wrong.join("; "))) }
}

/// A row, and where the blocks of its operation begin.
type Found = (Row, Vec<u64>);

/// Takes every operation of a program apart: all functions whose names begin with `operation_`. `root` is where the lines of its
/// source are looked for.
///
/// # Errors
///
/// [`Failure::CannotRun`] if and only if the program cannot be read or has no operations.
pub fn take_apart(program: &Path, target: &str, root: &Path) -> Result<Vec<Row>, Failure> {
    Ok(rows(program, target, root)?.into_iter().map(|(row, _)| row).collect())
}

/// As [`take_apart`].
fn rows(program: &Path, target: &str, root: &Path) -> Result<Vec<Found>, Failure> {
    let operations = Image::named(program, PREFIX)?;
    if operations.is_empty() {
        return Err(Failure::file(program, "there are no operations in it"));
    }
    let mut image = Image::read(program)?;
    let source = Source::of(program, root)?;
    let mut analysis = Analysis::new(&mut image, &source);
    Ok(operations
        .into_iter()
        .map(|(operation, entry)| {
            let worst = analysis.worst(entry);
            let mut why: Vec<String> = worst.problems.into_iter().collect();
            if worst.path.is_none() {
                why.push("it never returns".to_owned());
            }
            let path = worst.path.unwrap_or_default();
            let mut lines: Vec<String> = path
                .blocks
                .iter()
                .flat_map(|block| source.lines(*block))
                .map(|(file, line)| format!("{file}:{line}"))
                .collect();
            lines.sort_unstable();
            lines.dedup();
            let row = Row {
                target: target.to_owned(),
                operation,
                instructions: path.instructions.saturating_sub(1),
                loads: path.loads,
                stores: path.stores,
                atomics: path.atomics,
                stack_bytes: u64::try_from(worst.stack_bytes).unwrap_or(0),
                measured_max: None,
                covered: None,
                lines,
                annotations: worst.exceptions.iter().map(describe).collect(),
                ok: why.is_empty(),
                why,
            };
            (row, worst.blocks.into_iter().collect())
        })
        .collect())
}

fn describe(exception: &source::Exception) -> String {
    let (file, line) = &exception.line;
    let what = match exception.kind {
        Kind::Loop(rounds) => format!("at most {rounds} rounds"),
        Kind::Retry => "as often as others interfere".to_owned(),
        Kind::Call => "a call that is not taken apart".to_owned(),
        Kind::Indirect => "an indirect jump or call".to_owned(),
        Kind::Division => "a division".to_owned(),
        Kind::System => "a system call".to_owned(),
        Kind::End => "the end of the program".to_owned(),
    };
    let at = if *line == 0 { file.clone() } else { format!("{file}:{line}") };
    format!("{at}: {what}: {}", exception.reason)
}

/// Writes the table that is kept: what was found on each target, a line an operation.
fn keep(path: &Path, report: &Report) -> Result<(), Failure> {
    let mut kept = kept(path)?.unwrap_or_default();
    kept.rustc.clone_from(&report.rustc);
    kept.results.retain(|old| !report.results.iter().any(|row| row.target == old.target));
    kept.results.extend(report.results.iter().map(kept_of));
    kept.results.sort_by(|one, other| (&one.target, &one.operation).cmp(&(&other.target, &other.operation)));
    let rows: Result<Vec<String>, _> = kept.results.iter().map(serde_json::to_string).collect();
    let rows = rows.map_err(|error| Failure::CannotRun(format!("JSON: {error}")))?.join(",\n");
    let text = format!("{{\"rustc\": {:?}, \"results\": [\n{rows}\n]}}\n", kept.rustc);
    std::fs::write(path, text).map_err(|error| Failure::file(path, error))
}

/// What is kept of a row: source lines move with every edit of a file, and what was measured is a check and no bound.
fn kept_of(row: &Row) -> Row {
    let annotations = row.annotations.iter().map(|annotation| {
        let (at, rest) = annotation.split_once(": ").unwrap_or_default();
        format!("{}: {rest}", at.split(':').next().unwrap_or_default())
    });
    Row {
        lines: Vec::new(),
        annotations: annotations.collect(),
        measured_max: None,
        covered: None,
        ..row.clone()
    }
}

fn kept(path: &Path) -> Result<Option<Report>, Failure> {
    match std::fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::file(path, error)),
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| Failure::file(path, error)),
    }
}

/// What is not as the kept table says. Another compiler makes other code, and is not compared.
fn differences(path: &Path, report: &Report) -> Result<Vec<String>, Failure> {
    let Some(kept) = kept(path)? else {
        return Ok(vec![format!("{KEPT} is missing: write it with --update")]);
    };
    if kept.rustc != report.rustc {
        eprintln!("Not compared with {KEPT}, which was made with {}.", kept.rustc);
        return Ok(Vec::new());
    }
    let mut different = Vec::new();
    for row in &report.results {
        let of = |old: &&Row| (&old.target, &old.operation) == (&row.target, &row.operation);
        match kept.results.iter().find(of) {
            None => different.push(format!("{} on {} is not in {KEPT}", row.operation, row.target)),
            Some(old) if *old != kept_of(row) => different.push(format!(
                "{} on {}: {} instructions and {} bytes of stack, and {KEPT} says {} and {}: if that is meant, --update it",
                row.operation, row.target, row.instructions, row.stack_bytes, old.instructions, old.stack_bytes
            )),
            Some(_) => {}
        }
    }
    Ok(different)
}

/// How much longer the longest path may be than the longest that ran.
const MOST_RATIO: f64 = 1.10;

/// Whether the bound is tight. Where there are exceptions, loops above all, it counts as if the worst of everything came together;
/// there the ratio is only shown.
fn is_tight(row: &Row) -> bool {
    let tight = |most| number::real(row.instructions) <= number::real(most) * MOST_RATIO;
    !row.annotations.is_empty() || row.measured_max.is_none_or(tight)
}
