//! The worst paths as tables for people.

use comfy_table::{Cell, CellAlignment, Color, Table, TableComponent, presets};

use super::report::{Report, Row};
use crate::number;

/// A table for each target, and the exceptions below.
pub fn tables(report: &Report, colours: bool) -> String {
    let mut text = String::new();
    let mut targets: Vec<&str> = report.results.iter().map(|row| row.target.as_str()).collect();
    targets.dedup();
    for target in targets {
        let rows: Vec<&Row> = report.results.iter().filter(|row| row.target == target).collect();
        text += &format!("Longest paths on {target}\n{}\n\n", table(&rows, colours));
    }
    let mut annotations: Vec<&str> =
        report.results.iter().flat_map(|row| &row.annotations).map(String::as_str).collect();
    annotations.sort_unstable();
    annotations.dedup();
    for row in &report.results {
        let row_name = name(row);
        for block in &row.uncovered {
            text += &format!("Did not run in {row_name} on {}: {block}\n", row.target);
        }
        if let (Some(loose), Some(most)) = (&row.loose, row.measured_max) {
            let ratio = number::real(row.instructions) / number::real(most.max(1));
            text += &format!("{row_name} on {}: {ratio:.2} times what was measured: {loose}\n", row.target);
        }
    }
    for missing in &report.not_checked {
        text += &format!("Not checked, as its standard library is missing: {missing}\n");
    }
    text += "Exceptions, which the source states and explains\n";
    for annotation in annotations {
        text += &format!("  {annotation}\n");
    }
    let count = |is: fn(&&Row) -> bool| report.results.iter().filter(is).count();
    text += &format!(
        "Proved: {} of {} operations on their targets, {} without an exception\n",
        count(|row| row.ok),
        report.results.len(),
        count(|row| row.ok && row.annotations.is_empty())
    );
    text
}

/// The operation, and the pools that the row is for.
fn name(row: &Row) -> String {
    match row.pool_blocks {
        Some(blocks) => format!("{}, up to {blocks} blocks a pool", row.operation),
        None => row.operation.clone(),
    }
}

fn table(rows: &[&Row], colours: bool) -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::UTF8_HORIZONTAL_ONLY)
        .remove_style(TableComponent::HorizontalLines)
        .remove_style(TableComponent::MiddleIntersections);
    let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
    table.set_header([
        "operation",
        "instructions",
        "measured",
        "ratio",
        "blocks run + elsewhere + unreachable",
        "loads",
        "stores",
        "atomics",
        "stack",
        "",
    ]);
    for row in rows {
        let measured = row.measured_max.map_or_else(String::new, |most| most.to_string());
        let ratio = row.measured_max.map_or_else(String::new, |most| {
            format!("{:.2}", number::real(row.instructions) / number::real(most.max(1)))
        });
        let covered = row.covered.map_or_else(String::new, |(ran, all)| {
            format!("{ran} + {} + {} of {all}", row.elsewhere, row.unreached)
        });
        let verdict = match (row.ok, row.annotations.is_empty()) {
            (true, true) => "proved".to_owned(),
            (true, false) => "with exceptions".to_owned(),
            (false, _) => row.why.join("; "),
        };
        let verdict = Cell::new(verdict);
        let verdict = if colours && !row.ok { verdict.fg(Color::Red) } else { verdict };
        table.add_row([
            Cell::new(name(row)),
            right(row.instructions.to_string()),
            right(measured),
            right(ratio),
            right(covered),
            right(row.loads.to_string()),
            right(row.stores.to_string()),
            right(row.atomics.to_string()),
            right(row.stack_bytes.to_string()),
            verdict,
        ]);
    }
    table
}
