//! Which blocks of a pool are free: a bitmap of two or three levels, out of band.
//!
//! A set bit means *free* at the lowest level and *some bit below is set* above it, so the lowest free block is
//! found with one `trailing_zeros` a level and a double free is seen without further bookkeeping. Because no link
//! lies in a block, an overrun cannot corrupt the allocator and a free does not touch cold memory.
//!
//! The words are atomics only so that other threads may *look* (a remote free tells a block that is free already);
//! the owner alone writes them, with plain loads and stores.

use crate::sync::{AtomicUsize, Ordering::Relaxed};
use core::cell::Cell;

const WORD_BITS: usize = usize::BITS as usize;

/// The bitmap of one pool, borrowed from its words.
#[derive(Clone, Copy)]
pub(crate) struct Bitmap<'a> {
    pub(crate) top: &'a Cell<usize>,
    /// One word a `WORD_BITS` leaves; empty where `top` summarises the leaves itself.
    pub(crate) mids: &'a [AtomicUsize],
    pub(crate) leaves: &'a [AtomicUsize],
}

/// The metadata led past its own end: it was overwritten.
#[derive(Debug)]
pub(crate) struct Overwritten;

impl Bitmap<'_> {
    /// Takes the lowest free block, if there is one.
    #[inline]
    pub(crate) fn take(self) -> Result<Option<usize>, Overwritten> {
        let top = self.top.get();
        if top == 0 {
            return Ok(None);
        }
        let first = top.trailing_zeros() as usize;
        if self.mids.is_empty() {
            let (bit, left) = take_lowest(self.leaves.get(first).ok_or(Overwritten)?);
            self.top.set(top & !(usize::from(left == 0) << first));
            Ok(Some(first * WORD_BITS + bit))
        } else {
            let mid = self.mids.get(first).ok_or(Overwritten)?;
            let summary = mid.load(Relaxed);
            let leaf = first * WORD_BITS + summary.trailing_zeros() as usize;
            let (bit, left) = take_lowest(self.leaves.get(leaf).ok_or(Overwritten)?);
            let summary = summary & !(usize::from(left == 0) << (leaf % WORD_BITS));
            mid.store(summary, Relaxed);
            self.top.set(top & !(usize::from(summary == 0) << first));
            Ok(Some(leaf * WORD_BITS + bit))
        }
    }

    /// Marks blocks of one leaf as free. A leaf that does not exist is ignored.
    #[inline]
    pub(crate) fn put(self, leaf: usize, bits: usize) {
        let Some(word) = self.leaves.get(leaf) else { return };
        word.store(word.load(Relaxed) | bits, Relaxed);
        let mut below = leaf;
        if let Some(mid) = self.mids.get(leaf / WORD_BITS) {
            mid.store(mid.load(Relaxed) | 1 << (leaf % WORD_BITS), Relaxed);
            below = leaf / WORD_BITS;
        }
        self.top.set(self.top.get() | 1 << below);
    }

    /// Whether every summary says what lies below it.
    pub(crate) fn summaries_agree(self) -> bool {
        let agree = |summary: usize, below: &[AtomicUsize]| {
            let expected =
                below.iter().enumerate().fold(0, |sum, (i, w)| sum | usize::from(w.load(Relaxed) != 0) << i);
            summary == expected
        };
        if self.mids.is_empty() {
            agree(self.top.get(), self.leaves)
        } else {
            agree(self.top.get(), self.mids)
                && self.mids.iter().zip(self.leaves.chunks(WORD_BITS)).all(|(m, w)| agree(m.load(Relaxed), w))
        }
    }
}

/// Clears the lowest set bit: its position, and what is left of the word.
#[inline]
fn take_lowest(word: &AtomicUsize) -> (usize, usize) {
    let bits = word.load(Relaxed);
    let left = bits & bits.wrapping_sub(1);
    word.store(left, Relaxed);
    (bits.trailing_zeros() as usize, left)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn words(count: usize) -> Vec<AtomicUsize> {
        (0..count).map(|_| AtomicUsize::new(0)).collect()
    }

    #[test]
    fn blocks_come_out_lowest_first_and_go_back_in_any_order() {
        for leaves in [1, 2, WORD_BITS, WORD_BITS + 1, 3 * WORD_BITS] {
            let top = Cell::new(0);
            let mids = words(if leaves <= WORD_BITS { 0 } else { leaves.div_ceil(WORD_BITS) });
            let leaf_words = words(leaves);
            let map = Bitmap { top: &top, mids: &mids, leaves: &leaf_words };
            for leaf in 0..leaves {
                map.put(leaf, usize::MAX);
            }
            for index in 0..leaves * WORD_BITS {
                assert_eq!(map.take().unwrap(), Some(index));
                assert!(map.summaries_agree());
            }
            assert_eq!(map.take().unwrap(), None);
            for index in (0..leaves * WORD_BITS).rev().step_by(3) {
                map.put(index / WORD_BITS, 1 << (index % WORD_BITS));
                assert!(map.summaries_agree());
            }
        }
    }

    #[test]
    fn a_summary_that_leads_past_the_end_is_not_followed() {
        let top = Cell::new(1 << 5);
        let leaves = words(2);
        assert!(Bitmap { top: &top, mids: &[], leaves: &leaves }.take().is_err());
        let mids = words(2);
        assert!(Bitmap { top: &top, mids: &mids, leaves: &leaves }.take().is_err());
    }
}
