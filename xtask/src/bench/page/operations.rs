//! Single operations, in instructions and ticks.

use super::html::{better, escape, in_order, table};
use crate::bench::measured::{Clock, Operation, is_ours};
use crate::bench::report::Report;

/// A column: what is compared, in words, and the figure.
type Column = (&'static str, fn(&Operation) -> Option<u64>);

const COLUMNS: [Column; 5] = [
    ("instructions, most", |row| row.instructions),
    ("warm p50", |row| row.warm_p50_ticks),
    ("warm worst", |row| row.warm_worst_ticks),
    ("cold p50", |row| row.cold_p50_ticks),
    ("cold worst", |row| row.cold_worst_ticks),
];

pub(super) fn section(report: &Report, clock: Option<Clock>) -> String {
    let tick = clock.map_or(String::new(), |clock| format!(" ({:.3} ns each here)", clock.tick_ns));
    let mut text = format!(
        "<section id=\"operations\"><h2>Operations</h2>\n<p>Instructions are counted exactly, for plain x86-64. Ticks are those of the time \
         stamp counter{tick}, less what reading it takes, denoised: of many replays of the same trace each operation's least counts. \
         Some counters advance 26 ticks at a time. Cold is after a walk over 32 MiB of other memory.</p>\n"
    );
    text += &better(&["operation", "figure", "engine", "theirs", "ours"], 3, &others(&report.operations));
    for trace in in_order(report.operations.iter().map(trace)) {
        let rows: Vec<&Operation> =
            report.operations.iter().filter(|row| self::trace(row) == trace).collect();
        let title =
            if trace.is_empty() { "again and again".to_owned() } else { format!("on the trace {trace}") };
        text += &format!("<h3>{}</h3>\n{}", escape(&title), figures(&rows));
    }
    text + "</section>\n"
}

fn trace(row: &Operation) -> &str {
    row.trace.as_deref().unwrap_or_default()
}

fn figures(rows: &[&Operation]) -> String {
    let heads: Vec<&str> =
        ["operation", "engine", "instructions, mean"].into_iter().chain(COLUMNS.map(|it| it.0)).collect();
    let cells = |row: &&Operation| {
        let mean = row.mean_instructions.map_or(String::new(), |mean| format!("{mean:.1}"));
        let figures = COLUMNS.map(|(_, of)| of(row).map_or(String::new(), |it| it.to_string()));
        let named = [row.operation.clone(), row.engine.clone(), mean].into_iter();
        (is_ours(&row.engine), named.chain(figures).collect())
    };
    table(&heads, 2, &rows.iter().map(cells).collect::<Vec<_>>())
}

/// Figures of rivals that are better than those of ours: the best of ours that does not leave checks out.
fn others(rows: &[Operation]) -> Vec<(bool, Vec<String>)> {
    let mut better = Vec::new();
    for rival in rows.iter().filter(|row| !is_ours(&row.engine)) {
        for (head, of) in COLUMNS {
            let ours = rows
                .iter()
                .filter(|row| (&row.operation, &row.trace) == (&rival.operation, &rival.trace))
                .filter(|row| {
                    is_ours(&row.engine)
                        && row.engine != "detalloc-unchecked"
                        && row.engine != "detalloc-typed"
                })
                .filter_map(of)
                .min();
            if let Some((theirs, ours)) = of(rival).zip(ours).filter(|(theirs, ours)| theirs < ours) {
                let what = match trace(rival) {
                    "" => rival.operation.clone(),
                    trace => format!("{}, {trace}", rival.operation),
                };
                better.push((
                    false,
                    vec![what, head.to_owned(), rival.engine.clone(), theirs.to_string(), ours.to_string()],
                ));
            }
        }
    }
    better
}
