//! Which blocks of a pool are free: a bitmap of two to four levels, out of band.
//!
//! A set bit means *free* at the lowest level and *some bit below is set* above it, so the lowest free block is
//! found with one `trailing_zeros` a level and a double free is seen without further bookkeeping. Because no link
//! lies in a block, an overrun cannot corrupt the allocator and a free does not touch cold memory.
//!
//! The lowest level consists of atomics only so that other threads may *look* (a remote free tells a block that is free
//! already, a meter counts); the owner alone writes them, with plain loads and stores.

use crate::sync::{AtomicUsize, Ordering::Relaxed};
use core::cell::Cell;

pub(crate) const WORD_BITS: usize = usize::BITS as usize;

/// The bitmap of one pool of any depth, borrowed from its words. Two levels, the common depth, have a shorter way in
/// [`Pool`](crate::pool::Pool).
#[derive(Clone, Copy)]
pub(crate) struct Bitmap<'a> {
    pub(crate) top: &'a Cell<usize>,
    /// The bit of `top` that stands for no leaf; see [`Pool`](crate::pool::Pool).
    pub(crate) sentinel: usize,
    /// A bit a word of `mids`; empty up to three levels.
    pub(crate) uppers: &'a [Cell<usize>],
    /// A bit a leaf; empty where `top` summarises the leaves itself.
    pub(crate) mids: &'a [Cell<usize>],
    pub(crate) leaves: &'a [AtomicUsize],
}

impl Bitmap<'_> {
    /// Takes the lowest free block. None: there is none, or a summary led past its end because it was overwritten.
    ///
    /// # Time complexity
    /// A load, a `trailing_zeros` and a store a level; at most four levels.
    pub(crate) fn take(self) -> Option<usize> {
        let top = self.top.get() & !self.sentinel;
        // wcet: unreached: the pool says that it has a block, unless its words were overwritten
        let in_top = lowest(top)?;
        let (mut in_uppers, mut in_mids) = (in_top, in_top);
        if !self.mids.is_empty() {
            if !self.uppers.is_empty() {
                // wcet: levels 4: there are upper words
                in_uppers = below(in_top, self.uppers)?;
            }
            // wcet: levels 3: there are middle words
            in_mids = below(in_uppers, self.mids)?;
        }
        let leaf = self.leaves.get(in_mids)?;
        // Relaxed: (I4) the owner's.
        let free = leaf.load(Relaxed);
        let index = in_mids * WORD_BITS + lowest(free)?;
        let left = free & (free - 1);
        leaf.store(left, Relaxed);

        let mut empty = left == 0;
        if let Some(mid) = self.mids.get(in_mids / WORD_BITS) {
            // wcet: levels 3: there are middle words
            empty = clear(mid, in_mids % WORD_BITS, empty);
        }
        if let Some(upper) = self.uppers.get(in_uppers / WORD_BITS) {
            // wcet: levels 4: there are upper words
            empty = clear(upper, in_uppers % WORD_BITS, empty);
        }
        clear(self.top, in_top, empty);
        Some(index)
    }

    /// Marks blocks of one leaf as free. A leaf that does not exist is ignored.
    ///
    /// # Time complexity
    /// Constant.
    pub(crate) fn put(self, leaf: usize, bits: usize) {
        let Some(word) = self.leaves.get(leaf) else { return };
        // Relaxed: (I4) the owner's.
        word.store(word.load(Relaxed) | bits, Relaxed);
        let mut number = leaf;
        if let Some(word) = self.mids.get(number / WORD_BITS) {
            // wcet: levels 3: there are middle words
            mark(word, number);
            number /= WORD_BITS;
            if let Some(word) = self.uppers.get(number / WORD_BITS) {
                // wcet: levels 4: there are upper words
                mark(word, number);
                number /= WORD_BITS;
            }
        }
        self.top.set(self.top.get() | 1 << (number % WORD_BITS));
    }

    /// Whether every summary says what lies below it.
    pub(crate) fn summaries_agree(self) -> bool {
        let bit = |(number, empty): (usize, bool)| usize::from(!empty) << number;
        let of_leaves = |word: usize| {
            let below = self.leaves.iter().skip(word * WORD_BITS).take(WORD_BITS);
            // Relaxed: (I4) the owner's.
            below.map(|leaf| leaf.load(Relaxed) == 0).enumerate().map(bit).sum::<usize>()
        };
        let of_words = |words: &[Cell<usize>], word: usize| {
            let below = words.iter().skip(word * WORD_BITS).take(WORD_BITS);
            below.map(|word| word.get() == 0).enumerate().map(bit).sum::<usize>()
        };
        let all = |words: &[Cell<usize>], expected: &dyn Fn(usize) -> usize| {
            words.iter().enumerate().all(|(number, word)| word.get() == expected(number))
        };
        let top = match (self.mids, self.uppers) {
            ([], _) => of_leaves(0),
            (mids, []) => of_words(mids, 0),
            (_, uppers) => of_words(uppers, 0),
        };
        self.top.get() == top | self.sentinel
            && all(self.mids, &of_leaves)
            && all(self.uppers, &|word| of_words(self.mids, word))
    }
}

/// The position of the lowest set bit.
fn lowest(word: usize) -> Option<usize> {
    (word != 0).then(|| word.trailing_zeros() as usize)
}

/// The position, over all words, of the lowest set bit of one word.
fn below(word: usize, words: &[Cell<usize>]) -> Option<usize> {
    Some(word * WORD_BITS + lowest(words.get(word)?.get())?)
}

/// Sets the bit of a number.
#[inline]
fn mark(word: &Cell<usize>, number: usize) {
    word.set(word.get() | 1 << (number % WORD_BITS));
}

/// Clears a bit if what it summarises is empty: whether the word is empty then.
fn clear(word: &Cell<usize>, bit: usize, empty: bool) -> bool {
    word.set(word.get() & !(usize::from(empty) << bit));
    word.get() == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{vec, vec::Vec};

    fn words(bits: usize) -> Vec<Cell<usize>> {
        vec![Cell::new(0); if bits <= WORD_BITS { 0 } else { bits.div_ceil(WORD_BITS) }]
    }

    #[test]
    fn blocks_come_out_lowest_first_and_go_back_in_any_order() {
        for count in [1, 2, WORD_BITS, WORD_BITS + 1, 3 * WORD_BITS, WORD_BITS * WORD_BITS + 1] {
            if cfg!(miri) && count > 2 {
                continue;
            }
            let top = Cell::new(0);
            let leaves: Vec<_> = (0..count).map(|_| AtomicUsize::new(0)).collect();
            let mids = words(count);
            let uppers = words(mids.len());
            let map = Bitmap { top: &top, sentinel: 0, uppers: &uppers, mids: &mids, leaves: &leaves };
            for leaf in 0..count {
                map.put(leaf, usize::MAX);
            }
            assert!(map.summaries_agree());
            for index in 0..count * WORD_BITS {
                assert_eq!(map.take(), Some(index));
            }
            assert!(map.summaries_agree());
            assert_eq!(map.take(), None);
            for index in (0..count * WORD_BITS).rev().step_by(3) {
                map.put(index / WORD_BITS, 1 << (index % WORD_BITS));
            }
            assert!(map.summaries_agree());
        }
    }

    #[test]
    fn a_summary_that_leads_past_the_end_is_not_followed() {
        let top = Cell::new(1 << 5);
        let leaves = [AtomicUsize::new(0), AtomicUsize::new(0)];
        let (none, words) = ([], [Cell::new(0), Cell::new(0)]);
        let map = |uppers, mids| Bitmap { top: &top, sentinel: 0, uppers, mids, leaves: &leaves };
        assert_eq!(map(&none, &none).take(), None);
        assert_eq!(map(&none, &words).take(), None);
        assert_eq!(map(&words, &words).take(), None);
    }
}
