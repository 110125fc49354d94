//! A ring that does with its indices what ringbuf's `SharedRb` does, so that the lanes can be built with the atomics of loom or
//! shuttle: ringbuf's own are its own. Its version is pinned for that reason.

use crate::sync::{AtomicUsize, Ordering, UnsafeCell};
use core::{mem::MaybeUninit, num::NonZeroUsize, ops::Range};
use ringbuf::{
    storage::Storage,
    traits::{Observer, Raw, RingBuffer},
};

/// See the module.
pub struct Ring<S: Storage> {
    storage: S,
    read_index: AtomicUsize,
    write_index: AtomicUsize,
    /// One a place, touched as it is: loom reports an end that touches what is the other's.
    places: Vec<UnsafeCell<()>>,
}

impl<S: Storage> Ring<S> {
    pub unsafe fn from_raw_parts(storage: S, read: usize, write: usize) -> Self {
        let places = (0..storage.len()).map(|_| UnsafeCell::new(())).collect();
        Self { storage, read_index: AtomicUsize::new(read), write_index: AtomicUsize::new(write), places }
    }

    fn places(&self, start: usize, end: usize) -> impl Iterator<Item = &UnsafeCell<()>> {
        let modulus = 2 * self.places.len();
        let len = (end + modulus - start) % modulus;
        (start..start + len).map(|place| &self.places[place % self.places.len()])
    }

    /// The two pieces between these indices.
    fn pieces(&self, start: usize, end: usize) -> [Range<usize>; 2] {
        let len = self.places.len();
        if start / len == end / len {
            [start % len..end % len, 0..0]
        } else {
            [start % len..len, 0..end % len]
        }
    }
}

impl<S: Storage> Observer for Ring<S> {
    type Item = S::Item;

    fn capacity(&self) -> NonZeroUsize {
        NonZeroUsize::new(self.places.len()).unwrap()
    }

    fn read_index(&self) -> usize {
        self.read_index.load(Ordering::Acquire)
    }

    fn write_index(&self) -> usize {
        self.write_index.load(Ordering::Acquire)
    }

    fn read_is_held(&self) -> bool {
        true
    }

    fn write_is_held(&self) -> bool {
        true
    }
}

// SAFETY: as `SharedRb`'s. Nobody asks for an end that is held: there is one of each.
unsafe impl<S: Storage> Raw for Ring<S> {
    unsafe fn unsafe_slices(
        &self,
        start: usize,
        end: usize,
    ) -> (&[MaybeUninit<S::Item>], &[MaybeUninit<S::Item>]) {
        self.places(start, end).for_each(|place| place.with(|_| ()));
        let [first, second] = self.pieces(start, end);
        // SAFETY: the caller's promise.
        unsafe { (self.storage.slice(first), self.storage.slice(second)) }
    }

    unsafe fn unsafe_slices_mut(
        &self,
        start: usize,
        end: usize,
    ) -> (&mut [MaybeUninit<S::Item>], &mut [MaybeUninit<S::Item>]) {
        self.places(start, end).for_each(|place| place.with_mut(|_| ()));
        let [first, second] = self.pieces(start, end);
        // SAFETY: the caller's promise.
        unsafe { (self.storage.slice_mut(first), self.storage.slice_mut(second)) }
    }

    unsafe fn set_read_index(&self, value: usize) {
        self.read_index.store(value, Ordering::Release);
    }

    unsafe fn set_write_index(&self, value: usize) {
        self.write_index.store(value, Ordering::Release);
    }

    unsafe fn hold_read(&self, _: bool) -> bool {
        false
    }

    unsafe fn hold_write(&self, _: bool) -> bool {
        false
    }
}

impl<S: Storage> RingBuffer for Ring<S> {}

impl<S: Storage> AsRef<Self> for Ring<S> {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl<S: Storage> Drop for Ring<S> {
    fn drop(&mut self) {
        self.clear();
    }
}
