//! What was found on each target, and the table of it.

use comfy_table::{Cell, Table, TableComponent, presets};
use serde::Serialize;

/// Everything.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// The compiler.
    pub rustc: String,
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

/// What a heap's two operations take behind so many holes that are too small for them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Behind {
    /// Whose heap it is.
    pub heap: String,
    /// The holes.
    pub fragments: u32,
    /// An allocation.
    pub allocate: Option<Range>,
    /// A free.
    pub free: Option<Range>,
}

/// A target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Row {
    /// What it is called here.
    pub target: String,
    /// What the compiler calls it.
    pub triple: String,
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
    /// This heap beside the system's own, over growing fragmentation.
    pub behind: Vec<Behind>,
    /// What was not possible, and why.
    pub not_possible: Vec<String>,
}

/// The targets as a table, what was not possible below.
pub fn table(report: &Report) -> String {
    let mut table = Table::new();
    table
        .load_preset(presets::UTF8_HORIZONTAL_ONLY)
        .remove_style(TableComponent::HorizontalLines)
        .remove_style(TableComponent::MiddleIntersections);
    table.set_header([
        "target", "built", "run on", "passed", "failed", "allocate", "run dry", "free", "code", "metadata",
    ]);
    let range = |range: Option<Range>| match range {
        Some(Range { least, most }) if least == most => most.to_string(),
        Some(Range { least, most }) => format!("{least} to {most}"),
        None => String::new(),
    };
    let bytes = |bytes: Option<u64>| bytes.map_or_else(String::new, |bytes| format!("{bytes} B"));
    for row in &report.targets {
        let ran_on = if row.ran_on.is_empty() { "built only".to_owned() } else { row.ran_on.join(", ") };
        table.add_row([
            Cell::new(&row.target),
            Cell::new(if row.built { "yes" } else { "no" }),
            Cell::new(if row.built { ran_on } else { String::new() }),
            Cell::new(row.passed),
            Cell::new(row.failed.len()),
            Cell::new(range(row.allocate)),
            Cell::new(range(row.allocate_dry)),
            Cell::new(range(row.free)),
            Cell::new(bytes(row.code_bytes)),
            Cell::new(bytes(row.metadata_bytes)),
        ]);
    }
    let mut text = format!("{table}\nInstructions an operation, exact (release build, {}).\n", report.rustc);
    for row in &report.targets {
        for Behind { heap, fragments, allocate, free } in &row.behind {
            let (allocate, free) = (range(*allocate), range(*free));
            text += &format!(
                "{}, {heap}, behind {fragments} holes: allocate {allocate}, free {free}\n",
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
    text
}
