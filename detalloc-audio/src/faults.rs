//! Allocations that fail on demand, for tests.

use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// How many allocations are left before the one that fails; `usize::MAX`: none fails.
#[derive(Debug)]
pub(crate) struct Faults(AtomicUsize);

impl Default for Faults {
    fn default() -> Self {
        Self(AtomicUsize::new(usize::MAX))
    }
}

impl Faults {
    pub(crate) fn set(&self, n: Option<usize>) {
        self.0.store(n.unwrap_or(usize::MAX), Relaxed);
    }

    /// Whether this allocation is the one. For the owner.
    pub(crate) fn strikes(&self) -> bool {
        let left = self.0.load(Relaxed);
        self.0.store(if left == usize::MAX { left } else { left.wrapping_sub(1) }, Relaxed);
        left == 0
    }
}
