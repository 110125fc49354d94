//! The table that is kept in the repository, and what is no longer as it says.

use std::path::Path;

use super::report::{Report, Row};
use crate::failure::Failure;

/// Where the table is kept, in the workspace.
pub const KEPT: &str = "xtask/wcet.json";

/// Writes the table that is kept: what was found on each target, a line an operation.
///
/// # Errors
///
/// [`Failure::CannotRun`] if and only if it cannot be read or written.
pub fn keep(path: &Path, report: &Report) -> Result<(), Failure> {
    let mut kept = kept(path)?.unwrap_or_default();
    kept.rustc.clone_from(&report.rustc);
    kept.results.retain(|old| !report.results.iter().any(|row| row.target == old.target));
    kept.results.extend(report.results.iter().map(kept_of));
    kept.results.sort_by(|one, other| one.key().cmp(&other.key()));
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
        elsewhere: 0,
        unreached: 0,
        uncovered: Vec::new(),
        loose: None,
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
///
/// # Errors
///
/// [`Failure::CannotRun`] if and only if it cannot be read.
pub fn differences(path: &Path, report: &Report) -> Result<Vec<String>, Failure> {
    let Some(kept) = kept(path)? else {
        return Ok(vec![format!("{KEPT} is missing: write it with --update")]);
    };
    if kept.rustc != report.rustc {
        eprintln!("Not compared with {KEPT}, which was made with {}.", kept.rustc);
        return Ok(Vec::new());
    }
    let mut different = Vec::new();
    for row in &report.results {
        match kept.results.iter().find(|old| old.key() == row.key()) {
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
