//! Whether the metadata of a shared heap is what it must be; see [`crate::validate`]. The shapes are compared
//! with the plan of the configuration that they spell.

use super::{Pool, SharedHeap, plan::Plan};
use crate::{
    config::{Config, MAX_POOLS, PoolConfig},
    sync::Ordering::Relaxed,
    validate::{Broken, Corruption},
};

impl<'r> SharedHeap<'r> {
    /// Checks every invariant of the metadata. Reads only, and never outside the region. To be called while
    /// no other thread uses the heap: what is under way may look like corruption.
    ///
    /// # Errors
    /// [`Corruption`] says which invariant is broken first, and where.
    ///
    /// # Time complexity
    /// Linear in the number of blocks, `usize::BITS` at a time. Not for real-time paths.
    pub fn validate(&self) -> Result<(), Corruption> {
        if !self.has_its_shape() {
            return Err(Corruption { broken: Broken::Shape, pool: 0, block_bytes: 0 });
        }
        for (number, pool) in self.pools.iter().enumerate() {
            let corruption = |broken| Corruption { broken, pool: number, block_bytes: pool.block_bytes };
            self.check(pool).map_err(corruption)?;
        }
        Ok(())
    }

    /// Whether the shapes of the pools are those of a configuration with this region's size.
    fn has_its_shape(&self) -> bool {
        let mut pools = [PoolConfig::new(0, 0); MAX_POOLS];
        for (into, pool) in pools.iter_mut().zip(self.pools) {
            *into = PoolConfig::new(pool.block_bytes, pool.blocks);
        }
        let config = pools.get(..self.pools.len()).and_then(|pools| Config::new(pools).ok());
        config.and_then(|config| Plan::of(&config)).is_some_and(|plan| {
            let first = self.pools.iter().map(|pool| (pool.first_block, pool.first_leaf));
            plan.bytes == self.bytes
                && plan.leaf_words == self.leaves.len()
                && first.eq(plan.pool_blocks.into_iter().zip(plan.pool_leaves).take(self.pools.len()))
        })
    }

    fn check(&self, pool: &'r Pool) -> Result<(), Broken> {
        let bits = self.free_bits(pool).ok_or(Broken::Shape)?;
        let mut free = 0;
        for (number, leaf) in bits.leaves.iter().enumerate() {
            // Relaxed, here and below: nobody else is at work, or the caller does not get a promise.
            let word = leaf.load(Relaxed);
            free += word.count_ones() as usize;
            if word & !bits.existing(number) != 0 {
                return Err(Broken::NoSuchBlock);
            }
            if word != 0 && bits.hints.load(Relaxed) & bits.hint_of(number) == 0 {
                return Err(Broken::Summary);
            }
        }
        let peak = pool.state.peak.load(Relaxed);
        if free != pool.state.free.load(Relaxed) {
            Err(Broken::FreeCount)
        } else if peak > pool.blocks || peak < pool.used() {
            Err(Broken::PeakCount)
        } else {
            Ok(())
        }
    }
}
