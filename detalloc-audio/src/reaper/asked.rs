//! Work under a lock that nobody waits for: who finds it taken leaves the work to whoever has it.
//!
//! Who wants the work done says so and tries the lock; who has had the lock looks, after having let go of it, whether somebody
//! has said so. One of them does it, because a SeqCst fence lies between the two steps of each: whichever comes second, its side
//! sees the first step of the other.
//!
//! Orderings. Saying it is Release, by an exchange, so that it adds to what others have said, and taking it up is an exchange with
//! Acquire: who does the work sees all that those have done who asked for it until then. `tests/loom_reaper.rs` explores this,
//! and fails when one of these is weakened or a fence is missing.

use crate::sync::{AtomicBool, Mutex, Ordering, TryLockError, fence};

/// Whether somebody wants the work done.
#[derive(Debug)]
pub(crate) struct Asked(pub(crate) AtomicBool);

impl Asked {
    /// Says that there is work. To be followed by [`Asked::answer`].
    pub(crate) fn ask(&self) {
        // Release: who takes it up sees what this thread has done.
        self.0.fetch_or(true, Ordering::Release);
    }

    /// Does the work if there is some and the lock is free. Who has held the lock calls this after having let go of it.
    pub(crate) fn answer<T>(&self, lock: &Mutex<T>, mut work: impl FnMut(&mut T)) {
        loop {
            // After the asking, or after having let go of the lock.
            fence(Ordering::SeqCst);
            // Relaxed: what it leads to is the exchange.
            if !self.0.load(Ordering::Relaxed) {
                return;
            }
            let mut held = match lock.try_lock() {
                Ok(held) => held,
                // What panics under the lock leaves nothing half done.
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => return,
            };
            // Acquire: what those have done who have asked until now is seen.
            self.0.swap(false, Ordering::Acquire);
            work(&mut held);
        }
    }
}
