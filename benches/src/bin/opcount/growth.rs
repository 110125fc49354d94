//! What ours cost when something grows: the history, the number of pools, the blocks of a pool.

use crate::{
    counted,
    summary::{Summary, of_each_kind},
};
use detalloc::{Config, PoolConfig, class::class_bytes};
use detalloc_benches::{
    allocators::{ALL, Room},
    replay::replay,
    traces::{self, Operation, Random, Trace},
};
use serde::Serialize;
use std::error::Error;
use step_count::Stepper;

/// How many operations are counted, after which history ever.
const COUNTED: usize = 1000;

/// A line of the table.
#[derive(Serialize)]
struct Line {
    allocator: &'static str,
    /// What grows: `history` (operations before the first that is counted), `pools` or `blocks` (of each pool).
    grows: &'static str,
    to: usize,
    #[serde(flatten)]
    summary: Summary,
}

pub(crate) fn print(stepper: &mut Stepper) -> Result<(), Box<dyn Error>> {
    let mut show = |grows, to, config: Config, before| -> Result<(), Box<dyn Error>> {
        let trace = history(&config, before);
        let room = Room { config, arena_bytes: 0 };
        for &(allocator, build) in
            ALL.iter().filter(|(name, _)| matches!(*name, "detalloc" | "detalloc-unchecked"))
        {
            let mut subject = build(&room);
            // SAFETY: each request is performed once.
            let costs = unsafe { replay(&trace, subject.as_mut(), |request| counted(stepper, request)) };
            for summary in of_each_kind(&costs) {
                println!("{}", serde_json::to_string(&Line { allocator, grows, to, summary })?);
            }
        }
        Ok(())
    };
    for before in [0, 10_000_000] {
        show("history", before, pools(8, 1000)?, before)?;
    }
    for count in [1, 8, 60] {
        show("pools", count, pools(count, 1000)?, 10_000)?;
    }
    for bits in [6, 12, 18, 24] {
        show("blocks", 1 << bits, pools(1, 1 << bits)?, 10_000)?;
    }
    Ok(())
}

/// So many pools of so many blocks.
fn pools(pools: usize, blocks: usize) -> Result<Config, Box<dyn Error>> {
    let pools: Vec<_> = (0..pools).map(|class| PoolConfig::new(class_bytes(class), blocks)).collect();
    Ok(Config::new(&pools)?)
}

/// Blocks of all of the classes in turn are allocated and freed at random, never more than there are: `before` operations
/// that are not counted, and [`COUNTED`] that are.
fn history(config: &Config, before: usize) -> Trace {
    let mut random = Random::new();
    let mut empty: Vec<Vec<usize>> = Vec::new();
    let mut slots = 0;
    let mut live = Vec::new();
    let mut operations = Vec::with_capacity(before + COUNTED);
    for pool in config.pools() {
        empty.push((slots..slots + pool.blocks.min(1000)).rev().collect());
        slots += pool.blocks.min(1000);
    }
    while operations.len() < before + COUNTED {
        let class = random.below(empty.len());
        let wants = live.is_empty() || random.below(2) == 0;
        match wants.then(|| empty[class].pop()).flatten() {
            Some(slot) => {
                let layout = traces::layout(config.pools()[class].block_bytes);
                operations.push(Operation::Allocate { slot, layout });
                live.push((class, slot));
            }
            None if live.is_empty() => {}
            None => {
                let (class, slot) = live.swap_remove(random.below(live.len()));
                operations.push(Operation::Free { slot });
                empty[class].push(slot);
            }
        }
    }
    Trace { name: "growth", operations, warm_up: before }
}
