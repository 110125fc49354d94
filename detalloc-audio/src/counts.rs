//! What a callback counts, beside what the pools count themselves: plain loads and stores by the owner, read by anyone.
//!
//! Orderings: Relaxed is enough. One owner comes after the other, so no count is lost; who reads sees a count that was true, and
//! never one that is smaller than the last. Counts say nothing about each other. `tests/loom_counts.rs` explores this.

use crate::sync::{AtomicUsize, Ordering::Relaxed};

/// A count that one thread at a time counts up and every thread may read; Relaxed for the reason above.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicUsize);

impl Count {
    #[inline]
    pub(crate) fn up(&self) {
        self.0.store(self.0.load(Relaxed).wrapping_add(1), Relaxed);
    }

    #[inline]
    pub(crate) fn raise_to(&self, value: usize) {
        if value > self.0.load(Relaxed) {
            self.0.store(value, Relaxed);
        }
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(Relaxed)
    }
}

/// The counts of one instance; [`Snapshot`](crate::Snapshot) says what they mean.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) contained: Count,
    pub(crate) uncontained: Count,
    pub(crate) buried: Count,
    pub(crate) refused: Count,
    pub(crate) topped_up: Count,
    pub(crate) carried: Count,
    pub(crate) abandoned: Count,
    pub(crate) crowded: Count,
    pub(crate) violations: Count,
}
