//! That something in a static has an owner: one at a time.
//!
//! Orderings: an owner comes with Acquire and goes with Release, so what one has done happens before the next one comes.
//! `tests/loom.rs` explores this; weaken either and it fails.

use crate::sync::{AtomicBool, Ordering};

/// Whether there is an owner.
#[derive(Debug)]
pub(super) struct Claimed(pub(super) AtomicBool);

impl Claimed {
    /// Becomes the owner, unless somebody is.
    pub(super) fn claim(&self) -> bool {
        // Acquire: what the last owner did has happened.
        self.0.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// Gives that up. For the owner.
    pub(super) fn give_up(&self) {
        // Release: what this one did happens before the next one comes.
        self.0.store(false, Ordering::Release);
    }
}
