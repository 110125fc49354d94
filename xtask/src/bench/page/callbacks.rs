//! Whole callbacks: a part for each scenario.

use super::html::{better, escape, figure, in_order, legend, table};
use super::plot::{Axis, DrawError, Mark, Series, lines, percent, short};
use crate::bench::measured::{Engine, Measured, Run, Times, is_ours};
use crate::bench::report::{Callbacks, Report};
use crate::number;

/// What a callback may take, in microseconds: 64 frames at 48 kHz.
const DEADLINE_US: f64 = 1333.333;

/// Bars of the histogram are so many times as wide as the one before.
const BAR: f64 = 1.1;

/// A column: what is compared, in words, and the figure.
type Column = (&'static str, fn(&Callbacks) -> f64);

const COLUMNS: [Column; 9] = [
    ("p50 µs", |row| row.p50_us),
    ("p99 µs", |row| row.p99_us),
    ("p99.9 µs", |row| row.p999_us),
    ("max µs", |row| row.max_us),
    ("misses", |row| number::real(row.misses)),
    ("memory, max µs", |row| row.worst_alloc_us),
    ("switches", |row| number::real(row.voluntary_switches)),
    ("faults", |row| number::real(row.minor_faults)),
    ("blocked µs", |row| row.blocked_us),
];

/// What other threads do, as the table of scenarios in `detalloc-benches` says.
fn meaning(scenario: &str) -> &'static str {
    match scenario {
        "quiet" => "Other threads do nothing.",
        "loader" => {
            "A thread allocates what callbacks free, 16 blocks of 2 to 62 kB each, and churns as many more. The machine is at work: as many \
             threads as it has cores compute, as in a host that plays, so that the loader may lose its processor while it has a lock."
        }
        "one-arena" => {
            "Two threads allocate and free blocks of the sizes of grains; glibc has one arena for all."
        }
        "trim" => "A thread churns and gives all free memory back to the system, again and again.",
        "mmap-churn" => "A thread maps, touches and unmaps memory.",
        "late-touch" => "Callbacks write to memory that was never touched before, a page each.",
        _ => "",
    }
}

pub(super) fn section(measured: &Measured, report: &Report) -> Result<String, DrawError> {
    let mut text = "<section id=\"callbacks\"><h2>Callbacks</h2>\n<p>The same granular synth in the same callback, 64 frames at \
         48 kHz, some 500 grains of 64 B to 16 KiB, on each kind of memory, turn by turn. <em>Memory</em> is what a callback spends \
         on entering, allocating, freeing and leaving. The control has a fixed place for every grain: what it shows, the machine \
         shows, and no difference that it shows as well is claimed.</p>\n"
        .to_owned();
    text += &better(&["scenario", "figure", "engine", "theirs", "ours", "control"], 3, &others(report));
    for run in &measured.runs {
        let rows: Vec<&Callbacks> =
            report.callbacks.iter().filter(|row| row.scenario == run.scenario).collect();
        text += &format!("<h3>{}</h3>\n<p>{}</p>\n", escape(&run.scenario), meaning(&run.scenario));
        text += &figures(&rows);
        text += &legend(run.engines.iter().map(|engine| engine.engine.as_str()));
        text += &format!("<div class=\"plots\">{}</div>\n", pictures(run)?);
    }
    Ok(text + "</section>\n")
}

fn figures(rows: &[&Callbacks]) -> String {
    let heads: Vec<&str> = ["engine", "callbacks"].into_iter().chain(COLUMNS.map(|(head, _)| head)).collect();
    let cells = |row: &&Callbacks| {
        let figures = COLUMNS.map(|(head, of)| show(head, of(row)));
        let named = [row.engine.clone(), row.callbacks.to_string()].into_iter();
        (is_ours(&row.engine), named.chain(figures).collect())
    };
    table(&heads, 1, &rows.iter().map(cells).collect::<Vec<_>>())
}

fn show(head: &str, figure: f64) -> String {
    if head.ends_with("µs") { format!("{figure:.1}") } else { format!("{figure:.0}") }
}

/// Every figure of a rival that is better than that of ours.
fn others(report: &Report) -> Vec<(bool, Vec<String>)> {
    let mut rows = Vec::new();
    for scenario in in_order(report.callbacks.iter().map(|row| row.scenario.as_str())) {
        let Some(ours) = report.callbacks_of(scenario, "detalloc") else { continue };
        let control = report.callbacks_of(scenario, "control");
        for (head, of) in COLUMNS {
            let rivals = report
                .callbacks
                .iter()
                .filter(|row| row.scenario == scenario && !is_ours(&row.engine) && row.engine != "control");
            for rival in rivals.filter(|rival| of(rival) < of(ours)) {
                let control = control.map_or(String::new(), |control| show(head, of(control)));
                let figures = [show(head, of(rival)), show(head, of(ours)), control];
                let words = [scenario, head, &rival.engine].map(str::to_owned);
                rows.push((false, words.into_iter().chain(figures).collect()));
            }
        }
    }
    rows
}

fn pictures(run: &Run) -> Result<String, DrawError> {
    let time = Axis { title: "callback, µs", is_log: true, label: short };
    let series = |points: fn(&Engine) -> Vec<(f64, f64)>| -> Vec<Series<'_>> {
        run.engines.iter().map(|engine| Series { name: &engine.engine, points: points(engine) }).collect()
    };
    let how_many = Axis { title: "callbacks", is_log: true, label: short };
    let longer = Axis { title: "took longer", is_log: true, label: percent };
    let number = Axis { title: "callback", is_log: false, label: short };
    let deadline = Some(Mark::Down(DEADLINE_US));
    Ok([
        figure(
            "How many callbacks took how long; the deadline is drawn in.",
            &lines(&series(|it| histogram(&it.times)), [time, how_many], deadline)?,
        ),
        figure(
            "How many of them took longer than that.",
            &lines(&series(|it| exceeding(&it.times)), [time, longer], deadline)?,
        ),
        figure(
            "The longest callback of each part of the run, in order, and the deadline.",
            &lines(&series(line), [number, time], Some(Mark::Across(DEADLINE_US)))?,
        ),
    ]
    .concat())
}

/// The outline of bars that are as wide as [`BAR`] says.
fn histogram(times: &Times) -> Vec<(f64, f64)> {
    let bar_of = |ns: u64| (number::real(ns.max(1)) / 1e3).log(BAR).floor();
    let mut bars: Vec<(f64, u64)> = Vec::new();
    for &(ns, count) in times {
        match bars.last_mut() {
            Some(last) if last.0 >= bar_of(ns) => last.1 += count,
            _ => bars.push((bar_of(ns), count)),
        }
    }
    // Where there are no callbacks, less than one: one cannot draw none.
    const NONE: f64 = 0.5;
    let mut outline = Vec::new();
    for (place, &(bar, count)) in bars.iter().enumerate() {
        let [left, right] = [bar, bar + 1.0].map(|edge| BAR.powf(edge));
        if place == 0 || bars[place - 1].0 < bar - 1.0 {
            outline.push((left, NONE));
        }
        outline.extend([(left, number::real(count)), (right, number::real(count))]);
        if bars.get(place + 1).is_none_or(|next| next.0 > bar + 1.0) {
            outline.push((right, NONE));
        }
    }
    outline
}

/// The share of callbacks that took longer than each time.
fn exceeding(times: &Times) -> Vec<(f64, f64)> {
    let all: u64 = times.iter().map(|(_, count)| count).sum();
    let mut left = all;
    let mut points = Vec::new();
    for &(ns, count) in times {
        points.push((number::real(ns) / 1e3, number::real(left) / number::real(all)));
        left -= count;
    }
    points
}

fn line(engine: &Engine) -> Vec<(f64, f64)> {
    let step = number::real(engine.callbacks) / number::real(number::length(engine.line_ns.len()).max(1));
    let point = |(part, &ns): (u32, &u64)| (f64::from(part) * step, number::real(ns.max(1)) / 1e3);
    (0..).zip(&engine.line_ns).map(point).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_begin_with_all_and_end_with_the_longest() {
        assert_eq!(exceeding(&vec![(1_000, 3), (2_000, 1)]), [(1.0, 1.0), (2.0, 0.25)]);
    }

    #[test]
    fn bars_apart_are_outlined_apart() {
        let outline = histogram(&vec![(1_000, 3), (100_000, 1)]);
        assert_eq!(
            outline.iter().map(|point| point.1).collect::<Vec<_>>(),
            [0.5, 3.0, 3.0, 0.5, 0.5, 1.0, 1.0, 0.5]
        );
    }
}
