//! Frees from other threads: one bit a block, collected by the owner.
//!
//! A remote free sets the block's bit, then a bit for its group of leaves, then a bit for its pool: three
//! single-instruction exchanges where the target has them (x86-64, AArch64 with LSE), so it is wait-free there;
//! elsewhere each is a load-linked/store-conditional retry, and the free is lock-free. The owner never waits for
//! anybody: a free that has not yet reached the pool's bit is not there yet, and is found later.
//!
//! The owner marks blocks as free before it clears their announcement, so that a second free finds one or the other,
//! unless it looks before the first and announces after the second: that one goes unseen. To close that gap the owner
//! would have to look at announcements with every allocation.
//!
//! Orderings. A freer sets bits upwards, each with Release; the owner clears them downwards, each with Acquire,
//! *before* it looks below. So (a) an owner that sees an upper bit sees the lower one that came before it, and no
//! free is lost: a bit set after the owner cleared the one above it sets that one again afterwards; (b) what the
//! freeing thread last did to the block happens before the owner hands it out again. `tests/loom.rs` explores this;
//! weaken (b) and it fails. It cannot show (a), because loom lets every exchange see the latest value.

#![cfg_attr(
    not(target_has_atomic = "ptr"),
    allow(dead_code, unused_imports, reason = "where words cannot be exchanged, no other thread frees")
)]

use crate::sync::{AtomicUsize, Ordering};

const WORD_BITS: usize = usize::BITS as usize;

/// How many leaves share one bit of a pool's group word, as a power of two: one where a word is enough for all.
const fn group_bits(leaves: usize) -> u32 {
    let word = WORD_BITS.trailing_zeros();
    if leaves <= WORD_BITS {
        0
    } else if leaves <= WORD_BITS * WORD_BITS {
        word
    } else {
        2 * word
    }
}

/// The remote frees of one pool.
#[derive(Clone, Copy)]
pub struct RemoteFrees<'a> {
    /// A bit a pool; shared by all pools of a heap.
    pub pools: &'a AtomicUsize,
    /// This pool's position in `pools`.
    pub pool: usize,
    /// A bit a group of leaves.
    pub groups: &'a AtomicUsize,
    /// A bit a block; in reverse order, so that the first leaf comes last.
    pub leaves: &'a [AtomicUsize],
}

#[cfg(target_has_atomic = "ptr")]
impl RemoteFrees<'_> {
    /// Announces that block `index` is free. `false`: somebody had announced that already, or there is no such block.
    ///
    /// # Time complexity
    /// Constant: three atomic operations.
    #[inline]
    pub fn announce(&self, index: usize) -> bool {
        let (leaf, bit) = (index / WORD_BITS, 1 << (index % WORD_BITS));
        let group = leaf >> group_bits(self.leaves.len());
        let Some(word) = self.leaves.iter().nth_back(leaf) else { return false };
        if word.fetch_or(bit, Ordering::Release) & bit != 0 {
            return false;
        }
        self.groups.fetch_or(1 << group, Ordering::Release);
        self.pools.fetch_or(1 << self.pool, Ordering::Release);
        true
    }

    /// Collects one group of announced blocks: calls `collect` with each leaf and its bits, which has to make them free
    /// before it returns; only then is the announcement cleared. For the owner.
    ///
    /// # Time complexity
    /// Linear in the leaves of a group: one for a pool of up to `usize::BITS`² blocks, and that many times as many for
    /// each level that a larger pool has more.
    pub fn collect_group(&self, mut collect: impl FnMut(usize, usize)) {
        self.pools.fetch_and(!(1 << self.pool), Ordering::Acquire);
        let groups = self.groups.swap(0, Ordering::Acquire);
        if groups == 0 {
            return;
        }
        let others = groups & (groups - 1);
        if others != 0 {
            // Release, as by a freer: a later swap of these words must still see the leaves below them.
            self.groups.fetch_or(others, Ordering::Release);
            self.pools.fetch_or(1 << self.pool, Ordering::Release);
        }
        let size = 1 << group_bits(self.leaves.len());
        let first = groups.trailing_zeros() as usize * size;
        // wcet: loop 1: a leaf a group in a pool of up to 4096 blocks, for which this is; 64 in one of up to 2^18, and 4096 in the
        // largest
        for (leaf, word) in self.leaves.iter().rev().enumerate().skip(first).take(size) {
            let bits = word.load(Ordering::Acquire);
            if bits != 0 {
                collect(leaf, bits);
                word.fetch_and(!bits, Ordering::Release);
            }
        }
    }
}

impl RemoteFrees<'_> {
    /// Whether the bits of groups stand for groups that there are.
    pub fn has_groups_that_exist(&self) -> bool {
        let groups = self.leaves.len().div_ceil(1 << group_bits(self.leaves.len()));
        // Relaxed: a bit that is not there yet is of a group that there is.
        groups >= WORD_BITS || self.groups.load(Ordering::Relaxed) >> groups == 0
    }
}

#[cfg(not(target_has_atomic = "ptr"))]
impl RemoteFrees<'_> {
    pub fn collect_group(&self, _collect: impl FnMut(usize, usize)) {}
}
