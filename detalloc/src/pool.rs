//! One pool: its shape, its free blocks and its high water, in one cache line, and the short way to them.
//!
//! A pool of up to [`SHORT_BLOCKS`] blocks has two levels of bitmap, and [`Pool::take`] and [`Pool::put`] serve it without
//! a branch that depends on data. Three tricks keep them short:
//!
//! - The *sentinel*: `top` has one more bit than there are leaves, always set, and the words have one more leaf. In an
//!   empty pool the sentinel is the lowest bit and leads to a block number past the end. So *is there a free block* and
//!   *is the number sound* are one comparison, with `limit`. In a pool of 64 leaves, `top` has no room for the bit and
//!   needs none: `trailing_zeros` of nothing is 64.
//! - A deeper pool has a `limit` of 0, so that the same comparison leads it to the longer way.
//! - *High water* costs nothing when allocating. The lowest free block is taken first, so when block `n` is handed out,
//!   all below are live: the most blocks ever live is one more than the highest number ever handed out. That one is
//!   either live or was freed, and is noted then.

use crate::{
    bitmap::WORD_BITS,
    config::PoolConfig,
    line::Aligned,
    opaque::opaque,
    plan::block_align,
    policy::Policy,
    remote,
    sync::{AtomicUsize, Ordering::Relaxed},
};
use core::{
    cell::Cell,
    hint,
    ptr::NonNull,
    sync::atomic::{AtomicI32, AtomicU32},
};

/// The most blocks that two levels hold.
pub(crate) const SHORT_BLOCKS: usize = WORD_BITS * WORD_BITS;

/// Whether a number is compared with one in memory in one instruction, which then has to be as narrow as that one. Elsewhere the
/// one in memory is loaded, which makes it as wide as a register, and to narrow the other takes an instruction more.
pub(crate) const COMPARES_WITH_MEMORY: bool = cfg!(any(target_arch = "x86_64", target_arch = "x86"));

/// A pool. `top` is the owner's (I3), `highest_freed` is written by the owner and read by anyone (I4), and the rest never
/// changes (I2).
#[repr(C)]
pub(crate) struct Pool {
    pub(crate) base: NonNull<u8>,
    /// The free leaves and a sentinel, then the middle words, then the upper ones. Below, in reverse order, the announced
    /// leaves.
    pub(crate) leaves: NonNull<AtomicUsize>,
    /// Multiplicative inverse of the odd part of the block size.
    pub(crate) inverse: usize,
    pub(crate) block_bytes: usize,
    pub(crate) top: Cell<usize>,
    /// The bit that stands for this pool in masks of pools.
    pub(crate) bit: usize,
    /// Free blocks less one, so that a borrow says that the last one was taken.
    pub(crate) spare: Cell<u32>,
    /// Requests of this class that a larger one served, modulo 2^32.
    pub(crate) borrowed: AtomicU32,
    /// The highest block number ever freed, or -1.
    pub(crate) highest_freed: AtomicI32,
    /// Number of blocks; 0 in a pool of more than two levels.
    pub(crate) limit: u16,
    /// The alignment of every block, in bytes, less one.
    pub(crate) align_mask: u16,
    line: [Aligned; 0],
}

/// How many leaves this many blocks have.
pub(crate) const fn leaf_count(blocks: usize) -> usize {
    blocks.div_ceil(WORD_BITS)
}

impl Pool {
    /// Pool number `number`, without a free block: see [`Parts::refill`](crate::parts::Parts::refill).
    pub(crate) fn new(
        config: PoolConfig,
        number: usize,
        base: NonNull<u8>,
        leaves: NonNull<AtomicUsize>,
    ) -> Self {
        let short = config.blocks <= SHORT_BLOCKS;
        let narrow = |value: usize| u16::try_from(value).unwrap_or(u16::MAX);
        Self {
            base,
            leaves,
            inverse: inverse_of_odd_part(config.block_bytes),
            block_bytes: config.block_bytes,
            top: Cell::new(0),
            bit: 1 << number,
            spare: Cell::new(u32::MAX),
            borrowed: AtomicU32::new(0),
            highest_freed: AtomicI32::new(-1),
            limit: if short { narrow(config.blocks) } else { 0 },
            align_mask: narrow(block_align(config.block_bytes) - 1),
            line: [],
        }
    }

    /// Takes the lowest free block of a short pool; `available` is the mask of pools that have one. None: there is no free
    /// block, or the pool is a deeper one.
    #[inline]
    pub(crate) fn take(&self, available: &Cell<usize>) -> Option<NonNull<u8>> {
        let top = self.top.get();
        let shorter = opaque(top & top.wrapping_sub(1));
        let first_bytes = opaque(top.trailing_zeros() as usize * size_of::<usize>());
        // SAFETY: (I1, I6) a short pool has a leaf for every bit of `top` and a sentinel behind them, to which the lowest
        // bit of an empty `top` leads too; a deeper pool has more leaves than a word has bits.
        let leaf = unsafe { self.leaves.byte_add(first_bytes).as_ref() };
        // Relaxed: (I4) the owner's.
        let free = leaf.load(Relaxed);
        let index = free.trailing_zeros() as usize + first_bytes * (WORD_BITS / size_of::<usize>());
        if !self.is_short_index(index) {
            return None;
        }
        let left = free & free.wrapping_sub(1);
        leaf.store(left, Relaxed);
        let top = if left == 0 { shorter } else { top };
        self.top.set(top);
        let (spare, emptied) = self.spare.get().overflowing_sub(1);
        self.spare.set(spare);
        // All ones or nothing.
        let emptied = if cfg!(target_pointer_width = "32") {
            // A count is far below 2^31, so its sign is the borrow, and nothing has to look for that: it saves four instructions on Arm.
            sign_mask(spare)
        } else {
            opaque(usize::from(emptied).wrapping_neg())
        };
        available.set(available.get() ^ (self.bit & emptied));
        // SAFETY: (I1, I5) `index` is a block of this pool, and `base` is valid for all of them.
        Some(unsafe { self.base.add(index * self.block_bytes) })
    }

    /// Whether the number that [`Pool::take`] found, at most `SHORT_BLOCKS` and a word's bits, is a block.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "at most 64 · 64 + 64")]
    fn is_short_index(&self, index: usize) -> bool {
        if COMPARES_WITH_MEMORY { (index as u16) < self.limit } else { index < usize::from(self.limit) }
    }

    /// Puts back block `index`, below `limit`, of a short pool. `false`: it is free already, here or on its way from
    /// another thread, if the policy is to look.
    ///
    /// # Safety
    /// `index < limit`.
    #[inline]
    pub(crate) unsafe fn put<P: Policy>(&self, index: usize, available: &Cell<usize>) -> bool {
        let number = index / WORD_BITS;
        // A processor whose shifts do not wrap would cut it off.
        // SAFETY: (I2) `limit` is at most `SHORT_BLOCKS`, which is a word's bits squared.
        unsafe { hint::assert_unchecked(number < WORD_BITS) };
        let bit = 1 << (index % WORD_BITS);
        // SAFETY: (I1, I5) the caller's number is a block's, so it has a leaf.
        let (leaf, announced) =
            unsafe { (self.leaves.add(number).as_ref(), self.leaves.sub(number + 1).as_ref()) };
        // Relaxed: (I4) the owner's, and of what is announced only this block's bit counts.
        let free = leaf.load(Relaxed);
        if P::CHECKED {
            let announced = if remote::EXISTS { announced.load(Relaxed) } else { 0 };
            if (free | announced) & bit != 0 {
                return false;
            }
        }
        leaf.store(free | bit, Relaxed);
        self.top.set(self.top.get() | 1 << number);
        self.spare.set(self.spare.get().wrapping_add(1));
        available.set(available.get() | self.bit);
        if P::COUNTED {
            self.note_highest(index);
        }
        true
    }

    /// Notes that this block was freed, for [`Parts::peak`](crate::parts::Parts::peak).
    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        reason = "a block number is below 2^24"
    )]
    pub(crate) fn note_highest(&self, index: usize) {
        // Relaxed: (I4) the owner's.
        let highest = self.highest_freed.load(Relaxed).max(index as i32);
        self.highest_freed.store(highest, Relaxed);
    }

    /// The number of the block that would begin at this address, if it is one of this pool's: a number past all others
    /// otherwise.
    ///
    /// Exact division by multiplication with the inverse modulo 2^w, then rotation: the result exceeds every
    /// quotient unless the block size divides the distance (Granlund and Montgomery, "Division by Invariant Integers
    /// using Multiplication", PLDI 1994, section 9). So one comparison checks range and alignment at once.
    #[inline]
    pub(crate) fn quotient(&self, address: usize) -> usize {
        let distance = address.wrapping_sub(self.base.as_ptr().addr());
        distance.wrapping_mul(self.inverse).rotate_right(self.block_bytes.trailing_zeros())
    }

    /// The address of the block that [`Pool::take`] would hand out: somewhere else, maybe, in a pool that has none.
    #[inline]
    pub(crate) fn lowest_free(&self) -> *const u8 {
        let first = self.top.get().trailing_zeros() as usize;
        // SAFETY: (I1, I6) as in `take`.
        let leaf = unsafe { self.leaves.add(first).as_ref() };
        // Relaxed: (I4) the owner's.
        let index = first * WORD_BITS + leaf.load(Relaxed).trailing_zeros() as usize;
        self.base.as_ptr().wrapping_add(index.wrapping_mul(self.block_bytes))
    }

    #[inline]
    pub(crate) fn count_borrowed(&self) {
        // Relaxed: (I4) the owner's.
        self.borrowed.store(self.borrowed.load(Relaxed).wrapping_add(1), Relaxed);
    }

    pub(crate) fn borrowed(&self) -> usize {
        // Relaxed: (I4) a number.
        self.borrowed.load(Relaxed) as usize
    }

    /// Whether the pool has no free block. For the owner.
    pub(crate) fn is_empty(&self) -> bool {
        self.spare.get() == u32::MAX
    }

    /// Everything that never changes (I2), word by word.
    pub(crate) fn shape(&self) -> [usize; 7] {
        [
            self.base.as_ptr().addr(),
            self.leaves.as_ptr().addr(),
            self.inverse,
            self.block_bytes,
            self.bit,
            self.limit.into(),
            self.align_mask.into(),
        ]
    }
}

/// All ones if the highest bit is set, and nothing otherwise.
#[inline]
#[expect(clippy::cast_possible_wrap, clippy::cast_sign_loss, reason = "the sign is what is asked for")]
fn sign_mask(word: u32) -> usize {
    (word as i32 >> (u32::BITS - 1)) as usize
}

/// `x` with `odd · x = 1` modulo 2^w, where `odd` is the odd part of the block size; each Newton step doubles the
/// number of right bits, and any odd number is its own inverse modulo 8.
fn inverse_of_odd_part(block_bytes: usize) -> usize {
    let odd = block_bytes >> block_bytes.trailing_zeros();
    let mut inverse = odd;
    for _ in 0..5 {
        inverse = inverse.wrapping_mul(2_usize.wrapping_sub(odd.wrapping_mul(inverse)));
    }
    inverse
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::class::{class_bytes, class_of};

    #[test]
    fn an_inverse_undoes_the_odd_part_of_every_class() {
        for class in 0..class_of(1 << 24, 1) {
            let bytes = class_bytes(class);
            let odd = bytes >> bytes.trailing_zeros();
            assert_eq!(odd.wrapping_mul(inverse_of_odd_part(bytes)), 1, "{bytes}");
        }
    }

    #[test]
    #[cfg(target_pointer_width = "64")]
    fn a_pool_fills_a_cache_line() {
        assert_eq!(size_of::<Pool>(), 64);
    }
}
