//! Memory: what a trace takes, and where it is over time.

use super::html::{better, escape, figure, in_order, legend, table};
use super::plot::{Axis, DrawError, Series, lines, percent, short};
use crate::bench::measured::{Look, Measured, Taken, is_ours};
use crate::bench::report::{Memory, Report};
use crate::number;

pub(super) fn section(measured: &Measured, report: &Report) -> Result<String, DrawError> {
    let mut text = "<section id=\"memory\"><h2>Memory</h2>\n<p>What has pools or a region gets the least memory that serves the trace; what \
         takes its memory from the system is measured by the growth of its process, every block written to. <em>Internal</em> is what \
         blocks have beyond what was asked for; <em>external</em> what is held and in no block, metadata included; both at the peak. \
         rlsf and talc do not say how large their blocks are.</p>\n"
        .to_owned();
    text += &better(&["trace", "allocator", "theirs, over the peak", "ours"], 2, &others(report));
    for trace in in_order(measured.memory.iter().map(|taken| taken.trace.as_str())) {
        let rows: Vec<&Memory> = report.memory.iter().filter(|row| row.trace == trace).collect();
        let taken: Vec<&Taken> = measured.memory.iter().filter(|taken| taken.trace == trace).collect();
        let peak = rows.first().map_or(0, |row| row.peak_live_bytes);
        text += &format!("<h3>{}</h3>\n<p>{peak} bytes live at the peak.</p>\n", escape(trace));
        text += &figures(&rows);
        text += &legend(taken.iter().map(|taken| taken.allocator.as_str()));
        text += &format!("<div class=\"plots\">{}</div>\n", pictures(&taken)?);
    }
    Ok(text + "</section>\n")
}

fn figures(rows: &[&Memory]) -> String {
    let optional =
        |figure: Option<f64>, digits: usize| figure.map_or(String::new(), |it| format!("{it:.digits$}"));
    let cells = |row: &&Memory| {
        let figures = [
            row.allocator.clone(),
            row.needed_bytes.map_or(String::new(), |bytes| bytes.to_string()),
            optional(row.needed_over_peak, 3),
            row.refused.to_string(),
            optional(row.internal_percent, 1),
            optional(row.external_percent, 1),
        ];
        (is_ours(&row.allocator), figures.into())
    };
    let heads = ["allocator", "needed, bytes", "over the peak", "refused", "internal %", "external %"];
    table(&heads, 1, &rows.iter().map(cells).collect::<Vec<_>>())
}

fn others(report: &Report) -> Vec<(bool, Vec<String>)> {
    let ours = |trace: &str| {
        report.memory.iter().find(|row| row.trace == trace && row.allocator == "detalloc")?.needed_over_peak
    };
    let row = |row: &Memory| {
        let (theirs, ours) = (row.needed_over_peak?, ours(&row.trace)?);
        let figures =
            [row.trace.clone(), row.allocator.clone(), format!("{theirs:.3}"), format!("{ours:.3}")];
        (theirs < ours).then_some((false, figures.into()))
    };
    report.memory.iter().filter_map(row).collect()
}

/// A point over time.
type Point = fn(&Look) -> Option<f64>;

fn pictures(taken: &[&Taken]) -> Result<String, DrawError> {
    let time = Axis { title: "of the trace", is_log: false, label: percent };
    let picture = |caption: &str, title, label, point: Point| {
        let series: Vec<Series<'_>> = taken
            .iter()
            .map(|taken| {
                let all = number::real(number::length(taken.over_time.len()).max(1));
                let at = |(place, look): (u32, &Look)| Some((f64::from(place) / all, point(look)?));
                Series {
                    name: &taken.allocator,
                    points: (0..).zip(&taken.over_time).filter_map(at).collect(),
                }
            })
            .filter(|series| !series.points.is_empty())
            .collect();
        let axis = Axis { title, is_log: false, label };
        lines(&series, [time, axis], None).map(|svg| figure(caption, &svg))
    };
    let internal: Point = |look| {
        let blocks = look.in_blocks?;
        (blocks > 0).then(|| 1.0 - number::real(look.asked_for) / number::real(blocks))
    };
    let external: Point = |look| {
        let blocks = look.in_blocks?;
        (look.held > 0).then(|| (1.0 - number::real(blocks) / number::real(look.held)).max(0.0))
    };
    Ok([
        picture("Held from the region or the system, in bytes.", "held", short, |look| {
            Some(number::real(look.held))
        })?,
        picture("Internal fragmentation over time.", "internal", percent, internal)?,
        picture("External fragmentation over time.", "external", percent, external)?,
    ]
    .concat())
}
