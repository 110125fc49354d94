//! What ours cost when something grows: the history, the number of pools, the blocks of a pool.

use detalloc::{Config, PoolConfig, class::class_bytes};
use detalloc_benches::{
    allocators::{ALL, Room},
    counts::{Summary, counted_after},
    replay::Playing,
    traces::History,
};
use serde::Serialize;
use std::error::Error;
use step_count::Stepper;

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
        let room = Room { config, arena_bytes: 0 };
        for &(allocator, build) in
            ALL.iter().filter(|(name, _)| matches!(*name, "detalloc" | "detalloc-unchecked"))
        {
            let mut subject = build(&room);
            let mut history = History::new(&room.config);
            let mut playing = Playing::new(subject.as_mut(), history.slots());
            for summary in counted_after(stepper, &mut playing, &mut history, before) {
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
