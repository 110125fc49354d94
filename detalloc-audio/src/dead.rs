//! Blocks of the system heap that were freed in a callback: linked through their own dead bytes until the reaper frees
//! them.
//!
//! The callback's side is the only one that adds, and the reaper's takes all at once. So adding is two exchanges: take the
//! list, put it behind the new block, put that back. A reaper that looks in between finds nothing, and the rest next time.
//! `tests/loom.rs` explores this.

use crate::sync::{AtomicPtr, Ordering};
use core::ptr;

/// What the first bytes of a dead block hold.
#[derive(Debug)]
#[repr(C)]
pub struct Link {
    /// The block that died before.
    pub next: *mut Link,
    /// The size that the block was asked for with, in bytes.
    pub size: usize,
    /// The alignment that it was asked for with, in bytes.
    pub align: usize,
}

/// The blocks that wait to be freed.
#[derive(Debug)]
pub struct Dead(AtomicPtr<Link>);

impl Default for Dead {
    fn default() -> Self {
        Self::new()
    }
}

impl Dead {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// Adds a block. `set_next` writes the link of the block that died before into it.
    ///
    /// # Safety
    /// Nobody else adds at the same time. `block` may be written to and is nobody else's until it is taken.
    #[inline]
    pub unsafe fn add(&self, block: *mut Link, set_next: impl FnOnce(*mut Link)) {
        // Relaxed: what is behind it was put there by this side.
        let behind = self.0.swap(ptr::null_mut(), Ordering::Relaxed);
        set_next(behind);
        // Release: the reaper sees the links of the whole list. A store would do as well, but loom takes it for one that
        // the reaper's exchange, which came before, might overwrite.
        self.0.swap(block, Ordering::Release);
    }

    /// Whether none wait. Final once nobody adds any more, for a thread that knows that.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        // Relaxed: nothing is reached by it.
        self.0.load(Ordering::Relaxed).is_null()
    }

    /// Takes all of them: the first, or null.
    #[must_use]
    pub fn take(&self) -> *mut Link {
        // Acquire: the links of the whole list are seen.
        self.0.swap(ptr::null_mut(), Ordering::Acquire)
    }
}
