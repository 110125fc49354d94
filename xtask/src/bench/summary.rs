//! The report in the terminal: callbacks, and what is to be reached.

use comfy_table::{Cell, CellAlignment, Table, TableComponent, presets};

use super::goals::Goal;
use super::report::{Callbacks, Report};

pub(super) fn text(report: &Report, goals: &[Goal]) -> String {
    let mut text = format!("{}; {}\n\n{}\n\n", report.machine, report.rustc, table(&report.callbacks));
    for goal in goals {
        text += &format!("{:<12} {}: {}\n", status(goal), goal.what, goal.figure);
    }
    text
}

/// In a word.
pub(super) fn status(goal: &Goal) -> &'static str {
    match goal.is_met {
        Some(true) => "reached",
        Some(false) => "not reached",
        None => "not measured",
    }
}

fn table(rows: &[Callbacks]) -> Table {
    let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
    let mut table = Table::new();
    table
        .load_preset(presets::UTF8_HORIZONTAL_ONLY)
        .remove_style(TableComponent::HorizontalLines)
        .remove_style(TableComponent::MiddleIntersections);
    let head = [
        "",
        "",
        "p50 µs",
        "p99 µs",
        "p99.9 µs",
        "max µs",
        "misses",
        "memory max µs",
        "switches",
        "faults",
        "blocked µs",
    ];
    table.set_header(head.map(|text| right(text.to_owned())));
    for row in rows {
        let mut cells = vec![Cell::new(&row.scenario), Cell::new(&row.engine)];
        cells.extend([row.p50_us, row.p99_us, row.p999_us, row.max_us].map(|us| right(format!("{us:.1}"))));
        cells.push(right(row.misses.to_string()));
        cells.push(right(format!("{:.1}", row.worst_alloc_us)));
        cells.extend([row.voluntary_switches, row.minor_faults].map(|count| right(count.to_string())));
        cells.push(right(format!("{:.0}", row.blocked_us)));
        table.add_row(cells);
    }
    table
}
