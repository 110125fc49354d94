//! Handing something over to the audio thread, without a lock and without freeing anything there.
//!
//! There is one place. Putting something in takes out what nobody has fetched, and the one who puts it in frees that;
//! so the newest always wins, and neither side ever waits: each operation is one atomic exchange. `tests/loom.rs` explores this.
//!
//! The invariant: **(H1)** the pointer is null, or comes from `Box::into_raw` and is owned by this place. Whoever
//! exchanges it takes that ownership.

use crate::sync::{AtomicPtr, Ordering};
use std::{fmt, marker::PhantomData, ptr};

/// One place for a box.
pub(crate) struct Handover<T> {
    place: AtomicPtr<T>,
    owns: PhantomData<Box<T>>,
}

impl<T> Handover<T> {
    pub(crate) fn new() -> Self {
        Self { place: AtomicPtr::new(ptr::null_mut()), owns: PhantomData }
    }

    /// Puts a box in, and takes out the one that nobody has fetched.
    pub(crate) fn put(&self, value: Box<T>) -> Option<Box<T>> {
        self.exchange(Box::into_raw(value))
    }

    /// Fetches what there is. Wait-free.
    pub(crate) fn fetch(&self) -> Option<Box<T>> {
        // Looking first spares the callback an exchange where there is nothing, which is nearly always. Relaxed: what it leads
        // to is the exchange.
        if self.place.load(Ordering::Relaxed).is_null() {
            return None;
        }
        self.exchange(ptr::null_mut())
    }

    fn exchange(&self, new: *mut T) -> Option<Box<T>> {
        // Release: what was put in is seen whole. Acquire: by the one who takes it out.
        let old = self.place.swap(new, Ordering::AcqRel);
        // SAFETY: (H1) what is not null was a box, and is ours since the exchange.
        (!old.is_null()).then(|| unsafe { Box::from_raw(old) })
    }
}

impl<T> Drop for Handover<T> {
    fn drop(&mut self) {
        drop(self.exchange(ptr::null_mut()));
    }
}

impl<T> fmt::Debug for Handover<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handover").field("full", &!self.place.load(Ordering::Relaxed).is_null()).finish()
    }
}

// SAFETY: (H1) it hands boxes from thread to thread, as a channel does, and never shares one.
unsafe impl<T: Send> Sync for Handover<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Handover<T> {}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::{sync::Arc, thread};

    #[test]
    fn the_newest_wins_and_the_older_comes_back() {
        let place = Handover::new();
        assert!(place.fetch().is_none());
        assert!(place.put(Box::new(1)).is_none());
        assert_eq!(place.put(Box::new(2)).as_deref(), Some(&1));
        assert_eq!(place.fetch().as_deref(), Some(&2));
        assert!(place.fetch().is_none());
    }

    #[test]
    fn nothing_is_lost_or_seen_twice_between_threads() {
        let counted = Arc::new(());
        let place = Arc::new(Handover::new());
        let fetcher = thread::spawn({
            let place = Arc::clone(&place);
            move || {
                let mut newest = 0_u32;
                while newest < 1_000 {
                    if let Some(fetched) = place.fetch() {
                        let (number, _): (u32, Arc<()>) = *fetched;
                        assert!(number > newest);
                        newest = number;
                    }
                }
            }
        });
        for number in 1..=1_000 {
            drop(place.put(Box::new((number, Arc::clone(&counted)))));
        }
        fetcher.join().unwrap();
        drop(place);
        assert_eq!(Arc::strong_count(&counted), 1, "every box was freed once");
    }
}
