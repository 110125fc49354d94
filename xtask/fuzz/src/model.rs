//! The plainest heap there is: sets of numbers. It says which block comes next, what is refused and why, and what the counts
//! are.

use core::alloc::Layout;
use detalloc::{AllocError, Borrow, Config, FreeError, MAX_ALIGN_BYTES, PoolStats, Stats};
use std::collections::BTreeSet;

/// Blocks that are announced together, in a pool of so many: as the documentation of `adopt_remote_frees` has it.
fn group_blocks(blocks: usize) -> usize {
    if blocks <= 4096 { 64 } else { 4096 }
}

/// A block: the number of its pool, and its own there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) pool: usize,
    pub(crate) index: usize,
}

pub(crate) struct Pool {
    pub(crate) block_bytes: usize,
    blocks: usize,
    free: BTreeSet<usize>,
    /// Freed by another thread, and not adopted.
    remote: BTreeSet<usize>,
    /// Where the first block is, once a block was seen.
    start: Option<usize>,
    peak: usize,
    refused: usize,
    borrowed: usize,
    freed_remotely: usize,
}

impl Pool {
    fn adopt(&mut self) -> usize {
        let group = group_blocks(self.blocks);
        let Some(&lowest) = self.remote.first() else { return 0 };
        let behind = self.remote.split_off(&((lowest / group + 1) * group));
        let adopted = core::mem::replace(&mut self.remote, behind);
        self.freed_remotely += adopted.len();
        let count = adopted.len();
        self.free.extend(adopted);
        count
    }
}

pub(crate) struct Model {
    pub(crate) pools: Vec<Pool>,
    borrows: bool,
    /// Frees of other threads are free at once.
    adopts_at_once: bool,
    unsupported: usize,
}

impl Model {
    pub(crate) fn new(config: &Config, adopts_at_once: bool) -> Self {
        let pool = |pool: &detalloc::PoolConfig| Pool {
            block_bytes: pool.block_bytes,
            blocks: pool.blocks,
            free: (0..pool.blocks).collect(),
            remote: BTreeSet::new(),
            start: None,
            peak: 0,
            refused: 0,
            borrowed: 0,
            freed_remotely: 0,
        };
        Self {
            pools: config.pools().iter().map(pool).collect(),
            borrows: config.borrow() == Borrow::Larger,
            adopts_at_once,
            unsupported: 0,
        }
    }

    fn serves(&self, number: usize, layout: Layout) -> bool {
        let block_bytes = self.pools[number].block_bytes;
        block_bytes >= layout.size().max(1)
            && layout.align() <= MAX_ALIGN_BYTES
            && block_bytes.is_multiple_of(layout.align())
    }

    /// The class itself comes first, then what is on its way home to it, then larger classes: free blocks before those on
    /// their way home.
    pub(crate) fn allocate(&mut self, layout: Layout) -> Result<Place, AllocError> {
        let fitting: Vec<usize> = (0..self.pools.len()).filter(|&pool| self.serves(pool, layout)).collect();
        let Some((&own, lenders)) = fitting.split_first() else {
            self.unsupported += 1;
            let (size_bytes, align_bytes) = (layout.size(), layout.align());
            return Err(AllocError::Unsupported { size_bytes, align_bytes });
        };
        let lenders = if self.borrows { lenders } else { &[] };
        if self.pools[own].free.is_empty() && self.pools[own].adopt() == 0 {
            let has_free = lenders.iter().any(|&lender| !self.pools[lender].free.is_empty());
            let pending = lenders.iter().find(|&&lender| !self.pools[lender].remote.is_empty());
            if let (false, Some(&pending)) = (has_free, pending) {
                self.pools[pending].adopt();
            }
        }
        let from =
            [own].into_iter().chain(lenders.iter().copied()).find(|&pool| !self.pools[pool].free.is_empty());
        let Some(from) = from else {
            self.pools[own].refused += 1;
            return Err(AllocError::Exhausted { block_bytes: self.pools[own].block_bytes });
        };
        self.pools[own].borrowed += usize::from(from != own);
        let pool = &mut self.pools[from];
        let index = pool.free.pop_first().unwrap_or(0);
        pool.peak = pool.peak.max(pool.blocks - pool.free.len());
        Ok(Place { pool: from, index })
    }

    /// That the heap took another free block of the pool.
    pub(crate) fn took(&mut self, expected: Place, index: usize) {
        let free = &mut self.pools[expected.pool].free;
        free.insert(expected.index);
        assert!(free.remove(&index), "block {index} of pool {} was not free", expected.pool);
    }

    pub(crate) fn is_live(&self, Place { pool, index }: Place) -> bool {
        !self.pools[pool].free.contains(&index) && !self.pools[pool].remote.contains(&index)
    }

    pub(crate) fn free(&mut self, place: Place, by_owner: bool) -> Result<(), FreeError> {
        if !self.is_live(place) {
            return Err(FreeError::DoubleFree);
        }
        let pool = &mut self.pools[place.pool];
        let set = if by_owner || self.adopts_at_once { &mut pool.free } else { &mut pool.remote };
        set.insert(place.index);
        Ok(())
    }

    /// As many groups as that, those of smaller classes first.
    pub(crate) fn adopt(&mut self, groups: usize) -> usize {
        let mut adopted = 0;
        for _ in 0..groups {
            match self.pools.iter_mut().find(|pool| !pool.remote.is_empty()) {
                Some(pool) => adopted += pool.adopt(),
                None => break,
            }
        }
        adopted
    }

    pub(crate) fn reset(&mut self) {
        for pool in &mut self.pools {
            pool.free = (0..pool.blocks).collect();
            pool.remote.clear();
        }
    }

    /// Where this block begins, which is known once a block of its pool was seen.
    pub(crate) fn address(&self, Place { pool, index }: Place) -> Option<usize> {
        Some(self.pools[pool].start? + index * self.pools[pool].block_bytes)
    }

    /// That a block is at this address.
    pub(crate) fn seen(&mut self, Place { pool, index }: Place, address: usize) {
        let pool = &mut self.pools[pool];
        let start = address - index * pool.block_bytes;
        assert_eq!(*pool.start.get_or_insert(start), start, "block {index} is at another place than before");
    }

    /// The block that begins at this address, or what is wrong with it; that may be anything as long as not all pools were
    /// seen.
    pub(crate) fn find(&self, address: usize) -> Result<Place, Option<FreeError>> {
        for (number, pool) in self.pools.iter().enumerate() {
            let inside = pool.start.map(|start| address.wrapping_sub(start));
            if let Some(inside) = inside.filter(|&inside| inside < pool.blocks * pool.block_bytes) {
                return if inside.is_multiple_of(pool.block_bytes) {
                    Ok(Place { pool: number, index: inside / pool.block_bytes })
                } else if inside.is_multiple_of(16) {
                    Err(Some(FreeError::Interior))
                } else {
                    Err(Some(FreeError::Misaligned))
                };
            }
        }
        let all_seen = self.pools.iter().all(|pool| pool.start.is_some());
        Err(all_seen.then_some(FreeError::Foreign))
    }

    /// Free blocks of the class that serves this layout, and all of its blocks.
    pub(crate) fn room(&self, layout: Layout) -> Option<(usize, usize)> {
        let own = (0..self.pools.len()).find(|&pool| self.pools[pool].block_bytes >= layout.size().max(1))?;
        Some((self.pools[own].free.len(), self.pools[own].blocks))
    }

    pub(crate) fn live_blocks(&self) -> usize {
        self.pools.iter().map(|pool| pool.blocks - pool.free.len()).sum()
    }

    /// That the heap counts the same; high waters are known exactly only where frees are counted.
    pub(crate) fn compare(&self, stats: &Stats, has_peaks: bool) {
        assert_eq!(stats.unsupported, self.unsupported);
        assert_eq!(stats.pools().len(), self.pools.len());
        for (counted, pool) in stats.pools().iter().zip(&self.pools) {
            let expected = PoolStats {
                block_bytes: pool.block_bytes,
                blocks: pool.blocks,
                used: pool.blocks - pool.free.len(),
                peak: if has_peaks { pool.peak } else { counted.peak },
                refused: pool.refused,
                borrowed: pool.borrowed,
                freed_remotely: if self.adopts_at_once { 0 } else { pool.freed_remotely },
            };
            assert_eq!(*counted, expected);
        }
    }

    /// Whether the pools that were seen lie within these addresses, and none on another.
    pub(crate) fn check_places(&self, region: core::ops::Range<usize>) {
        let mut pools: Vec<_> = self
            .pools
            .iter()
            .filter_map(|pool| pool.start.map(|start| (start, start + pool.blocks * pool.block_bytes)))
            .collect();
        pools.sort_unstable();
        let mut end = region.start;
        for (start, behind) in pools {
            assert!(start >= end && behind <= region.end, "pools overlap or leave the region");
            end = behind;
        }
    }
}
