//! A value in a block of its own.

use crate::{
    shared::Shared,
    widen::{Handle, Origin},
};
use core::{
    fmt,
    marker::PhantomData,
    mem,
    ops::{Deref, DerefMut},
    ptr::NonNull,
};

/// A value in a block of its own, made by [`Rt::boxed`](crate::Rt::boxed) or [`Rt::tailed`](crate::Rt::tailed);
/// `RtBox<dyn Trait>` is made by [`unsize!`](crate::unsize).
///
/// Dropping it is right on any thread, at any time, and never refused. Inside the callback of its heap a destructor is
/// left to the reaper, and a value without one is free again at once; on any other thread the destructor runs there and
/// then.
///
/// # Time complexity
/// Constant for all of it, but for a destructor outside of the callback.
///
/// # Variance
/// Invariant. The destructor may run on the reaper at any later time, so a box must not come to hold what it could not
/// be made with, a value that borrows:
///
/// ```compile_fail
/// use detalloc_audio::RtBox;
/// fn shorten<'a>(boxed: RtBox<&'static str>) -> RtBox<&'a str> { boxed }
/// ```
pub struct RtBox<T: ?Sized> {
    value: NonNull<T>,
    shared: NonNull<Shared>,
    invariant: PhantomData<*mut T>,
}

// SAFETY: the box owns its value; what it shares with the heap is `Sync` (see `Shared`).
unsafe impl<T: ?Sized + Send> Send for RtBox<T> {}
// SAFETY: as above: a shared box gives out shared references only.
unsafe impl<T: ?Sized + Sync> Sync for RtBox<T> {}

impl<T: ?Sized> RtBox<T> {
    /// # Safety
    /// `value` begins a live block of `shared` that is nobody else's (A3), and is `Send + 'static` (A5).
    #[inline]
    pub(crate) unsafe fn from_raw(value: NonNull<T>, shared: NonNull<Shared>) -> Self {
        Self { value, shared, invariant: PhantomData }
    }
}

impl<T> RtBox<T> {
    /// Takes the value out; the block is free again.
    #[inline]
    #[must_use]
    pub fn into_inner(boxed: Self) -> T {
        let boxed = mem::ManuallyDrop::new(boxed);
        // SAFETY: the value is initialised, and moved out once.
        let value = unsafe { boxed.value.read() };
        // SAFETY: (A1, A3) the block is this box's, which is not used any more, and there is nothing left in it.
        unsafe { Shared::free(boxed.shared, boxed.value.cast()) };
        value
    }
}

impl<T: ?Sized> Drop for RtBox<T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: (A1, A3, A5) the value and its block are this box's, which ends here.
        unsafe { Shared::drop(self.shared, self.value) };
    }
}

impl<T: ?Sized> Deref for RtBox<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: (A1, A3) the block is live and this box's.
        unsafe { self.value.as_ref() }
    }
}

impl<T: ?Sized> DerefMut for RtBox<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: (A1, A3) the block is live and this box's, which is borrowed exclusively.
        unsafe { self.value.as_mut() }
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RtBox<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized> Handle for RtBox<T> {
    type Content = T;
    type ContentOf<U: ?Sized> = U;
    type Of<U: ?Sized> = RtBox<U>;

    fn into_raw(self) -> (NonNull<T>, Origin) {
        let this = mem::ManuallyDrop::new(self);
        (this.value, Origin(this.shared))
    }

    unsafe fn from_raw<U: ?Sized>(value: NonNull<U>, origin: Origin) -> RtBox<U> {
        // SAFETY: (A3, A5) the caller's promise: what a handle was of, seen as another type.
        unsafe { RtBox::from_raw(value, origin.0) }
    }
}
