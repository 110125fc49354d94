//! Which thread owns a heap: the one in its callback, if any.
//!
//! Orderings: Relaxed is enough. A thread asks for its own identity only, and writes that itself: it reads it if and only if it
//! wrote it last. That a heap's last owner has finished before the next one begins is the exclusive borrow's doing, and
//! whatever took that from thread to thread. `tests/loom_heap.rs` explores this.

use crate::sync::{AtomicUsize, Ordering};

/// The identity of the owner, or 0.
#[derive(Debug)]
pub(crate) struct Owner(AtomicUsize);

impl Owner {
    /// Nobody.
    pub(crate) fn new() -> Self {
        Self(AtomicUsize::new(0))
    }

    /// Whether this thread is.
    #[inline]
    pub(crate) fn is(&self, this_thread: usize) -> bool {
        self.0.load(Ordering::Relaxed) == this_thread
    }

    /// This thread becomes the owner; 0: it gives that up. Under the exclusive borrow of the heap.
    #[inline]
    pub(crate) fn set(&self, this_thread: usize) {
        self.0.store(this_thread, Ordering::Relaxed);
    }
}
