//! That something is over, said once by one side and heard by the other.
//!
//! Saying it is Release and hearing it Acquire: what the one side has done before, the other side sees, and may take apart.
//!
//! Where the other side adds things that want to be told as well, as the reaper adds regions to a heap, one may add while the
//! other goes through what there is. So each does its own part first and then looks for the other's, with a SeqCst fence in
//! between: whichever fence comes second, its side sees what the other has done before the first. `tests/loom_heap.rs`
//! explores this, and fails when an ordering is weakened or a fence is missing.

use crate::sync::{AtomicBool, Ordering, fence};

/// Whether it is over.
#[derive(Debug)]
pub(crate) struct Closed(AtomicBool);

impl Default for Closed {
    fn default() -> Self {
        Self::new()
    }
}

impl Closed {
    /// Not yet.
    pub(crate) fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    /// Says so.
    pub(crate) fn close(&self) {
        // Release: what this side did has happened for who hears it.
        self.0.store(true, Ordering::Release);
    }

    /// Whether it was said.
    pub(crate) fn is_closed(&self) -> bool {
        // Acquire: as above.
        self.0.load(Ordering::Acquire)
    }

    /// Says so, and then to everything that there is.
    pub(crate) fn close_with(&self, all: impl FnOnce()) {
        self.close();
        // Either this sees what is being added, or who adds sees that it is over.
        fence(Ordering::SeqCst);
        all();
    }

    /// Whether who has just added something has to say it to that, as it was over before.
    pub(crate) fn is_closed_to_added(&self) -> bool {
        // After the adding, as the other side's lies after the saying.
        fence(Ordering::SeqCst);
        self.is_closed()
    }
}
