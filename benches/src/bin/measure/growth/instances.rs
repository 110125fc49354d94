//! Many plugin instances in one process: what each takes to activate and to hold, and what a callback of the last one costs.

use super::Point;
use crate::{Line, resident_bytes};
use detalloc_audio::{AudioBudget, RtHeap};
use serde::Serialize;
use std::{
    error::Error,
    hint::black_box,
    time::{Duration, Instant},
};
use step_count::Stepper;

/// What each instance has: 64 voices of 4 KiB, and room for 256 events.
fn budget() -> AudioBudget {
    AudioBudget::new(48_000.0, 64).slices::<f32>(1024, 64).events::<u64>(256)
}

/// Memory and time of each instance.
#[derive(Serialize)]
pub(super) struct Each {
    /// What its pools need, in bytes.
    bytes: usize,
    /// How much the resident memory of the process grew, in bytes.
    resident_bytes: u64,
    /// What activating took, on average, in microseconds.
    activate_us: f64,
}

pub(super) fn print(stepper: &mut Stepper) -> Result<(), Box<dyn Error>> {
    let mut heaps: Vec<RtHeap> = Vec::with_capacity(1000);
    let (before, mut took) = (resident_bytes(), Duration::ZERO);
    for x in [1, 3, 10, 30, 100, 300, 1000] {
        while heaps.len() < x {
            let start = Instant::now();
            let mut heap = RtHeap::new();
            heap.reconfigure(&budget())?;
            took += start.elapsed();
            heaps.push(heap);
        }
        let count = u32::try_from(x)?;
        let last = heaps.last_mut().ok_or("no instance")?;
        let bytes = last.config().map_or(0, detalloc::Config::bytes_needed);
        let mut callback = || last.enter(|rt| drop(black_box(rt.vec::<f32>(1024))));
        callback();
        let counts: Vec<u64> = (0..20).map(|_| stepper.step(&mut callback).1).collect();
        Line::Growth(Point {
            axis: "instances",
            x,
            engine: "detalloc",
            operation: "callback",
            instructions: counts.iter().max().copied().unwrap_or(0),
            fewest: counts.iter().min().copied().unwrap_or(0),
            instance: Some(Each {
                bytes,
                resident_bytes: resident_bytes().saturating_sub(before) / u64::from(count),
                activate_us: took.as_secs_f64() * 1e6 / f64::from(count),
            }),
        })
        .print()?;
    }
    Ok(())
}
