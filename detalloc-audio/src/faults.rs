//! Allocations that fail on demand, for tests: of a heap by [`RtHeap::refuse_nth`](crate::RtHeap::refuse_nth), or, of programs as
//! they are, of every heap that is built while the environment has `DETALLOC_REFUSE_NTH=N`, counted from 0.

use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// How many allocations are left before the one that fails; `usize::MAX`: none fails.
#[derive(Debug)]
pub(crate) struct Faults(AtomicUsize);

impl Faults {
    /// As the environment says. Not for real-time paths.
    pub(crate) fn from_environment() -> Self {
        let said = std::env::var("DETALLOC_REFUSE_NTH").ok();
        let nth = said.and_then(|said| {
            let nth = said.parse().ok();
            if nth.is_none() {
                eprintln!(
                    "detalloc: DETALLOC_REFUSE_NTH is to be a number, not {said:?}: nothing is refused"
                );
            }
            nth
        });
        Self(AtomicUsize::new(nth.unwrap_or(usize::MAX)))
    }

    pub(crate) fn set(&self, n: Option<usize>) {
        // Relaxed: under the exclusive borrow of the heap, or by its owner.
        self.0.store(n.unwrap_or(usize::MAX), Relaxed);
    }

    /// Whether this allocation is the one. For the owner.
    pub(crate) fn strikes(&self) -> bool {
        // Relaxed: the owner's.
        let left = self.0.load(Relaxed);
        self.0.store(if left == usize::MAX { left } else { left.wrapping_sub(1) }, Relaxed);
        left == 0
    }
}
