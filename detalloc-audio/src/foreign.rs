//! Values that are no pool's: how they leave a callback without being destroyed in it.
//!
//! A last `Arc`, a loader's `Vec` or a `Box<dyn …>` travels to the reaper by value, in an entry of a lane; nothing is boxed
//! for it. When the lane is full, a block of the pools carries the entry instead, and that way has room for every block.
//! When the pools are exhausted too, the value is abandoned: it is never destroyed, and counted
//! ([`Snapshot::abandoned`](crate::Snapshot::abandoned)). So a drop neither waits, nor destroys in place, nor
//! loses anything in silence.

use crate::{inside, leaving::Leaving};
use core::{
    fmt,
    mem::ManuallyDrop,
    ops::{Deref, DerefMut},
};

/// A value that was made elsewhere, on the system heap, and may be dropped in a callback: a last `Arc`, a loader's `Vec`, a
/// `Box<dyn …>`.
///
/// Dropped inside the callback of any heap, it travels to the reaper by value; elsewhere it is dropped there and then. The
/// lane is as long as the [`AudioBudget`](crate::AudioBudget) says; what happens when it is full stands in
/// [`Snapshot::carried`](crate::Snapshot::carried) and [`Snapshot::abandoned`](crate::Snapshot::abandoned).
///
/// ```
/// use detalloc_audio::{AudioBudget, Foreign, RtHeap};
/// use std::sync::Arc;
///
/// let mut heap = RtHeap::new();
/// heap.reconfigure(&AudioBudget::new(48_000.0, 64).objects::<u64>(1))?;
/// let mut sample = Some(Foreign::new(Arc::new(vec![0.0_f32; 48_000])));
/// // Nothing is freed here, although this is the last reference.
/// heap.enter(|_| drop(sample.take()));
/// # Ok::<(), detalloc_audio::BudgetError>(())
/// ```
///
/// A value of more than six words does not compile; it wants to be boxed where it is made:
///
/// ```compile_fail
/// drop(detalloc_audio::Foreign::new([0_usize; 7]));
/// ```
///
/// ```
/// drop(detalloc_audio::Foreign::new(Box::new([0_usize; 7])));
/// ```
pub struct Foreign<T: Send + 'static> {
    value: ManuallyDrop<T>,
}

impl<T: Send + 'static> Foreign<T> {
    /// Takes a value over.
    #[must_use]
    pub fn new(value: T) -> Self {
        const { Leaving::assert_fits::<T>() }
        Self { value: ManuallyDrop::new(value) }
    }

    /// Gives the value back, whose drop is then the caller's.
    #[must_use]
    pub fn into_inner(self) -> T {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: `this` is not used or dropped afterwards.
        unsafe { ManuallyDrop::take(&mut this.value) }
    }
}

impl<T: Send + 'static> Drop for Foreign<T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: this is the end of `self`.
        let value = unsafe { ManuallyDrop::take(&mut self.value) };
        if core::mem::needs_drop::<T>() {
            match inside::current() {
                // SAFETY: (A6) this thread is inside.
                Some(instance) => unsafe { instance.as_ref().retire(Leaving::new(value)) },
                // wcet: call: not in a callback
                None => drop(value),
            }
        }
    }
}

impl<T: Send + 'static> Deref for Foreign<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: Send + 'static> DerefMut for Foreign<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T: Send + 'static + fmt::Debug> fmt::Debug for Foreign<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
