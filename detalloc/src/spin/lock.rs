//! A spin lock in one word: who finds it taken looks again and again, less and less often.
//!
//! Orderings: taking the lock is Acquire and releasing it Release, so that what one holder did happens before the next
//! one holds it. `tests/loom_shared.rs` explores this; weaken either and it fails.

use crate::sync::{
    AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
    spin_loop,
};

/// The most pauses between two looks, so that a lock that has been released is seen within about a microsecond.
const MAX_PAUSES: usize = 64;

const FREE: usize = 0;
const TAKEN: usize = 1;

/// Takes the lock if it is free.
pub(super) fn try_lock(word: &AtomicUsize) -> bool {
    // Acquire: what the last holder did has happened.
    word.compare_exchange(FREE, TAKEN, Acquire, Relaxed).is_ok()
}

/// Waits until the lock is free and takes it.
pub(super) fn lock(word: &AtomicUsize) {
    let mut pauses = 1;
    while !try_lock(word) {
        // Looking only reads, so that those who wait do not take the cache line from each other.
        // Relaxed: what it leads to is the exchange.
        while word.load(Relaxed) != FREE {
            for _ in 0..pauses {
                spin_loop();
            }
            pauses = MAX_PAUSES.min(2 * pauses);
        }
    }
}

/// Gives the lock up. For its holder.
pub(super) fn unlock(word: &AtomicUsize) {
    // Release: what this holder did happens before the next one holds it.
    word.store(FREE, Release);
}
