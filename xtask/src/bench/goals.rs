//! What the allocator is to reach, and whether it did in this run.

use super::measured::{Measured, Operation, Point, is_ours};
use super::report::Report;
use crate::number;

/// Something to reach.
#[derive(Debug)]
pub(super) struct Goal {
    pub(super) what: String,
    /// What was found.
    pub(super) figure: String,
    /// `None`: not measured in this run.
    pub(super) is_met: Option<bool>,
}

/// The scenario that stalls other heaps.
const LOADER: &str = "loader";

/// Pools of more blocks than these have a level of bitmaps more: where a step is documented.
const STEPS: [u64; 2] = [1 << 12, 1 << 18];

/// A callback whose time is the longest so far takes so many instructions more.
const LONGEST: u64 = 4;

/// The length of the ticks that limits in ticks are for, in nanoseconds.
const TICK_NS: f64 = 0.385;

/// All of them.
pub(super) fn goals(measured: &Measured, report: &Report) -> Vec<Goal> {
    let mut goals = loader(report);
    goals.extend(ticks(measured));
    goals.extend([flat(measured), linear(measured)]);
    goals
}

fn goal(what: impl Into<String>, found: Option<(String, bool)>) -> Goal {
    let (figure, is_met) =
        found.map_or(("not measured".to_owned(), None), |(figure, is_met)| (figure, Some(is_met)));
    Goal { what: what.into(), figure, is_met }
}

fn loader(report: &Report) -> Vec<Goal> {
    let of = |engine| report.callbacks_of(LOADER, engine);
    let control = of("control").map_or(0, |row| row.misses);
    let mut goals = vec![goal(
        "loader: the system heap misses deadlines",
        of("system").map(|row| (format!("{} of {} callbacks", row.misses, row.callbacks), row.misses > 0)),
    )];
    for engine in ["detalloc", "detalloc-routed"] {
        goals.push(goal(
            format!("loader: {engine} misses none"),
            of(engine).map(|row| {
                let figure =
                    format!("{} of {} callbacks; the control missed {control}", row.misses, row.callbacks);
                (figure, row.misses == 0)
            }),
        ));
        for (rival, times) in [("system", 100.0), ("mimalloc", 3.0)] {
            let what = format!(
                "loader: the most that a callback of {engine} spends on memory is at least {times} times below that of {rival}"
            );
            let both = of(engine).zip(of(rival)).map(|(ours, theirs)| {
                let ratio = theirs.worst_alloc_us / ours.worst_alloc_us.max(0.001);
                let figure = format!(
                    "{:.1} µs against {:.1} µs: {ratio:.1} times",
                    ours.worst_alloc_us, theirs.worst_alloc_us
                );
                (figure, ratio >= times)
            });
            goals.push(goal(what, both));
        }
    }
    goals
}

fn ticks(measured: &Measured) -> Vec<Goal> {
    let on_audio =
        |operation: &'static str| measured.operations.iter().filter(move |row| row.operation == operation);
    let of = |operation, engine: &str| on_audio(operation).find(|row| row.engine == engine);
    let callback = "all of a callback";
    let peers = on_audio(callback).filter(|row| !is_ours(&row.engine));
    let least = peers.filter_map(|row| Some((row.warm_worst_ticks?, &row.engine))).min();
    let worst = |engine| of(callback, engine).and_then(|row: &Operation| row.warm_worst_ticks);
    let tick = measured.clock.map_or(0.0, |clock| clock.tick_ns);
    let here = format!("ticks are {tick:.3} ns here, and the limit is for {TICK_NS}");
    let mut goals = vec![goal(
        "audio: the worst callback's allocator time, denoised, is below that of every peer",
        worst("detalloc").zip(least).map(|(ours, (theirs, rival))| {
            (format!("{ours} ticks against {theirs} of {rival}, the best of them"), ours < theirs)
        }),
    )];
    for (engine, limit) in [("detalloc", 1800), ("detalloc-unchecked", 600)] {
        goals.push(goal(
            format!("audio: that of {engine} is at most {limit} ticks"),
            worst(engine).map(|ours| (format!("{ours} ticks; {here}"), ours <= limit)),
        ));
    }
    let cold = |operation, engine| of(operation, engine).and_then(|row: &Operation| row.cold_p50_ticks);
    let one_size = "allocate, of a burst of 16 of one size";
    let all_sizes = "allocate, of a burst of 16 of all sizes";
    goals.push(goal(
        "a cold burst of 16 blocks takes at most 150 ticks a block",
        cold(one_size, "detalloc").map(|ours| {
            let shown = |ticks: Option<u64>| ticks.map_or("not measured".to_owned(), |it| it.to_string());
            let figure = format!(
                "{ours} ticks of one size (rlsf {}), {} of all sizes (rlsf {}); {here}",
                shown(cold(one_size, "rlsf")),
                shown(cold(all_sizes, "detalloc")),
                shown(cold(all_sizes, "rlsf")),
            );
            (figure, ours <= 150)
        }),
    ));
    goals
}

/// Where ours grow.
fn flat(measured: &Measured) -> Goal {
    let ours: Vec<_> = measured.growth.iter().filter(|point| is_ours(&point.engine)).collect();
    let mut uneven = Vec::new();
    for point in &ours {
        let first = ours.iter().find(|first| {
            (&first.axis, &first.engine, &first.operation) == (&point.axis, &point.engine, &point.operation)
                && stretch(first) == stretch(point)
        });
        let least = first.map_or(0, |first| first.fewest);
        let more = if point.operation == "callback" { LONGEST } else { 0 };
        if point.instructions > least + more {
            let Some(first) = first else { continue };
            uneven.push(format!(
                "{} {} takes {} instructions at {} {}, and {least} at {}",
                point.engine, point.operation, point.instructions, point.x, point.axis, first.x
            ));
        }
    }
    let figure = if uneven.is_empty() {
        format!("{} places on {} lines", ours.len(), lines(&ours))
    } else {
        uneven.join("; ")
    };
    goal(
        "growth: every line of ours is flat in instructions, but for a step above 4,096 and one above 262,144 blocks of a pool",
        (!ours.is_empty()).then_some((figure, uneven.is_empty())),
    )
}

/// Which part of its line a point is on, between two steps.
fn stretch(point: &Point) -> usize {
    STEPS.iter().filter(|&&step| point.axis == "blocks" && point.x > step).count()
}

fn lines(points: &[&Point]) -> usize {
    let mut seen: Vec<[&str; 3]> =
        points.iter().map(|point| [&*point.axis, &*point.engine, &*point.operation]).collect();
    seen.sort_unstable();
    seen.dedup();
    seen.len()
}

/// Whether a thousand instances cost a thousand times one.
fn linear(measured: &Measured) -> Goal {
    let each: Vec<(u64, u64, f64)> = measured
        .growth
        .iter()
        .filter_map(|point| Some((point.x, point.resident_bytes?, point.activate_us?)))
        .collect();
    let few = each.iter().find(|(x, ..)| *x >= 10);
    let found = few.zip(each.last()).map(|(few, last)| {
        let figure = format!(
            "each of {} takes {:.0} µs and {} KiB, each of {} {:.0} µs and {} KiB",
            few.0,
            few.2,
            few.1 / 1024,
            last.0,
            last.2,
            last.1 / 1024
        );
        let is_memory_linear = number::real(last.1) <= 1.1 * number::real(few.1);
        // Times are the machine's, too.
        (figure, is_memory_linear && last.2 <= 3.0 * few.2)
    });
    goal("growth: activating 1,000 instances is linear", found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(axis: &str, x: u64, operation: &str, instructions: u64) -> Point {
        Point {
            axis: axis.to_owned(),
            x,
            engine: "detalloc".to_owned(),
            operation: operation.to_owned(),
            instructions,
            fewest: instructions,
            bytes: None,
            resident_bytes: None,
            activate_us: None,
        }
    }

    fn is_flat(points: &[Point]) -> Option<bool> {
        flat(&Measured { growth: points.to_vec(), ..Measured::default() }).is_met
    }

    #[test]
    fn a_line_may_step_only_where_that_is_documented() {
        assert_eq!(
            is_flat(&[point("blocks", 1024, "free", 45), point("blocks", 1 << 20, "free", 126)]),
            Some(true)
        );
        assert_eq!(
            is_flat(&[point("blocks", 1024, "free", 45), point("blocks", 4096, "free", 46)]),
            Some(false)
        );
        assert_eq!(
            is_flat(&[point("blocks", 1 << 14, "free", 115), point("blocks", 1 << 18, "free", 116)]),
            Some(false)
        );
        assert_eq!(is_flat(&[point("history", 1, "free", 45), point("history", 9, "free", 46)]), Some(false));
        assert_eq!(
            is_flat(&[point("threads", 0, "callback", 5116), point("threads", 8, "callback", 5119)]),
            Some(true)
        );
    }

    #[test]
    fn what_was_not_measured_is_not_met() {
        assert_eq!(is_flat(&[]), None);
        assert_eq!(linear(&Measured::default()).is_met, None);
    }
}
