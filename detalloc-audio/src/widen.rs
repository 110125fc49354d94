//! Handles of trait objects and slices, on a stable compiler.
//!
//! The standard library's boxes coerce to `Box<dyn Trait>` by a trait that is not stable. [`unsize!`](crate::unsize) does
//! it by the coercion of the raw pointer, which is: the compiler makes the wide pointer, so it can only be of the same
//! value.

use crate::shared::Shared;
use core::ptr::NonNull;

/// The rest of a handle.
#[derive(Debug)]
pub struct Origin(pub(crate) NonNull<Shared>);

/// A handle whose content can be seen as another type. For [`unsize!`](crate::unsize).
pub trait Handle: Sized {
    /// What the pointer of the handle points to.
    type Content: ?Sized;
    /// The same of a handle of something else.
    type ContentOf<U: ?Sized>: ?Sized;
    /// A handle of something else.
    type Of<U: ?Sized>;

    /// Takes the handle apart.
    fn into_raw(self) -> (NonNull<Self::Content>, Origin);

    /// Puts it together again.
    ///
    /// # Safety
    /// Both are of one handle, which is gone, but that the pointer may have been coerced.
    unsafe fn from_raw<U: ?Sized>(content: NonNull<Self::ContentOf<U>>, origin: Origin) -> Self::Of<U>;
}

/// Sees a handle as one of another type.
///
/// # Safety
/// `widen` returns its argument.
#[inline]
pub unsafe fn widen<H: Handle, U: ?Sized>(
    handle: H,
    widen: impl FnOnce(*mut H::Content) -> *mut H::ContentOf<U>,
) -> H::Of<U> {
    let (content, origin) = handle.into_raw();
    // SAFETY: the caller's promise: it is not null, and of this handle.
    unsafe { H::from_raw(NonNull::new_unchecked(widen(content.as_ptr())), origin) }
}

/// Makes an [`RtBox`](crate::RtBox) or [`RtArc`](crate::RtArc) of a trait object or a slice out of one of a sized type.
///
/// ```
/// use detalloc_audio::{AudioBudget, RtBox, RtHeap, unsize};
///
/// trait Effect: Send { fn process(&mut self, sample: f32) -> f32; }
/// struct Gain(f32);
/// impl Effect for Gain { fn process(&mut self, sample: f32) -> f32 { self.0 * sample } }
///
/// let mut heap = RtHeap::new();
/// heap.reconfigure(&AudioBudget::new(48_000.0, 64).objects::<Gain>(1))?;
/// let mut effect: RtBox<dyn Effect> = heap.enter(|rt| rt.boxed(Gain(0.5)).map(|gain| unsize!(gain => dyn Effect)))?;
/// assert_eq!(effect.process(1.0), 0.5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// What the value is not does not compile:
///
/// ```compile_fail
/// # use detalloc_audio::{RtBox, unsize};
/// fn wrong(boxed: RtBox<u32>) -> RtBox<dyn Iterator<Item = u32>> {
///     unsize!(boxed => dyn Iterator<Item = u32>)
/// }
/// ```
#[macro_export]
macro_rules! unsize {
    ($handle:expr => $to:ty) => {
        match $handle {
            #[allow(unsafe_code)]
            // SAFETY: the closure returns its argument, coerced.
            handle => unsafe { $crate::widen::widen::<_, $to>(handle, |content| content) },
        }
    };
}
