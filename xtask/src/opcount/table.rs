//! The counts as tables for people.

use comfy_table::{Cell, CellAlignment, Table, TableComponent, presets};

use super::report::{Growth, Report, Row, Target};
use crate::number;

/// What the columns of a table come from: the traces of one kind of run.
struct Runs {
    title: &'static str,
    starved: bool,
}

const RUNS: [Runs; 2] = [
    Runs { title: "with enough memory", starved: false },
    Runs { title: "starved: a quarter too little, so that blocks are borrowed and refused", starved: true },
];

/// Two tables for each target, and one of what grows.
pub(super) fn tables(report: &Report) -> String {
    let mut text = String::new();
    for target in Target::ALL {
        let rows: Vec<&Row> =
            report.results.iter().filter(|it| it.target == target).map(|it| &it.row).collect();
        for runs in &RUNS {
            let rows: Vec<&Row> =
                rows.iter().copied().filter(|row| row.trace.ends_with("-starved") == runs.starved).collect();
            text += &format!(
                "Instructions per operation, mean and most, on {target}, {}\n{}\n\n",
                runs.title,
                table(&rows, runs.starved)
            );
        }
    }
    text += &format!(
        "Instructions per operation on {}, fewest to most, when something grows\n{}\n\n",
        Target::V3,
        growth(&report.growth)
    );
    text + "A borrowed block counts as an allocation here, and a refusal does not; the JSON has each apart."
}

/// One row for each allocator, and for each trace what allocations and frees take.
fn table(rows: &[&Row], starved: bool) -> Table {
    let traces = in_order(rows.iter().map(|row| row.trace.as_str()));
    let mut table = plain();
    let mut head = vec![Cell::new("")];
    for trace in &traces {
        let trace = trace.trim_end_matches("-starved");
        head.extend([right(format!("{trace}\nalloc")), right("\nfree".into())]);
        head.extend(starved.then(|| right("\nrefused".into())));
    }
    table.set_header(head);
    for allocator in in_order(rows.iter().map(|row| row.allocator.as_str())) {
        let mut cells = vec![Cell::new(allocator)];
        for trace in &traces {
            let run: Vec<&Row> = rows
                .iter()
                .copied()
                .filter(|row| row.allocator == allocator && row.trace == *trace)
                .collect();
            cells.extend(["alloc", "free"].map(|op| right(costs(&run, op))));
            let refused = run.first().map_or(String::new(), |row| row.refused.to_string());
            cells.extend(starved.then(|| right(refused)));
        }
        table.add_row(cells);
    }
    table
}

/// Mean and most of the operations of a run whose kind begins so, without refusals.
fn costs(run: &[&Row], op: &str) -> String {
    let rows = || run.iter().filter(|row| row.op.starts_with(op) && row.op != "alloc-refused");
    let count: u64 = rows().map(|row| row.count).sum();
    let total: f64 = rows().map(|row| row.mean * number::real(row.count)).sum();
    match rows().map(|row| row.max).max() {
        Some(most) => format!("{:.0} {most}", total / number::real(count)),
        None => String::new(),
    }
}

fn growth(rows: &[Growth]) -> Table {
    let mut table = plain();
    let allocators = in_order(rows.iter().map(|row| row.allocator.as_str()));
    let mut head = vec![Cell::new(""), Cell::new("")];
    head.extend(allocators.iter().flat_map(|name| [right(format!("{name}\nalloc")), right("\nfree".into())]));
    table.set_header(head);
    let mut places: Vec<(&str, u64)> = Vec::new();
    for row in rows {
        let place = (row.grows.as_str(), row.to);
        if !places.contains(&place) {
            places.push(place);
        }
    }
    for (grows, to) in places {
        let what = match grows {
            "history" => "operations before",
            "blocks" => "blocks in a pool",
            other => other,
        };
        let mut cells = vec![right(indicatif::HumanCount(to).to_string()), Cell::new(what)];
        for allocator in &allocators {
            for op in ["alloc", "free"] {
                let row = rows.iter().find(|row| {
                    row.allocator == *allocator && row.op == op && row.grows == grows && row.to == to
                });
                cells.push(right(row.map_or(String::new(), |row| {
                    if row.min == row.max {
                        row.max.to_string()
                    } else {
                        format!("{} to {}", row.min, row.max)
                    }
                })));
            }
        }
        table.add_row(cells);
    }
    table
}

/// What there is, each once, in the order of its first appearance.
fn in_order<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = Vec::new();
    for name in names {
        if !seen.contains(&name) {
            seen.push(name);
        }
    }
    seen
}

fn plain() -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::UTF8_HORIZONTAL_ONLY)
        .remove_style(TableComponent::HorizontalLines)
        .remove_style(TableComponent::MiddleIntersections);
    table
}

fn right(text: String) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borrowed_blocks_are_averaged_in_and_refusals_are_not() {
        let row = |op: &str, count, cost: u64| Row {
            allocator: "detalloc".into(),
            trace: "audio-starved".into(),
            op: op.into(),
            count,
            min: cost,
            mean: number::real(cost),
            max: cost,
            refused: 5,
        };
        let run = [row("alloc", 3, 30), row("alloc-borrowed", 1, 70), row("alloc-refused", 5, 1000)];
        assert_eq!(costs(&run.each_ref(), "alloc"), "40 70");
        assert_eq!(costs(&run.each_ref(), "free"), "");
    }
}
