//! One pool: its shape, its free blocks and its counts, in one cache line.

use crate::{
    bitmap::{Bitmap, Overwritten},
    config::PoolConfig,
    plan::{block_align, leaf_words, mid_words},
    region::Remote,
    remote::RemoteFrees,
    sync::{AtomicUsize, Ordering::Relaxed},
};
use core::{cell::Cell, ptr::NonNull, slice, sync::atomic::AtomicU32};

const WORD_BITS: usize = usize::BITS as usize;

/// A pool. The fields down to `mids` never change (I2); `top` is the owner's (I3); the counts are written by the
/// owner and read by anyone (I4).
#[repr(C, align(64))]
pub(crate) struct Pool {
    base: NonNull<u8>,
    /// The free leaves, then the remote leaves, then the middle words.
    words: NonNull<AtomicUsize>,
    /// Multiplicative inverse of the odd part of the block size.
    inverse: usize,
    pub(crate) block_bytes: u32,
    pub(crate) blocks: u32,
    leaves: u32,
    align: u16,
    mids: u16,
    top: Cell<usize>,
    pub(crate) used: AtomicU32,
    pub(crate) peak: AtomicU32,
    pub(crate) refused: AtomicU32,
    pub(crate) borrowed: AtomicU32,
}

impl Pool {
    /// A pool whose blocks are all free.
    ///
    /// # Safety
    /// `base` begins `config.blocks` blocks and `words` the number of words that the plan gives them, zeroed,
    /// both valid for as long as the pool is used (I1).
    pub(crate) unsafe fn new(config: PoolConfig, base: NonNull<u8>, words: NonNull<AtomicUsize>) -> Self {
        let narrow = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        let narrower = |value: usize| u16::try_from(value).unwrap_or(u16::MAX);
        let pool = Self {
            base,
            words,
            inverse: inverse_of_odd_part(config.block_bytes),
            // `Config::new` and the plan bound all of these far below the limits of their types.
            block_bytes: narrow(config.block_bytes),
            blocks: narrow(config.blocks),
            leaves: narrow(leaf_words(config.blocks)),
            align: narrower(block_align(config.block_bytes)),
            mids: narrower(mid_words(config.blocks)),
            top: Cell::new(0),
            used: AtomicU32::new(0),
            peak: AtomicU32::new(0),
            refused: AtomicU32::new(0),
            borrowed: AtomicU32::new(0),
        };
        for leaf in 0..leaf_words(config.blocks) {
            let left = config.blocks - leaf * WORD_BITS;
            pool.bitmap().put(leaf, if left >= WORD_BITS { usize::MAX } else { (1 << left) - 1 });
        }
        pool
    }

    /// The alignment of every block, in bytes.
    #[inline]
    pub(crate) fn align(&self) -> usize {
        usize::from(self.align)
    }

    /// Address and length of all blocks, in bytes.
    pub(crate) fn extent(&self) -> (usize, usize) {
        (self.base.as_ptr().addr(), self.blocks as usize * self.block_bytes as usize)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.top.get() == 0
    }

    #[inline]
    pub(crate) fn bitmap(&self) -> Bitmap<'_> {
        let (leaves, mids) = (self.leaves as usize, usize::from(self.mids));
        // SAFETY: (I1) the plan gave this pool that many words, and they are atomics, so that sharing is fine (I4).
        unsafe {
            Bitmap {
                top: &self.top,
                mids: slice::from_raw_parts(self.words.add(2 * leaves).as_ptr(), mids),
                leaves: slice::from_raw_parts(self.words.as_ptr(), leaves),
            }
        }
    }

    /// The remote frees of this pool, which is number `pool` of its heap.
    #[inline]
    pub(crate) fn remote<'a>(
        &'a self,
        pool: usize,
        pools: &'a AtomicUsize,
        remote: &'a Remote,
    ) -> RemoteFrees<'a> {
        RemoteFrees { pools, pool, groups: &remote.groups, leaves: self.remote_leaves() }
    }

    #[inline]
    pub(crate) fn remote_leaves(&self) -> &[AtomicUsize] {
        let leaves = self.leaves as usize;
        // SAFETY: (I1) the plan put this many words behind the free leaves.
        unsafe { slice::from_raw_parts(self.words.add(leaves).as_ptr(), leaves) }
    }

    /// Takes the lowest free block.
    #[inline]
    pub(crate) fn take(&self) -> Result<Option<NonNull<u8>>, Overwritten> {
        let Some(index) = self.bitmap().take()? else { return Ok(None) };
        if index >= self.blocks as usize {
            return Err(Overwritten);
        }
        let used = self.used.load(Relaxed) + 1;
        self.used.store(used, Relaxed);
        self.peak.store(self.peak.load(Relaxed).max(used), Relaxed);
        // SAFETY: (I1, I5) `index` is a block of this pool, and `base` is valid for all of them.
        Ok(Some(unsafe { self.base.add(index * self.block_bytes as usize) }))
    }

    /// Puts back a block that is live. `false`: it is free already, here or on its way from another thread.
    #[inline]
    pub(crate) fn put(&self, index: usize) -> bool {
        if !self.is_live(index) {
            return false;
        }
        self.bitmap().put(index / WORD_BITS, 1 << (index % WORD_BITS));
        self.used.store(self.used.load(Relaxed).wrapping_sub(1), Relaxed);
        true
    }

    /// Whether a block is neither free nor on its way home from another thread.
    #[inline]
    pub(crate) fn is_live(&self, index: usize) -> bool {
        let (leaf, bit) = (index / WORD_BITS, 1 << (index % WORD_BITS));
        match (self.bitmap().leaves.get(leaf), self.remote_leaves().get(leaf)) {
            (Some(free), Some(announced)) => (free.load(Relaxed) | announced.load(Relaxed)) & bit == 0,
            _ => false,
        }
    }

    /// Puts back the blocks of one leaf that other threads have freed: how many.
    pub(crate) fn adopt(&self, leaf: usize, bits: usize) -> u32 {
        let map = self.bitmap();
        let Some(free) = map.leaves.get(leaf) else { return 0 };
        let live = bits & !free.load(Relaxed);
        map.put(leaf, live);
        self.used.store(self.used.load(Relaxed).wrapping_sub(live.count_ones()), Relaxed);
        live.count_ones()
    }

    /// Whether block `index` is free. Another thread's answer holds only for blocks that the thread owns. No such block
    /// is.
    #[inline]
    pub(crate) fn is_free(&self, index: usize) -> bool {
        let leaf = self.bitmap().leaves.get(index / WORD_BITS);
        leaf.is_none_or(|leaf| leaf.load(Relaxed) & (1 << (index % WORD_BITS)) != 0)
    }

    /// Everything that never changes (I2), word by word.
    pub(crate) fn shape(&self) -> [usize; 8] {
        [
            self.base.as_ptr().addr(),
            self.words.as_ptr().addr(),
            self.inverse,
            self.block_bytes as usize,
            self.blocks as usize,
            self.leaves as usize,
            self.align.into(),
            self.mids.into(),
        ]
    }

    /// The block that begins at this address, if one does.
    ///
    /// Exact division by multiplication with the inverse modulo 2^w, then rotation: the result exceeds every
    /// quotient unless the block size divides the distance (Granlund and Montgomery, "Division by Invariant Integers
    /// using Multiplication", PLDI 1994, section 9). So one comparison checks range and alignment at once.
    #[inline]
    pub(crate) fn index_of(&self, address: usize) -> Option<usize> {
        let distance = address.wrapping_sub(self.base.as_ptr().addr());
        let index = distance.wrapping_mul(self.inverse).rotate_right(self.block_bytes.trailing_zeros());
        (index < self.blocks as usize).then_some(index)
    }
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
}
