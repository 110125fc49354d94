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
//! weaken any of them and it fails.

use crate::sync::{AtomicUsize, Ordering};

/// Whether there are remote frees.
pub const EXISTS: bool = true;

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

impl RemoteFrees<'_> {
    /// Announces that block `index` is free. `false`: somebody had announced that already, or there is no such block.
    ///
    /// # Time complexity
    /// Constant: three atomic operations.
    #[inline]
    pub fn announce(&self, index: usize) -> bool {
        let (leaf, bit) = (index / WORD_BITS, 1 << (index % WORD_BITS));
        let group = leaf >> group_bits(self.leaves.len());
        let Some(word) = self.announced(leaf) else { return false };
        // (b)
        if word.fetch_or(bit, Ordering::Release) & bit != 0 {
            return false;
        }
        // (a), as is the next one.
        self.groups.fetch_or(1 << group, Ordering::Release);
        self.pools.fetch_or(1 << self.pool, Ordering::Release);
        true
    }

    /// Claims a group that is announced, which is then to be collected. `None`: there is none. For the owner.
    ///
    /// # Time complexity
    /// Constant: up to four atomic operations.
    #[inline]
    pub fn claim(&self) -> Option<Group> {
        // (a), as is the next one.
        self.pools.fetch_and(!(1 << self.pool), Ordering::Acquire);
        let groups = self.groups.swap(0, Ordering::Acquire);
        if groups == 0 {
            return None;
        }
        let others = groups & (groups - 1);
        if others != 0 {
            // Relaxed: this owner has seen what lies below them, and nobody but the owner looks.
            self.groups.fetch_or(others, Ordering::Relaxed);
            self.pools.fetch_or(1 << self.pool, Ordering::Relaxed);
        }
        let bits = group_bits(self.leaves.len());
        let first = (groups.trailing_zeros() as usize) << bits;
        Some(Group { first, end: (first + (1 << bits)).min(self.leaves.len()) })
    }

    /// What of a claimed group is left behind its leaves that have no announced blocks. `None`: what was announced has been collected
    /// together with what was announced before it, and nothing is there. For the owner.
    ///
    /// # Time complexity
    /// As [`RemoteFrees::collect`].
    #[inline]
    pub fn narrow(&self, group: Group) -> Option<Group> {
        let count = self.leaves.len();
        // The first one comes last.
        let leaves = self.leaves.get(count.wrapping_sub(group.end)..count.wrapping_sub(group.first))?;
        // Relaxed: who collects looks again.
        // wcet: loop group: its leaves
        let before = leaves.iter().rposition(|word| word.load(Ordering::Relaxed) != 0)?;
        Some(Group { first: group.end - 1 - before, ..group })
    }

    /// Collects a claimed group: calls `collect` with each leaf and its announced blocks, which has to make them free
    /// before it returns; only then is the announcement cleared. For the owner.
    ///
    /// # Time complexity
    /// Linear in the leaves of a group: one for a pool of up to `usize::BITS`² blocks, and that many times as many for
    /// each level that a larger pool has more.
    #[inline]
    pub fn collect(&self, group: Group, mut collect: impl FnMut(usize, usize)) {
        // wcet: loop group: its leaves
        for leaf in group.first..group.end {
            let Some(word) = self.announced(leaf) else { return };
            // (b)
            let bits = word.load(Ordering::Acquire);
            if bits != 0 {
                // Cleared with Relaxed: who has the block next has it from the owner.
                collect(leaf, bits);
                word.fetch_and(!bits, Ordering::Relaxed);
            }
        }
    }

    /// The announced blocks of a leaf.
    #[inline]
    fn announced(&self, leaf: usize) -> Option<&AtomicUsize> {
        self.leaves.iter().nth_back(leaf)
    }
}

/// A group that was claimed: its leaves.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    first: usize,
    end: usize,
}

impl RemoteFrees<'_> {
    /// Whether the bits of groups stand for groups that there are.
    pub fn has_groups_that_exist(&self) -> bool {
        let groups = self.leaves.len().div_ceil(1 << group_bits(self.leaves.len()));
        // Relaxed: a bit that is not there yet is of a group that there is.
        groups >= WORD_BITS || self.groups.load(Ordering::Relaxed) >> groups == 0
    }
}
