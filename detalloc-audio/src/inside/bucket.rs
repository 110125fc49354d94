//! One bucket of the table of threads: a thread that takes a place is found there, with its own instance and nobody else's,
//! until it gives the place up.
//!
//! Orderings. A thread finds its own identity if and only if it put it there last, and other threads' mean nothing to it but
//! a place that is taken: Relaxed is enough to look. What belongs to a place is stored and read by the thread that has it
//! alone. A place is given up with Release and taken with Acquire, so what the one before stored there comes before what this
//! one stores, and cannot take its place. `tests/loom_inside.rs` explores this; weaken either and a thread finds the instance
//! of another.

use crate::sync::{
    AtomicPtr, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};

/// Two cache lines, so that threads of different buckets do not disturb each other; the first has all that is looked at to find
/// that a thread is in none.
#[repr(align(128))]
pub(super) struct Bucket<I, const PLACES: usize> {
    /// How many threads are in or on their way in or out: nearly always none, which is the first thing to ask.
    pub(super) busy: AtomicUsize,
    /// The identities of the threads, 0 for a free place.
    pub(super) threads: [AtomicUsize; PLACES],
    /// Whose callback each is in. Read and written only by the thread of the same place.
    pub(super) instances: [AtomicPtr<I>; PLACES],
}

impl<I, const PLACES: usize> Bucket<I, PLACES> {
    /// What belongs to the place that this thread has, if it has one.
    #[inline]
    pub(super) fn place_of(&self, thread: usize) -> Option<&AtomicPtr<I>> {
        // Relaxed, also where it counts: a thread sees its own addition until its own subtraction.
        if self.busy.load(Relaxed) == 0 {
            return None;
        }
        let place = self.threads.iter().position(|place| place.load(Relaxed) == thread)?;
        self.instances.get(place)
    }

    /// Whether this thread has a place.
    #[inline(always)]
    pub(super) fn has(&self, thread: usize) -> bool {
        // Relaxed: this thread's own identity.
        self.threads.iter().any(|place| place.load(Relaxed) == thread)
    }

    /// Takes the first place, if no other thread is in or on its way.
    #[inline]
    pub(super) fn take_alone(&self, instance: *mut I, thread: usize) -> Option<&AtomicUsize> {
        let place = &self.threads[0];
        // Acquire: what the last one stored in the place comes before what this one stores. Relaxed: see `give_up`.
        if self.busy.fetch_add(1, Relaxed) == 0
            // wcet: unreached: who is on the way out is still in `busy`
            && place.compare_exchange(0, thread, Acquire, Relaxed).is_ok()
        {
            self.instances[0].store(instance, Relaxed);
            return Some(place);
        }
        self.busy.fetch_sub(1, Relaxed);
        None
    }

    /// Takes any place. `None`: all are taken.
    #[inline(always)]
    pub(super) fn take_any(&self, instance: *mut I, thread: usize) -> Option<&AtomicUsize> {
        // Relaxed and Acquire, as in `take_alone`.
        self.busy.fetch_add(1, Relaxed);
        for (place, into) in self.threads.iter().zip(&self.instances) {
            if place.compare_exchange(0, thread, Acquire, Relaxed).is_ok() {
                into.store(instance, Relaxed);
                return Some(place);
            }
        }
        self.busy.fetch_sub(1, Relaxed);
        None
    }

    /// Gives a place up that was taken here.
    #[inline]
    pub(super) fn give_up(&self, place: &AtomicUsize) {
        // Release: what this one stored in the place comes before what the next one stores.
        place.store(0, Release);
        // Relaxed: whoever sees this before the place is free goes the longer way.
        self.busy.fetch_sub(1, Relaxed);
    }
}
