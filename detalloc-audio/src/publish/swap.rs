//! A place for a shared handle that one side replaces and others read, wait-free to read.
//!
//! Two slots, and one word that says which of them counts and how many readers are in. A reader counts itself in by an
//! exchange, which tells it the slot at the same time; it clones that slot and counts itself out. The writer fills the other
//! slot, turns the word, and waits until no reader is in. As it is one word, a reader either came before it was
//! turned, and the writer sees it, or learns of the new slot. Turning is Release and counting in Acquire, so the new slot is
//! seen full; counting out is Release and the writer's look Acquire, so a clone is complete before its slot is emptied.
//! `tests/loom.rs` explores this, and fails when one of these is weakened.
//!
//! (basedrop 0.1.3 has a `SharedCell` of the same purpose, whose `replace` looks for readers with a relaxed load and whose
//! readers leave with a relaxed exchange: on processors that reorder more than x86 does, a reader can clone what has just been
//! freed. So only its `Shared` is used here.)

use crate::sync::{AtomicUsize, Ordering, UnsafeCell};

/// The place. `T` is a handle: to clone it is wait-free.
pub struct Swap<T> {
    slots: [UnsafeCell<Option<T>>; 2],
    /// Which slot counts in the lowest bit, and above it how many readers are in.
    state: AtomicUsize,
}

/// One reader.
const READER: usize = 2;

// SAFETY: readers clone through a shared reference; the writer moves values in and out of a slot that nobody reads.
unsafe impl<T: Send + Sync> Sync for Swap<T> {}

impl<T: Clone> Swap<T> {
    /// A place that holds `value`.
    pub fn new(value: T) -> Self {
        Self { slots: [UnsafeCell::new(Some(value)), UnsafeCell::new(None)], state: AtomicUsize::new(0) }
    }

    /// The value that counts now. Wait-free.
    #[inline]
    pub fn get(&self) -> Option<T> {
        // Acquire: the slot is seen full.
        let current = self.state.fetch_add(READER, Ordering::Acquire) & 1;
        // SAFETY: the writer does not touch the slot that counts, nor the one that counted before while a reader is in.
        let value = self.slots[current].with(|slot| unsafe { (*slot).clone() });
        // Release: the clone is complete for who empties the slot.
        self.state.fetch_sub(READER, Ordering::Release);
        value
    }

    /// Puts another value in its place, and gives the old one back when nobody reads it any more. `wait` is called as
    /// long as a reader is in.
    ///
    /// # Safety
    /// One writer at a time.
    pub unsafe fn replace(&self, value: T, mut wait: impl FnMut()) -> Option<T> {
        // Relaxed: only this side turns it.
        let old = self.state.load(Ordering::Relaxed) & 1;
        // SAFETY: the last `replace` has waited until nobody reads this slot, and since then the other one counts.
        self.slots[old ^ 1].with_mut(|slot| unsafe { *slot = Some(value) });
        // Release: the new slot is full for who counts in from now on.
        self.state.fetch_xor(1, Ordering::Release);
        // Acquire: the clones of those who have left are complete.
        while self.state.load(Ordering::Acquire) >= READER {
            wait();
        }
        // SAFETY: nobody reads it, and it does not count any more.
        self.slots[old].with_mut(|slot| unsafe { (*slot).take() })
    }
}
