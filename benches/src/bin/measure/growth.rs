//! What a growing number of something does to what operations cost: a line for each axis, place on it, engine and
//! operation.

mod instances;
mod threads;

use crate::Line;
use detalloc::{Config, PoolConfig, class::class_bytes};
use detalloc_benches::{
    allocators::{ALL, Room},
    counts::{Summary, counted_after},
    replay::{Kind, Playing},
    traces::History,
};
use serde::Serialize;
use std::error::Error;
use step_count::Stepper;

/// Those that are compared: O(n) ones would take hours.
const COMPARED: [&str; 6] = ["detalloc", "detalloc-unchecked", "rlsf", "glibc", "mimalloc", "jemalloc"];

/// Operations before the first that is counted, where history is not what grows.
const BEFORE: usize = 10_000;

/// The longest history, in operations: with `--quick`, and without.
const HISTORY: [usize; 2] = [1_000_000, 100_000_000];

/// A point of a line.
#[derive(Serialize)]
pub(crate) struct Point {
    axis: &'static str,
    x: usize,
    engine: &'static str,
    operation: &'static str,
    /// The most that it took.
    instructions: u64,
    /// The fewest.
    fewest: u64,
    #[serde(flatten)]
    instance: Option<instances::Each>,
}

/// Prints all of them.
pub(crate) fn print(is_quick: bool) -> Result<(), Box<dyn Error>> {
    let mut stepper = Stepper::new()?;
    let stepper = &mut stepper;
    for bits in (10..=24).step_by(2) {
        let config = Config::new(&[PoolConfig::new(16, 1 << bits)])?;
        along("blocks", config, &[(1 << bits, BEFORE)], &["glibc", "mimalloc", "jemalloc"], stepper)?;
    }
    for classes in [1, 2, 4, 8, 16, 32, 60] {
        along("classes", pools(classes, 64)?, &[(classes, BEFORE)], &[], stepper)?;
    }
    for frames in (4..=11).map(|bits| 1 << bits) {
        let config = Config::new(&[PoolConfig::new(frames * size_of::<f32>(), 1000)])?;
        along("frames", config, &[(frames, BEFORE)], &[], stepper)?;
    }
    let most = HISTORY[usize::from(!is_quick)];
    let histories: Vec<_> =
        (3..).map(|digits| 10_usize.pow(digits)).take_while(|&it| it <= most).map(|it| (it, it)).collect();
    along("history", pools(8, 1000)?, &histories, &[], stepper)?;
    threads::print(stepper)?;
    instances::print(stepper)
}

/// So many pools of so many blocks each.
fn pools(count: usize, blocks: usize) -> Result<Config, Box<dyn Error>> {
    let pools: Vec<_> = (0..count).map(|class| PoolConfig::new(class_bytes(class), blocks)).collect();
    Ok(Config::new(&pools)?)
}

/// Counts on every engine, but those `without`, at each place: its `x`, and how many operations went before.
fn along(
    axis: &'static str,
    config: Config,
    places: &[(usize, usize)],
    without: &[&str],
    stepper: &mut Stepper,
) -> Result<(), Box<dyn Error>> {
    // For those that merge and split, twice what can be live, with 64 bytes beside each block, and some for themselves.
    let live = |pool: &PoolConfig| 2 * (pool.block_bytes + 64) * pool.blocks.min(1000);
    let live_bytes = config.pools().iter().map(live).sum::<usize>() + 64 * 1024;
    let room = Room { config, arena_bytes: config.bytes_needed().max(live_bytes) };
    let compared = ALL.iter().filter(|(name, _)| COMPARED.contains(name) && !without.contains(name));
    for &(name, build) in compared {
        let engine = if name == "glibc" { "system" } else { name };
        let mut subject = build(&room);
        let mut history = History::new(&room.config);
        let mut playing = Playing::new(subject.as_mut(), history.slots());
        let mut played = 0;
        for &(x, before) in places {
            for Summary { op, min, max, .. } in
                counted_after(stepper, &mut playing, &mut history, before - played)
            {
                let operation = match op {
                    Kind::Alloc => "allocate",
                    Kind::Free => "free",
                    other => return Err(format!("{engine}: {other:?} where there is room for all").into()),
                };
                let point =
                    Point { axis, x, engine, operation, instructions: max, fewest: min, instance: None };
                Line::Growth(point).print()?;
            }
            played = before;
        }
    }
    Ok(())
}
