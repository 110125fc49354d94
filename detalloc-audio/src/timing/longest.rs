//! The longest callback so far, which can be begun anew and does not shrink by that.
//!
//! Written by the owner, by plain loads and stores, and read by anyone. What was the longest is put aside before the measure
//! begins anew. Orderings: beginning anew, and every store after it, is Release, and the look at it Acquire: whoever finds it
//! begun anew sees what was put aside. `tests/loom_counts.rs` explores this; weaken either and the longest shrinks.

use crate::{
    counts::Count,
    sync::{
        AtomicUsize,
        Ordering::{Acquire, Relaxed, Release},
    },
};

/// In ticks.
#[derive(Debug)]
pub(crate) struct Longest {
    since: AtomicUsize,
    before: Count,
}

impl Default for Longest {
    fn default() -> Self {
        Self { since: AtomicUsize::new(0), before: Count::default() }
    }
}

impl Longest {
    /// A callback took so long. Whether none has taken longer since this was begun anew.
    #[inline]
    pub(crate) fn took(&self, ticks: usize) -> bool {
        // Relaxed: the owner's own.
        let longest = ticks >= self.since.load(Relaxed);
        if longest {
            // Release: as in `begin_anew`, which may come before it.
            self.since.store(ticks, Release);
        }
        longest
    }

    /// Begins anew: the next one is the longest since.
    #[cold]
    pub(crate) fn begin_anew(&self) {
        // Relaxed: the owner's. Release: what was put aside is there for who finds it begun anew.
        self.before.raise_to(self.since.load(Relaxed));
        self.since.store(0, Release);
    }

    /// The longest there ever was.
    pub(crate) fn get(&self) -> usize {
        // Acquire, and first, so that what was put aside before is there.
        let since = self.since.load(Acquire);
        since.max(self.before.get())
    }
}
