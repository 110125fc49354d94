//! How many handles share a value.
//!
//! Orderings. Another handle is made by means of one that there is, so that the number is no news to anybody: Relaxed. One that
//! goes says so with Release, and who finds that it was the last, or is the only one, looks with Acquire: what the others did to
//! the value has happened. `tests/loom_counts.rs` explores this, and fails when one of these is weakened.

use crate::sync::{
    AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
    fence,
};

/// The count, in one word.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct Handles(AtomicUsize);

impl Handles {
    /// The first one.
    pub(crate) fn one() -> Self {
        Self(AtomicUsize::new(1))
    }

    /// How many there are. Others may come and go meanwhile.
    pub(crate) fn get(&self) -> usize {
        // Relaxed: a number that may be over already.
        self.0.load(Relaxed)
    }

    /// Whether there is one, whose holder asks.
    #[inline]
    pub(crate) fn is_one(&self) -> bool {
        // Acquire: what the others did to the value happened before they went.
        self.0.load(Acquire) == 1
    }

    /// One more. `false`: there are more than addresses.
    #[inline]
    #[must_use]
    pub(crate) fn add(&self) -> bool {
        // Relaxed: by means of a handle that there is.
        self.0.fetch_add(1, Relaxed) <= usize::MAX / 2
    }

    /// One less. `true`: that was the last.
    #[inline]
    #[must_use]
    pub(crate) fn leave(&self) -> bool {
        // Release: what this handle did to the value happens before the last one destroys it.
        if self.0.fetch_sub(1, Release) != 1 {
            return false;
        }
        // What all others did to it has happened.
        fence(Acquire);
        true
    }
}
