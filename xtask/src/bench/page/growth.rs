//! What grows when something else does.

use super::html::{better, figure, in_order, legend, table};
use super::plot::{Axis, DrawError, Series, lines, short};
use crate::bench::measured::{Measured, Point, is_ours};
use crate::number;

/// What an axis is, and why lines of ours that step do.
fn meaning(axis: &str) -> (&'static str, &'static str) {
    match axis {
        "blocks" => (
            "blocks in a pool",
            "Above 4,096 blocks a pool has a third level of bitmaps, above 262,144 a fourth, and operations step with it.",
        ),
        "classes" => ("size classes", "Flat: a class is found by arithmetic."),
        "frames" => ("samples in a block", "Flat: sizes make no difference."),
        "history" => ("operations before", "Flat: there is nothing that could fragment."),
        "threads" => (
            "freeing threads",
            "A callback of 64 allocations after so many threads have freed 64 blocks between them. Flat: each block is taken over alone.",
        ),
        "instances" => ("instances in the process", "Flat: instances share nothing in a callback."),
        _ => ("", ""),
    }
}

pub(super) fn section(measured: &Measured) -> Result<String, DrawError> {
    let mut text = "<section id=\"growth\"><h2>Growth</h2>\n<p>The most instructions that an operation takes at each place, counted exactly. \
         Lines that are not flat are lines of others, or explained.</p>\n"
        .to_owned();
    text +=
        &better(&["axis", "operation", "engine", "theirs, at most", "ours"], 3, &others(&measured.growth));
    let engines = in_order(measured.growth.iter().map(|point| point.engine.as_str()));
    text += &legend(engines);
    text += "<div class=\"plots\">";
    for axis in in_order(measured.growth.iter().map(|point| point.axis.as_str())) {
        let points: Vec<&Point> = measured.growth.iter().filter(|point| point.axis == axis).collect();
        for operation in in_order(points.iter().map(|point| point.operation.as_str())) {
            text += &picture(axis, operation, &points)?;
        }
    }
    text += "</div>\n";
    text += &instances(&measured.growth);
    Ok(text + "</section>\n")
}

fn picture(axis: &str, operation: &str, points: &[&Point]) -> Result<String, DrawError> {
    let (title, why) = meaning(axis);
    let here = || points.iter().filter(|point| point.operation == operation);
    let series: Vec<Series<'_>> = in_order(here().map(|point| point.engine.as_str()))
        .into_iter()
        .map(|name| {
            let of = here().filter(|point| point.engine == name);
            Series {
                name,
                points: of.map(|it| (number::real(it.x), number::real(it.instructions))).collect(),
            }
        })
        .collect();
    let x = Axis { title, is_log: axis != "threads", label: short };
    let y = Axis { title: "instructions", is_log: true, label: short };
    Ok(figure(&format!("{operation}, by {title}. {why}"), &lines(&series, [x, y], None)?))
}

/// Rivals whose most, along a whole axis, is less than ours at its end.
fn others(points: &[Point]) -> Vec<(bool, Vec<String>)> {
    let mut rows = Vec::new();
    for axis in in_order(points.iter().map(|point| point.axis.as_str())) {
        for operation in ["allocate", "free", "callback"] {
            let most = |engine: &str| {
                let of = points
                    .iter()
                    .filter(|it| (&*it.axis, &*it.operation, &*it.engine) == (axis, operation, engine));
                of.map(|point| point.instructions).max()
            };
            let Some(ours) = most("detalloc") else { continue };
            let rivals = in_order(points.iter().map(|point| point.engine.as_str()));
            for rival in rivals.into_iter().filter(|rival| !is_ours(rival)) {
                if let Some(theirs) = most(rival).filter(|theirs| *theirs < ours) {
                    let words = [axis, operation, rival].map(str::to_owned);
                    rows.push((
                        false,
                        words.into_iter().chain([theirs, ours].map(|it| it.to_string())).collect(),
                    ));
                }
            }
        }
    }
    rows
}

/// Memory and time of plugin instances.
fn instances(points: &[Point]) -> String {
    let rows: Vec<(bool, Vec<String>)> = points
        .iter()
        .filter_map(|point| {
            let (bytes, resident, us) = (point.bytes?, point.resident_bytes?, point.activate_us?);
            let all_ms = us * number::real(point.x) / 1e3;
            let figures = [bytes / 1024, resident / 1024].map(|kib| kib.to_string());
            let cells = [point.x.to_string()].into_iter().chain(figures);
            Some((false, cells.chain([format!("{us:.0}"), format!("{all_ms:.1}")]).collect()))
        })
        .collect();
    let heads =
        ["instances", "pools, KiB each", "resident, KiB each", "activate, µs each", "activate, ms in all"];
    format!(
        "<h3>Instances</h3>\n<p>Plugin instances in one process, each with 64 voices of 4 KiB and room for 256 events.</p>\n{}",
        table(&heads, 0, &rows)
    )
}
