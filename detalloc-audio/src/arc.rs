//! A value in a block of its own that several handles share.

mod handles;

use crate::{
    shared::Shared,
    widen::{Handle, Origin},
};
use core::{fmt, marker::PhantomData, mem::ManuallyDrop, ops::Deref, ptr::NonNull};
use handles::Handles;

/// The number of handles lies in front of the value, so that the block begins with it.
#[derive(Debug)]
#[repr(C)]
pub struct Counted<T: ?Sized> {
    handles: Handles,
    value: T,
}

impl<T> Counted<T> {
    /// A value that one handle has.
    pub(crate) fn new(value: T) -> Self {
        Self { handles: Handles::one(), value }
    }
}

/// A value in a block of its own, shared by counting, made by [`Rt::arc`](crate::Rt::arc).
///
/// Cloning and dropping are right on any thread, at any time, and wait-free. The last one to go is dropped as an
/// [`RtBox`](crate::RtBox) is: in a callback, a destructor is left to the reaper. `RtArc<dyn Trait>` is made by
/// [`unsize!`](crate::unsize).
///
/// # Variance
/// Invariant, for the reason that [`RtBox`](crate::RtBox) has:
///
/// ```compile_fail
/// use detalloc_audio::RtArc;
/// fn shorten<'a>(arc: RtArc<&'static str>) -> RtArc<&'a str> { arc }
/// ```
///
/// ```
/// use detalloc_audio::RtArc;
/// fn keep(arc: RtArc<&'static str>) -> RtArc<&'static str> { arc }
/// ```
pub struct RtArc<T: ?Sized> {
    inner: NonNull<Counted<T>>,
    shared: NonNull<Shared>,
    invariant: PhantomData<*mut T>,
}

// SAFETY: as `Arc`: handles on several threads give shared references, and the last one the value, to any of them.
unsafe impl<T: ?Sized + Send + Sync> Send for RtArc<T> {}
// SAFETY: as above.
unsafe impl<T: ?Sized + Send + Sync> Sync for RtArc<T> {}

impl<T: ?Sized> RtArc<T> {
    /// # Safety
    /// `inner` begins a live block of `shared` that is nobody else's (A3), counts one, and is `Send + 'static` (A5).
    #[inline]
    pub(crate) unsafe fn from_raw(inner: NonNull<Counted<T>>, shared: NonNull<Shared>) -> Self {
        Self { inner, shared, invariant: PhantomData }
    }

    /// How many handles there are. Others may come and go meanwhile.
    #[must_use]
    pub fn strong_count(this: &Self) -> usize {
        this.counted().handles.get()
    }

    /// Whether both are handles of the same value.
    #[must_use]
    pub fn ptr_eq(this: &Self, other: &Self) -> bool {
        this.inner.cast::<u8>() == other.inner.cast::<u8>()
    }

    /// The value, if this is the only handle.
    #[inline]
    pub fn get_mut(this: &mut Self) -> Option<&mut T> {
        if this.counted().handles.is_one() {
            // SAFETY: (A3) this is the only handle, borrowed exclusively, and there is no other way to another one.
            Some(unsafe { &mut (*this.inner.as_ptr()).value })
        } else {
            None
        }
    }

    #[inline]
    fn counted(&self) -> &Counted<T> {
        // SAFETY: (A1, A3) the block is live while there is a handle.
        unsafe { self.inner.as_ref() }
    }
}

impl<T: ?Sized> Clone for RtArc<T> {
    /// Another handle. Ends the program at `isize::MAX` handles, which only forgetting them can bring about.
    #[inline]
    fn clone(&self) -> Self {
        if !self.counted().handles.add() {
            // wcet: end: there are more handles than addresses
            std::process::abort();
        }
        Self { inner: self.inner, shared: self.shared, invariant: PhantomData }
    }
}

impl<T: ?Sized> Drop for RtArc<T> {
    #[inline]
    fn drop(&mut self) {
        if self.counted().handles.leave() {
            // SAFETY: (A1, A3, A5) this was the last handle.
            unsafe { Shared::drop(self.shared, self.inner) };
        }
    }
}

impl<T: ?Sized> Deref for RtArc<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.counted().value
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RtArc<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized> Handle for RtArc<T> {
    type Content = Counted<T>;
    type ContentOf<U: ?Sized> = Counted<U>;
    type Of<U: ?Sized> = RtArc<U>;

    fn into_raw(self) -> (NonNull<Counted<T>>, Origin) {
        let this = ManuallyDrop::new(self);
        (this.inner, Origin(this.shared))
    }

    unsafe fn from_raw<U: ?Sized>(inner: NonNull<Counted<U>>, origin: Origin) -> RtArc<U> {
        // SAFETY: (A3, A5) the caller's promise: what a handle was of, seen as another type.
        unsafe { RtArc::from_raw(inner, origin.0) }
    }
}
