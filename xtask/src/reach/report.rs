//! What was found on each target, and the table of it.

use comfy_table::{Cell, Table, TableComponent, presets};
use serde::Serialize;

/// Everything.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// The targets.
    pub targets: Vec<Row>,
}

/// The least and the most instructions of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Range {
    /// The least.
    pub least: u32,
    /// The most.
    pub most: u32,
}

/// What a heap's two operations take in one of its states.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counted {
    /// Whose heap it is.
    pub heap: String,
    /// The state, or the request.
    pub state: String,
    /// An allocation.
    pub allocate: Option<Range>,
    /// A free.
    pub free: Option<Range>,
}

/// The most stack that a heap takes, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Stack {
    /// To be set up.
    pub set_up: u32,
    /// To allocate.
    pub allocate: u32,
    /// To free.
    pub free: u32,
}

/// A target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Row {
    /// What it is called here.
    pub target: String,
    /// What the compiler calls it.
    pub triple: String,
    /// Which compiler that was.
    pub compiler: String,
    /// Whether it was built.
    pub built: bool,
    /// What ran it; nothing: it was built only.
    pub ran_on: Vec<String>,
    /// Tests, vectors and checks that passed.
    pub passed: u32,
    /// Those that did not, by name.
    pub failed: Vec<String>,
    /// An allocation whose class has a free block.
    pub allocate: Option<Range>,
    /// One whose class has run dry.
    pub allocate_dry: Option<Range>,
    /// A free.
    pub free: Option<Range>,
    /// Machine code of allocate and free with everything they call, in bytes.
    pub code_bytes: Option<u64>,
    /// Metadata of the embedded preset, without its blocks, in bytes.
    pub metadata_bytes: Option<u64>,
    /// This heap beside the system's own.
    pub counted: Vec<Counted>,
    /// What stack this heap takes there.
    pub stack: Option<Stack>,
    /// What was not possible, and why.
    pub not_possible: Vec<String>,
}

/// The targets as a table, their instructions as another, and what was not possible below.
pub fn text(report: &Report) -> String {
    let mut text = targets(report) + "\n";
    if report.targets.iter().any(|row| row.allocate.is_some()) {
        text +=
            &format!("\nInstructions an operation takes, exact (release build)\n{}\n", instructions(report));
    }
    for row in &report.targets {
        for Counted { heap, state, allocate, free } in &row.counted {
            let operations = [("allocate", *allocate), ("free", *free)].into_iter();
            let operations = operations.filter(|(_, counts)| counts.is_some());
            let operations: Vec<_> =
                operations.map(|(operation, counts)| format!("{operation} {}", range(counts))).collect();
            text += &format!("{}, {heap}, {state}: {}\n", row.target, operations.join(", "));
        }
        if let Some(Stack { set_up, allocate, free }) = row.stack {
            text += &format!(
                "{}, stack in bytes: set up {set_up}, allocate {allocate}, free {free}\n",
                row.target
            );
        }
        for failed in &row.failed {
            text += &format!("Failed on {}: {failed}\n", row.target);
        }
        for why in &row.not_possible {
            text += &format!("Not possible on {}: {why}\n", row.target);
        }
    }
    let mut compilers: Vec<_> = report.targets.iter().map(|row| row.compiler.as_str()).collect();
    compilers.sort_unstable();
    compilers.dedup();
    text + &format!("Compiled by {}\n", compilers.join("; "))
}

fn table() -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::UTF8_HORIZONTAL_ONLY)
        .remove_style(TableComponent::HorizontalLines)
        .remove_style(TableComponent::MiddleIntersections);
    table
}

fn targets(report: &Report) -> String {
    let mut table = table();
    table.set_header(["target", "built", "run on", "passed", "failed", "code", "metadata"]);
    let bytes = |bytes: Option<u64>| bytes.map_or_else(String::new, |bytes| format!("{bytes} B"));
    for row in &report.targets {
        let ran_on = if row.ran_on.is_empty() { "built only".to_owned() } else { row.ran_on.join(", ") };
        table.add_row([
            Cell::new(&row.target),
            Cell::new(if row.built { "yes" } else { "no" }),
            Cell::new(if row.built { ran_on } else { String::new() }),
            Cell::new(row.passed),
            Cell::new(row.failed.len()),
            Cell::new(bytes(row.code_bytes)),
            Cell::new(bytes(row.metadata_bytes)),
        ]);
    }
    table.to_string()
}

/// A column for each target where instructions were counted.
fn instructions(report: &Report) -> Table {
    let counted = || report.targets.iter().filter(|row| row.allocate.is_some());
    let mut table = table();
    table.set_header(["operation"].into_iter().chain(counted().map(|row| row.target.as_str())));
    let mut add = |operation: &str, counts: fn(&Row) -> Option<Range>| {
        table.add_row([operation.to_owned()].into_iter().chain(counted().map(|row| range(counts(row)))));
    };
    add("allocate", |row| row.allocate);
    add("allocate, class run dry", |row| row.allocate_dry);
    add("free", |row| row.free);
    table
}

fn range(range: Option<Range>) -> String {
    match range {
        Some(Range { least, most }) if least == most => most.to_string(),
        Some(Range { least, most }) => format!("{least} to {most}"),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_whose_instructions_were_counted_has_a_column_of_them() {
        let counted = |target: &str, most| Row {
            target: target.to_owned(),
            allocate: Some(Range { least: most, most }),
            ..Row::default()
        };
        let other = Row { target: "other".to_owned(), ..Row::default() };
        let report = Report { targets: vec![counted("one", 111), other, counted("two", 222)] };
        let table = instructions(&report).to_string();
        let lines: Vec<_> = table.lines().collect();
        let header = lines.iter().find(|line| line.contains("operation")).unwrap();
        assert!(header.contains("one") && header.contains("two") && !header.contains("other"), "{table}");
        let allocate = lines.iter().find(|line| line.contains("allocate")).unwrap();
        assert!(allocate.contains("111") && allocate.contains("222"), "{table}");
    }

    #[test]
    fn where_nothing_was_counted_there_is_no_such_table() {
        let report = Report { targets: vec![Row::default()] };
        assert!(!text(&report).contains("Instructions"));
    }
}
