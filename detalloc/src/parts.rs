//! A pool of any depth with its ledger: all that takes a longer way than the short one, and what is rarely needed.

use crate::{
    bitmap::{Bitmap, WORD_BITS},
    config::PoolConfig,
    plan::summary_words,
    pool::{Pool, leaf_count},
    remote::RemoteFrees,
    sync::{AtomicUsize, Ordering::Relaxed},
};
use core::{cell::Cell, ptr::NonNull, slice, sync::atomic::AtomicU32};

/// What one pool needs rarely. `groups` is written by other threads, the counts by the owner, `blocks` never (I2, I4).
#[repr(C)]
pub(crate) struct Ledger {
    /// A bit a group of leaves with blocks that wait to be adopted.
    pub(crate) groups: AtomicUsize,
    /// Number of blocks.
    pub(crate) blocks: u32,
    /// Requests of this class that were refused.
    pub(crate) refused: AtomicU32,
    /// Blocks adopted so far.
    pub(crate) freed: AtomicU32,
}

impl Ledger {
    pub(crate) fn new(config: PoolConfig) -> Self {
        Self {
            groups: AtomicUsize::new(0),
            // `Config::new` bounds it far below.
            blocks: u32::try_from(config.blocks).unwrap_or(u32::MAX),
            refused: AtomicU32::new(0),
            freed: AtomicU32::new(0),
        }
    }
}

/// A pool of any depth and its ledger: all that takes a longer way.
#[derive(Clone, Copy)]
pub(crate) struct Parts<'a> {
    pub(crate) pool: &'a Pool,
    pub(crate) ledger: &'a Ledger,
}

impl<'a> Parts<'a> {
    pub(crate) fn blocks(self) -> usize {
        self.ledger.blocks as usize
    }

    /// The bit of `top` that leads past the last leaf.
    fn sentinel(self) -> usize {
        let leaves = leaf_count(self.blocks());
        if leaves < WORD_BITS { 1 << leaves } else { 0 }
    }

    pub(crate) fn leaves(self) -> &'a [AtomicUsize] {
        // SAFETY: (I1) the plan gave this pool that many leaves, and they are atomics, so that sharing is fine (I4).
        unsafe { slice::from_raw_parts(self.pool.leaves.as_ptr(), leaf_count(self.blocks())) }
    }

    /// The word to which the sentinel leads: no block's, and always empty.
    pub(crate) fn sentinel_leaf(self) -> &'a AtomicUsize {
        // SAFETY: (I1) the plan put one more word behind the leaves.
        unsafe { self.pool.leaves.add(leaf_count(self.blocks())).as_ref() }
    }

    /// The announced leaves, the first one last.
    fn announced(self) -> &'a [AtomicUsize] {
        let count = leaf_count(self.blocks());
        // SAFETY: (I1) the plan put as many below the free ones.
        unsafe { slice::from_raw_parts(self.pool.leaves.sub(count).as_ptr(), count) }
    }

    /// The leaves, each as the blocks that are free and those that are announced.
    pub(crate) fn words(self) -> impl Iterator<Item = (usize, usize)> {
        let announced = self.announced().iter().rev();
        self.leaves()
            .iter()
            .zip(announced)
            // Relaxed: (I4) numbers.
            .map(|(free, announced)| (free.load(Relaxed), announced.load(Relaxed)))
    }

    /// The bitmap, for the owner.
    pub(crate) fn bitmap(self) -> Bitmap<'a> {
        let leaves = self.leaves();
        let (mids, uppers) = summary_words(leaves.len());
        // SAFETY: (I1, I3) the plan put the middle and the upper words behind the leaves and their sentinel; only the owner
        // uses them.
        unsafe {
            let words = self.pool.leaves.add(leaves.len() + 1).cast::<Cell<usize>>();
            Bitmap {
                top: &self.pool.top,
                sentinel: self.sentinel(),
                mids: slice::from_raw_parts(words.as_ptr(), mids),
                uppers: slice::from_raw_parts(words.add(mids).as_ptr(), uppers),
                leaves,
            }
        }
    }

    /// The remote frees of this pool, which is number `number` of its heap.
    #[cfg(all(target_has_atomic = "ptr", feature = "remote-free"))]
    pub(crate) fn remote(self, number: usize, pools: &'a AtomicUsize) -> RemoteFrees<'a> {
        RemoteFrees { pools, pool: number, groups: &self.ledger.groups, leaves: self.announced() }
    }

    /// What stands for them.
    #[cfg(not(all(target_has_atomic = "ptr", feature = "remote-free")))]
    pub(crate) fn remote(self, _number: usize, _pools: &'a AtomicUsize) -> RemoteFrees<'a> {
        RemoteFrees { groups: &self.ledger.groups }
    }

    /// Takes the lowest free block, whatever the depth.
    pub(crate) fn take(self, available: &Cell<usize>) -> Option<NonNull<u8>> {
        let index = self.bitmap().take().filter(|&index| index < self.blocks())?;
        self.pool.spare.set(self.pool.spare.get().wrapping_sub(1));
        if self.pool.is_empty() {
            available.set(available.get() & !self.pool.bit);
        }
        // SAFETY: (I1, I5) `index` is a block of this pool, and `base` is valid for all of them.
        Some(unsafe { self.pool.base.add(index * self.pool.block_bytes) })
    }

    /// Puts back blocks of one leaf that are live, whatever the depth.
    pub(crate) fn put(self, leaf: usize, bits: usize, available: &Cell<usize>) {
        self.bitmap().put(leaf, bits);
        self.pool.spare.set(self.pool.spare.get().wrapping_add(bits.count_ones()));
        available.set(available.get() | self.pool.bit);
        if let Some(highest) = bits.checked_ilog2() {
            self.pool.note_highest(leaf * WORD_BITS + highest as usize);
        }
    }

    /// The number of the block that begins at this address, if one does.
    pub(crate) fn index_of(self, address: usize) -> Option<usize> {
        let index = self.pool.quotient(address);
        (index < self.blocks()).then_some(index)
    }

    /// Whether block `index` is free. Another thread's answer holds only for blocks that the thread owns. No such block
    /// is.
    #[cfg(all(target_has_atomic = "ptr", feature = "remote-free"))]
    pub(crate) fn is_free(self, index: usize) -> bool {
        let leaf = self.leaves().get(index / WORD_BITS);
        // Relaxed: (I4) who owns a live block has got it from the owner, after its bit was cleared.
        leaf.is_none_or(|leaf| leaf.load(Relaxed) & (1 << (index % WORD_BITS)) != 0)
    }

    /// Whether block `index` is neither free nor on its way home from another thread.
    pub(crate) fn is_live(self, index: usize) -> bool {
        let (leaf, bit) = (index / WORD_BITS, 1 << (index % WORD_BITS));
        // wcet: unreached: a block has a leaf
        match (self.leaves().get(leaf), self.announced().iter().nth_back(leaf)) {
            // Relaxed, as for `is_free`.
            (Some(free), Some(announced)) => (free.load(Relaxed) | announced.load(Relaxed)) & bit == 0,
            _ => false,
        }
    }

    /// The blocks of a leaf that are not free, as bits.
    fn taken(self, (number, leaf): (usize, &AtomicUsize)) -> usize {
        // Relaxed: (I4) the owner's.
        !leaf.load(Relaxed) & self.existing(number)
    }

    /// The bits of a leaf that stand for blocks.
    pub(crate) fn existing(self, leaf: usize) -> usize {
        let left = self.blocks() - leaf * WORD_BITS;
        if left >= WORD_BITS { usize::MAX } else { (1 << left) - 1 }
    }

    /// Whether the count of free blocks is what the bitmap says. For the owner.
    pub(crate) fn counts_agree(self) -> bool {
        self.blocks() - self.used() == self.pool.spare.get().wrapping_add(1) as usize
    }

    /// How many blocks are not free.
    pub(crate) fn used(self) -> usize {
        self.leaves().iter().enumerate().map(|leaf| self.taken(leaf).count_ones() as usize).sum()
    }

    /// The most blocks ever live.
    pub(crate) fn peak(self) -> usize {
        let highest_live = self.leaves().iter().enumerate().rev().find_map(|(number, leaf)| {
            let highest = self.taken((number, leaf)).checked_ilog2()?;
            Some(number * WORD_BITS + highest as usize + 1)
        });
        // Relaxed: (I4) a number.
        let freed = usize::try_from(self.pool.highest_freed.load(Relaxed).saturating_add(1)).unwrap_or(0);
        freed.max(highest_live.unwrap_or(0))
    }

    /// Notes that every live block is about to be freed.
    pub(crate) fn note_peak(self) {
        if let Some(highest) = self.peak().checked_sub(1) {
            self.pool.note_highest(highest);
        }
    }

    /// Makes every block free, and forgets what other threads have announced.
    pub(crate) fn refill(self) {
        let map = self.bitmap();
        self.pool.top.set(self.sentinel());
        self.pool.spare.set(self.ledger.blocks.wrapping_sub(1));
        map.mids.iter().chain(map.uppers).for_each(|word| word.set(0));
        for (number, leaf) in map.leaves.iter().enumerate() {
            // Relaxed: nobody else knows of the region yet.
            leaf.store(0, Relaxed);
            map.put(number, self.existing(number));
        }
        self.announced().iter().for_each(|leaf| leaf.store(0, Relaxed));
        self.ledger.groups.store(0, Relaxed);
    }
}
