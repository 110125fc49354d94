//! Which blocks of a pool are free, for any number of threads: a bit a block, a count and hints.
//!
//! A thread *reserves* a block by taking one off the count and then *claims* the bit of whichever block it finds. The
//! count is raised only after a bit was set, so there are never fewer bits than reservations: who has reserved finds a
//! block, unless others who have reserved take each one that it looks at, which is their progress. Setting the bit is
//! at the same time the check for a double free: of two racing frees exactly one changes it.
//!
//! A stack of block numbers would be shorter by some instructions when threads collide, but its head needs a tag
//! against a number that was popped, pushed again and popped by a thread that slept meanwhile (ABA), and a tag wraps. A
//! bit that was cleared and set again stands for a block that is free again: nothing to mistake. It needs no 64-bit
//! atomics either.
//!
//! The hints, a bit a group of leaves, only say where to look first. A missing one costs a walk over all leaves and
//! never a block.
//!
//! Orderings. Setting a bit is Release and claiming it Acquire, so that what the last user did to a block happens
//! before the next one has it. Raising the count is Release and reserving Acquire, so that who reserves sees the bits
//! that were counted. Setting a bit and then looking at the hint is SeqCst, and so is taking the hint away and then
//! looking at the leaves: either who set the bit sees that the hint is gone, or who took the hint away sees the bit.
//! What is only looked at on the way there, to be made sure of by an exchange, is Relaxed. `tests/loom_shared.rs` explores this;
//! weaken any of them and it fails, but for the first of these two and two: loom has no SeqCst operations, only fences, and one
//! in front of the second is enough.

use crate::sync::{
    AtomicUsize,
    Ordering::{Acquire, Relaxed, Release, SeqCst},
    spin_loop,
};

pub(super) const WORD_BITS: usize = usize::BITS as usize;

/// How often a thread that has reserved looks through all leaves. In a pool of one leaf the first look succeeds; else
/// others have to win each block it looks at, and free one behind its back, every time. If even this many fail, the
/// words were overwritten.
const PASSES: usize = 64;

/// The free blocks of one pool, borrowed from its words.
#[derive(Clone, Copy)]
pub(super) struct FreeBits<'a> {
    /// Free blocks that nobody has reserved.
    pub(super) count: &'a AtomicUsize,
    /// A bit a group of leaves: set where a block of the group may be free.
    pub(super) hints: &'a AtomicUsize,
    /// A bit a block.
    pub(super) leaves: &'a [AtomicUsize],
    /// Blocks of the pool: no bit beyond stands for one.
    pub(super) blocks: usize,
}

/// Why there is no block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// All are taken.
    Empty,
    /// The count says that there is one, and it cannot be found.
    Lost,
}

/// A block that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) index: usize,
    /// Free blocks right after.
    pub(super) left: usize,
}

impl FreeBits<'_> {
    /// Takes a free block, a low one where there is a choice.
    ///
    /// Lock-free: a thread starts over only because another one has taken or freed a block.
    ///
    /// # Errors
    /// See [`Refused`]. Nothing has changed then.
    pub(super) fn take(self) -> Result<Taken, Refused> {
        self.take_within(PASSES)
    }

    /// The same with at most this many passes over the leaves.
    pub(super) fn take_within(self, passes: usize) -> Result<Taken, Refused> {
        let left = self.reserve().ok_or(Refused::Empty)?;
        // wcet: retry: another thread has taken what was seen free
        for _ in 0..passes {
            // wcet: unreached: nothing interferes with a driver of one thread
            if let Some(index) = self.claim_hinted().or_else(|| self.claim_any()) {
                return Ok(Taken { index, left });
            }
            spin_loop();
        }
        // Relaxed: it gives back what it took, and no bit with it.
        self.count.fetch_add(1, Relaxed);
        Err(Refused::Lost)
    }

    /// Makes a block free. `false`: it is free already, or there is none of this number; nothing has changed.
    ///
    /// # Time complexity
    /// Constant: at most three atomic operations, whatever other threads do.
    pub(super) fn put(self, index: usize) -> bool {
        let (leaf, bit) = (index / WORD_BITS, 1 << (index % WORD_BITS));
        let Some(word) = self.leaves.get(leaf) else { return false };
        // ordering: stronger than the models need: loom has no SeqCst operations, and the fence that stands for the next one is
        // enough there.
        if word.fetch_or(bit, SeqCst) & bit != 0 {
            return false;
        }
        let hint = self.hint_of(leaf);
        // SeqCst: after the bit was set; see above.
        if self.hints.load(SeqCst) & hint == 0 {
            // Relaxed: whoever takes it away again, takes it away after this thread looked, and then sees the bit.
            self.hints.fetch_or(hint, Relaxed);
        }
        // Release: who reserves this block sees its bit.
        self.count.fetch_add(1, Release);
        true
    }

    /// Whether a block is free.
    pub(super) fn is_free(self, index: usize) -> bool {
        let word = self.leaves.get(index / WORD_BITS);
        // Relaxed: an answer that may be over already.
        word.is_some_and(|word| word.load(Relaxed) >> (index % WORD_BITS) & 1 == 1)
    }

    /// Makes all blocks free, before anybody else knows of them.
    pub(super) fn fill(self) {
        for (leaf, word) in self.leaves.iter().enumerate() {
            // Relaxed: nobody else knows of the pool yet.
            word.store(self.existing(leaf), Relaxed);
            self.hints.fetch_or(self.hint_of(leaf), Relaxed);
        }
        self.count.store(self.blocks, Relaxed);
    }

    /// The bits of a leaf that stand for blocks.
    pub(super) fn existing(self, leaf: usize) -> usize {
        match self.blocks.saturating_sub(leaf.saturating_mul(WORD_BITS)) {
            0 => 0,
            blocks => usize::MAX >> WORD_BITS.saturating_sub(blocks),
        }
    }

    /// The hint of a leaf that exists.
    pub(super) fn hint_of(self, leaf: usize) -> usize {
        1 << (leaf >> self.group_bits())
    }

    /// How many leaves share a hint, as a power of two.
    fn group_bits(self) -> u32 {
        self.leaves.len().div_ceil(WORD_BITS).next_power_of_two().trailing_zeros()
    }

    /// Takes one off the count: what is left.
    #[inline]
    fn reserve(self) -> Option<usize> {
        let one_less = |count: usize| count.checked_sub(1);
        // Acquire: the bits that were counted are seen.
        // wcet: retry: another thread has taken or given back a block
        self.count.fetch_update(Acquire, Relaxed, one_less).ok().map(|before| before - 1)
    }

    #[inline]
    fn claim_hinted(self) -> Option<usize> {
        // Relaxed: what a hint leads to is looked at itself.
        let (group_bits, mut hints) = (self.group_bits(), self.hints.load(Relaxed));
        // wcet: loop 64: hints
        while hints != 0 {
            let first = (hints.trailing_zeros() as usize) << group_bits;
            // wcet: loop 1: a leaf a group in a pool of up to `usize::BITS`² blocks, for which this is
            let claimed = (first..first + (1 << group_bits)).find_map(|leaf| self.claim(leaf));
            if claimed.is_some() {
                return claimed;
            }
            hints &= hints - 1;
        }
        None
    }

    #[cold]
    #[inline(never)]
    fn claim_any(self) -> Option<usize> {
        // wcet: loop 64: leaves of a pool of up to `usize::BITS`² blocks, for which this is
        // wcet: unreached: what is reserved has a hint unless other threads interfere
        (0..self.leaves.len()).find_map(|leaf| self.claim(leaf))
    }

    /// Clears the lowest bit of a leaf, if it has one.
    #[inline(always)]
    fn claim(self, leaf: usize) -> Option<usize> {
        let word = self.leaves.get(leaf)?;
        // Relaxed: what it leads to is the exchange.
        let mut free = word.load(Relaxed);
        // wcet: retry: another thread has taken what was seen free
        while free != 0 {
            let bit = free & free.wrapping_neg();
            // Acquire: what the last one did to the block has happened.
            let before = word.fetch_and(!bit, Acquire);
            if before & bit != 0 {
                if before == bit {
                    self.drop_hint(leaf);
                }
                let index = leaf * WORD_BITS + bit.trailing_zeros() as usize;
                // A bit that was forged is gone now.
                if index < self.blocks {
                    return Some(index);
                }
            }
            free = before & !bit;
        }
        None
    }

    /// A leaf has run empty: takes the hint of its group away if the others are empty too.
    #[cold]
    #[inline(never)]
    fn drop_hint(self, leaf: usize) {
        let size = 1 << self.group_bits();
        let first = leaf & !(size - 1);
        // SeqCst: after the hint was taken away; see above.
        // wcet: loop 1: a leaf a group in a pool of up to `usize::BITS`² blocks, for which this is
        let is_empty = || self.leaves.iter().skip(first).take(size).all(|leaf| leaf.load(SeqCst) == 0);
        // wcet: unreached: a group of one leaf is empty when the leaf is
        if is_empty() {
            // ordering: stronger than the models need: loom has no SeqCst operations, and the fence that stands for the next one is
            // enough there.
            self.hints.fetch_and(!self.hint_of(leaf), SeqCst);
            // wcet: unreached: nothing interferes with a driver of one thread
            if !is_empty() {
                // Relaxed, as in `put`.
                self.hints.fetch_or(self.hint_of(leaf), Relaxed);
            }
        }
    }
}
