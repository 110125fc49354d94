//! What the protocols between threads are made of, by one name, so that `tests/loom*.rs` can build them with loom's and
//! `tests/shuttle.rs` with shuttle's.

pub(crate) use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering, fence};
/// The ring that lanes are made of. Its indices are atomics of its own, so the tests have a ring that does the same with theirs.
pub(crate) use ringbuf::SharedRb as Ring;
pub(crate) use std::sync::{Mutex, OnceLock, TryLockError};

/// As the standard library's, with loom's way of reaching in.
#[derive(Debug)]
pub(crate) struct UnsafeCell<T>(core::cell::UnsafeCell<T>);

impl<T> UnsafeCell<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(core::cell::UnsafeCell::new(value))
    }

    /// Hands out a pointer to read through.
    #[inline]
    pub(crate) fn with<R>(&self, read: impl FnOnce(*const T) -> R) -> R {
        read(self.0.get())
    }

    /// Hands out a pointer to write through.
    #[inline]
    pub(crate) fn with_mut<R>(&self, write: impl FnOnce(*mut T) -> R) -> R {
        write(self.0.get())
    }
}
