//! Single operations: exact instructions, and ticks without the machine's noise.

mod bursts;

use crate::Line;
use detalloc_benches::{
    allocators::{ALL, Room},
    cases::{self, Repeated},
    counts::{Summary, counted, of_each_kind},
    replay::{Kind, replay},
    ticks::{Evict, least, quantiles, reading, tick_ns, ticks},
    traces::{self, Trace},
};
use serde::Serialize;
use std::error::Error;
use step_count::Stepper;

/// How often a single operation is repeated: warm, cold (each takes milliseconds), and counted.
const WARM: usize = 2_000;
const COLD: usize = 30;
const COUNTED: usize = 100;

/// How many operations go before the caches are emptied again, and how often they are, on a trace.
const BURST: usize = 40;
const BURSTS: usize = 20;

/// How often cold traces are replayed at most: each takes a while.
const COLD_REPLAYS: usize = 10;

/// What was measured of one operation of one engine: what is `None` was not, here.
#[derive(Default, Serialize)]
pub(crate) struct Measured {
    operation: &'static str,
    engine: &'static str,
    /// `None`: the same operation, again and again.
    trace: Option<String>,
    /// The most.
    instructions: Option<u64>,
    mean_instructions: Option<f64>,
    fewest_instructions: Option<u64>,
    warm_p50_ticks: Option<u64>,
    warm_worst_ticks: Option<u64>,
    /// After a walk over 32 MiB of other memory.
    cold_p50_ticks: Option<u64>,
    cold_worst_ticks: Option<u64>,
}

impl Measured {
    fn new(operation: &'static str, engine: &'static str, trace: Option<&Trace>) -> Self {
        let engine = if engine == "glibc" { "system" } else { engine };
        Self { operation, engine, trace: trace.map(|trace| trace.name.clone()), ..Self::default() }
    }
}

/// The traces: with `--quick` the one that is most like audio.
fn traces(is_quick: bool) -> Vec<Trace> {
    if is_quick { vec![traces::audio()] } else { traces::all().into() }
}

/// Prints exact instructions, the same in every run. With `--quick`, not those of O(n) allocators, which take minutes.
pub(crate) fn print_counts(is_quick: bool) -> Result<(), Box<dyn Error>> {
    let mut stepper = Stepper::new()?;
    for trace in traces(is_quick) {
        let room = Room::ample(&trace.demand());
        for &(engine, build) in ALL.iter().filter(|(name, _)| !(is_quick && *name == "linked-list")) {
            let mut subject = build(&room);
            // SAFETY: each request is performed once, by replays, which keep their subject and free live blocks with
            // their layouts.
            let costs = unsafe { replay(&trace, subject.as_mut(), |request| counted(&mut stepper, request)) };
            for Summary { op, min, mean, max, .. } in of_each_kind(&costs) {
                let operation = operation(op).ok_or("a refusal where there is room for all")?;
                let mut row = Measured::new(operation, engine, Some(&trace));
                (row.fewest_instructions, row.mean_instructions, row.instructions) =
                    (Some(min), Some(mean), Some(max));
                Line::Operation(row).print()?;
            }
        }
    }
    for mut case in cases::all() {
        let mut row = Measured::new(case.operation, case.engine, None);
        case.measure(&mut |repeated| {
            let [fewest, most] = instructions_of(repeated, &mut stepper);
            (row.fewest_instructions, row.instructions) = (Some(fewest), Some(most));
        });
        Line::Operation(row).print()?;
    }
    Ok(())
}

/// Prints ticks.
pub(crate) fn print_ticks(is_quick: bool) -> Result<(), Box<dyn Error>> {
    Line::Clock { tick_ns: tick_ns() }.print()?;
    let replays = if is_quick { 10 } else { 100 };
    for trace in traces(is_quick) {
        on_trace(&trace, replays)?;
    }
    bursts::print(replays)?;
    let mut evict = Evict::new();
    for mut case in cases::all() {
        let mut row = Measured::new(case.operation, case.engine, None);
        case.measure(&mut |repeated| {
            row.warm_p50_ticks = median(WARM, repeated, || ());
            row.cold_p50_ticks = median(COLD, repeated, || evict.now());
        });
        Line::Operation(row).print()?;
    }
    Ok(())
}

fn operation(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Alloc => Some("allocate"),
        Kind::Free => Some("free"),
        _ => None,
    }
}

fn on_trace(trace: &Trace, replays: usize) -> Result<(), Box<dyn Error>> {
    let mut evict = Evict::new();
    let mut before = |operation: usize| {
        if operation.is_multiple_of(BURST) {
            evict.now();
        }
    };
    let mut short = trace.clone();
    short.operations.truncate(trace.warm_up + BURSTS * BURST);
    let room = Room::ample(&trace.demand());
    for &(engine, build) in ALL {
        let warm = least(trace, replays, build, &room, &mut |_| ());
        let cold = match &*trace.name {
            "audio" => least(&short, replays.min(COLD_REPLAYS), build, &room, &mut before),
            _ => Vec::new(),
        };
        for kind in [Kind::Alloc, Kind::Free] {
            let (warm, cold) = (quantiles(&warm, kind), quantiles(&cold, kind));
            Line::Operation(Measured {
                warm_p50_ticks: warm.map(|ticks| ticks[0]),
                warm_worst_ticks: warm.map(|ticks| ticks[2]),
                cold_p50_ticks: cold.map(|ticks| ticks[0]),
                cold_worst_ticks: cold.map(|ticks| ticks[2]),
                ..Measured::new(operation(kind).unwrap_or_default(), engine, Some(trace))
            })
            .print()?;
        }
    }
    Ok(())
}

/// The median of so many times.
fn median(times: usize, repeated: &mut dyn Repeated, mut before: impl FnMut()) -> Option<u64> {
    let reading = reading();
    let mut once = || {
        repeated.prepare();
        before();
        ticks(|| repeated.run()).1.saturating_sub(reading)
    };
    let mut taken: Vec<u64> = (0..times).map(|_| once()).collect();
    taken.sort_unstable();
    taken.get(taken.len() / 2).copied()
}

/// The fewest and the most instructions of a few times, less what it takes to run nothing.
fn instructions_of(repeated: &mut dyn Repeated, stepper: &mut Stepper) -> [u64; 2] {
    struct Nothing;
    impl Repeated for Nothing {
        #[inline(never)]
        fn run(&mut self) {}
    }
    let mut bounds = |repeated: &mut dyn Repeated| {
        let mut count = || {
            repeated.prepare();
            stepper.step(|| repeated.run()).1
        };
        // The first time may set something up.
        count();
        (0..COUNTED)
            .map(|_| count())
            .fold([u64::MAX, 0], |[fewest, most], now| [now.min(fewest), now.max(most)])
    };
    let [nothing, _] = bounds(&mut Nothing);
    bounds(repeated).map(|count| count.saturating_sub(nothing))
}
