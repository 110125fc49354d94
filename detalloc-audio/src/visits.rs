//! When a region may end: not while a thread that frees a block is still touching it.
//!
//! A freeing thread *arrives* before it touches the region and *leaves* afterwards; leaving is its last access. Whoever
//! wants to end the region first sees every block at home, and then nobody visiting. A block's way home is
//! Release/Acquire, so the arrival of the thread that brought it is visible by then; leaving is Release and the look
//! Acquire, so all its accesses have happened.
//!
//! A region whose reaper has gone is *orphaned*: a bit in the same word. Both sides change that word by an exchange,
//! so one comes first: a thread that left before sees its block collected by the one that orphans and looks again,
//! and one that leaves after learns that it has to look itself, under a lock, which shows it the rest. `tests/loom.rs` and
//! `tests/loom_reaper.rs` explore this; weaken an ordering and they fail.

use crate::sync::{AtomicUsize, Ordering};

const ORPHANED: usize = 1 << (usize::BITS - 1);

/// Who is freeing a block of a region right now, and whether the region has lost its reaper.
#[derive(Debug)]
pub struct Visits(AtomicUsize);

impl Default for Visits {
    fn default() -> Self {
        Self::new()
    }
}

impl Visits {
    /// Nobody is there, and there is a reaper.
    #[must_use]
    pub fn new() -> Self {
        Self(AtomicUsize::new(0))
    }

    /// Before touching the region.
    #[inline]
    pub fn arrive(&self) {
        // Relaxed: whoever sees the block at home sees this, too.
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// After touching the region for the last time; `self` may be gone when this returns. `true`: the region is
    /// orphaned, and the caller has to look whether it can end.
    #[inline]
    #[must_use]
    pub fn leave(&self) -> bool {
        // Release: this thread's accesses have happened for whoever ends the region.
        self.0.fetch_sub(1, Ordering::Release) & ORPHANED != 0
    }

    /// Says that no reaper will look any more. The caller has to look once more afterwards.
    pub fn orphan(&self) {
        // Acquire: the blocks of threads that left before are seen at home.
        self.0.fetch_or(ORPHANED, Ordering::Acquire);
    }

    /// Says that there is a reaper again.
    pub fn adopt(&self) {
        // Relaxed: whoever looks from now on looks again and again.
        self.0.fetch_and(!ORPHANED, Ordering::Relaxed);
    }

    /// Whether nobody is there. Final once every block is at home.
    #[must_use]
    pub fn none(&self) -> bool {
        // Acquire: all accesses of threads that have left have happened.
        self.0.load(Ordering::Acquire) & !ORPHANED == 0
    }
}
