//! What a heap has done: a copyable snapshot, readable from any thread while the owner works.
//!
//! The owner counts with plain stores, so reading disturbs nobody. A snapshot that is taken beside a working owner
//! is not one instant: each count is true, but they may be a few operations apart.

use crate::{config::MAX_POOLS, parts::Parts, region::Region, sync::Ordering::Relaxed};

/// Counts of one pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolStats {
    /// Size of a block, in bytes.
    pub block_bytes: usize,
    /// Number of blocks.
    pub blocks: usize,
    /// Live blocks, those included that serve a smaller class or were freed by other threads and not yet adopted.
    pub used: usize,
    /// High water: the most blocks ever live.
    pub peak: usize,
    /// Requests of this class that were refused. Stops counting at `u32::MAX`.
    pub refused: usize,
    /// Requests of this class that a larger one served, modulo 2^32.
    pub borrowed: usize,
    /// Blocks of this pool that other threads freed and the owner has adopted. Stops counting at `u32::MAX`.
    pub freed_remotely: usize,
}

impl PoolStats {
    fn of(parts: Parts<'_>) -> Self {
        Self {
            block_bytes: parts.pool.block_bytes,
            blocks: parts.blocks(),
            used: parts.used(),
            peak: parts.peak(),
            // Relaxed: (I4) numbers, here and below.
            refused: parts.ledger.refused.load(Relaxed) as usize,
            borrowed: parts.pool.borrowed(),
            freed_remotely: parts.ledger.freed.load(Relaxed) as usize,
        }
    }
}

/// A snapshot of a heap's counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    pools: [PoolStats; MAX_POOLS],
    len: usize,
    /// Requests that no pool could ever serve: too large, or too strictly aligned.
    pub unsupported: usize,
}

impl Stats {
    /// The counts of at most [`MAX_POOLS`] pools, smallest blocks first.
    pub(crate) fn of(counts: impl Iterator<Item = PoolStats>, unsupported: usize) -> Self {
        let mut stats = Self { pools: [PoolStats::default(); MAX_POOLS], len: 0, unsupported };
        for (into, pool) in stats.pools.iter_mut().zip(counts) {
            *into = pool;
            stats.len += 1;
        }
        stats
    }

    /// The pools, smallest blocks first.
    #[must_use]
    pub fn pools(&self) -> &[PoolStats] {
        self.pools.get(..self.len).unwrap_or(&self.pools)
    }

    /// All blocks together, in bytes; metadata not included.
    #[must_use]
    pub fn total_bytes(&self) -> usize {
        self.pools().iter().map(|pool| pool.blocks * pool.block_bytes).sum()
    }

    /// All live blocks together, in bytes: whole blocks, not what was asked for.
    #[must_use]
    pub fn used_bytes(&self) -> usize {
        self.pools().iter().map(|pool| pool.used * pool.block_bytes).sum()
    }

    /// The high water of all pools together, in bytes: what a configuration has to hold. The most bytes that were ever live at
    /// once can be less, because pools need not peak together.
    #[must_use]
    pub fn peak_bytes(&self) -> usize {
        self.pools().iter().map(|pool| pool.peak * pool.block_bytes).sum()
    }

    /// How many requests were refused, whatever the reason.
    #[must_use]
    pub fn refused(&self) -> usize {
        self.pools().iter().map(|pool| pool.refused).sum::<usize>() + self.unsupported
    }
}

/// How much room a class has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Free blocks.
    pub free_blocks: usize,
    /// All blocks.
    pub blocks: usize,
}

/// Reads a heap's counts from any thread.
#[derive(Clone, Copy, Debug)]
pub struct Meter<'r> {
    region: Region<'r>,
}

// SAFETY: (I2, I4) only shapes and atomics are touched, never a `Cell`.
unsafe impl Send for Meter<'_> {}
// SAFETY: as above.
unsafe impl Sync for Meter<'_> {}

impl<'r> Meter<'r> {
    pub(crate) fn new(region: Region<'r>) -> Self {
        Self { region }
    }

    /// Takes a snapshot.
    ///
    /// # Time complexity
    /// Linear in the number of blocks, 64 at a time; wait-free, and disturbs nobody.
    #[must_use]
    pub fn snapshot(&self) -> Stats {
        let pools = self.region.all().map(PoolStats::of);
        // Relaxed: (I4) a number.
        Stats::of(pools, self.region.header().unsupported.load(Relaxed) as usize)
    }

    /// The counts of one pool, the smallest blocks' being number 0: what a snapshot says of it, on less stack. Nothing if there is no
    /// such pool.
    ///
    /// # Time complexity
    /// Linear in the number of its blocks, `usize::BITS` at a time; wait-free, and disturbs nobody.
    #[must_use]
    pub fn pool(&self, number: usize) -> Option<PoolStats> {
        self.region.parts(number).map(PoolStats::of)
    }

    /// The largest request that some pool could serve, in bytes.
    #[must_use]
    pub fn largest_block_bytes(&self) -> usize {
        self.region.all().last().map_or(0, |parts| parts.pool.block_bytes)
    }
}
