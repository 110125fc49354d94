//! What a trace needs, and the configurations that meet it or fall short of it.

use super::Operation;
use detalloc::{
    Config, MAX_POOLS, PoolConfig,
    class::{CLASSES, class_bytes, class_of},
};
use std::collections::{BTreeMap, HashMap};

/// What a list of operations needs when nothing is refused.
#[derive(Clone, Debug)]
pub struct Demand {
    /// The most blocks live at once, of each block size in bytes. Where there are more size classes than a heap has
    /// pools, so many neighbours share one as is needed.
    pub peaks: BTreeMap<usize, usize>,
    /// The most bytes that were live at once, as they were asked for.
    pub peak_live_bytes: usize,
    /// The most blocks that were live at once.
    pub peak_live_blocks: usize,
}

impl Demand {
    /// Follows the operations.
    ///
    /// # Panics
    /// When a slot is freed that is empty.
    #[must_use]
    pub fn of(operations: impl Iterator<Item = Operation> + Clone) -> Self {
        // One pool is left over, for the starved configuration.
        (1..)
            .map(|sharing| Self::with(operations.clone(), sharing))
            .find(|it| it.peaks.len() < MAX_POOLS)
            .expect("one pool holds everything")
    }

    /// The demand where so many neighbouring classes share a pool.
    fn with(operations: impl Iterator<Item = Operation>, sharing: usize) -> Self {
        let mut live = HashMap::new();
        let mut used = BTreeMap::<usize, usize>::new();
        let mut live_bytes = 0;
        let mut demand = Self { peaks: BTreeMap::new(), peak_live_bytes: 0, peak_live_blocks: 0 };
        for operation in operations {
            match operation {
                Operation::Allocate { slot, layout } => {
                    let class = class_of(layout.size(), layout.align());
                    let last = class - class % sharing + sharing - 1;
                    let bytes = class_bytes(last.min(CLASSES - 1));
                    live.insert(slot, (layout, bytes));
                    let used = used.entry(bytes).or_default();
                    *used += 1;
                    live_bytes += layout.size();
                    let peak = demand.peaks.entry(bytes).or_default();
                    *peak = (*peak).max(*used);
                }
                Operation::Free { slot } => {
                    let (layout, bytes) = live.remove(&slot).expect("a full slot");
                    used.entry(bytes).and_modify(|used| *used -= 1);
                    live_bytes -= layout.size();
                }
            }
            demand.peak_live_bytes = demand.peak_live_bytes.max(live_bytes);
            demand.peak_live_blocks = demand.peak_live_blocks.max(live.len());
        }
        demand
    }

    /// A pool for every block size with as many blocks as its peak: nothing is borrowed or refused.
    ///
    /// # Panics
    /// When there was no operation.
    #[must_use]
    pub fn config(&self) -> Config {
        Self::pools(self.peaks.iter().map(|(&bytes, &peak)| PoolConfig::new(bytes, peak)))
    }

    /// The same pools with three quarters of their peaks, and one pool of the next larger class with an eighth of the
    /// largest peak, so that a single class can borrow too: blocks are borrowed and refused.
    ///
    /// # Panics
    /// As [`Demand::config`].
    #[must_use]
    pub fn starved(&self) -> Config {
        let largest = self.peaks.keys().next_back().copied().unwrap_or(0);
        let spare = class_bytes(class_of(largest + 1, 1));
        let eighth = self.peaks.values().max().copied().unwrap_or(0) / 8;
        let short = self.peaks.iter().map(|(&bytes, &peak)| PoolConfig::new(bytes, (peak * 3 / 4).max(1)));
        Self::pools(short.chain([PoolConfig::new(spare, eighth.max(1))]))
    }

    fn pools(pools: impl Iterator<Item = PoolConfig>) -> Config {
        let pools: Vec<_> = pools.collect();
        Config::new(&pools).expect("block sizes of the grid, in order")
    }
}

#[cfg(test)]
mod tests {
    use crate::traces::all;

    #[test]
    fn a_starved_configuration_has_fewer_blocks_than_the_peak_of_all_but_single_ones() {
        for trace in all() {
            let demand = trace.demand();
            for pool in demand.starved().pools() {
                if let Some(&peak) = demand.peaks.get(&pool.block_bytes) {
                    assert!(pool.blocks < peak || peak == 1, "{} of {}", trace.name, pool.block_bytes);
                }
            }
        }
    }
}
