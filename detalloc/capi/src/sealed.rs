//! What lies in a caller's buffer and is known by its seal.

use crate::error::{det_error_t, note_global};
use core::{
    mem::MaybeUninit,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

/// Something that C holds a pointer to.
pub(crate) trait Sealed: Sized {
    /// Tells this kind of thing from others. Odd, so that no seal is 0, which is what memory often holds, and what is left
    /// of a broken one.
    const MARK: usize;
}

/// The seal of what lies at an address.
fn seal_of<T: Sealed>(address: usize) -> usize {
    // Things lie at addresses that are even.
    const { assert!(T::MARK % 2 == 1 && align_of::<InBuffer<T>>() > 1) };
    T::MARK.wrapping_add(address)
}

/// A thing behind its seal.
#[repr(C)]
pub(crate) struct InBuffer<T> {
    seal: AtomicUsize,
    pub(crate) thing: T,
}

/// How many bytes a thing takes, wherever its buffer begins.
pub(crate) const fn bytes_needed<T>() -> usize {
    size_of::<InBuffer<T>>() + align_of::<InBuffer<T>>() - 1
}

type Place<T> = &'static mut MaybeUninit<InBuffer<T>>;
type Rest = &'static mut [MaybeUninit<u8>];

/// Cuts a buffer into the place of a thing and the rest.
pub(crate) fn split<T>(buffer: Rest) -> Option<(Place<T>, Rest)> {
    let slack = buffer.as_ptr().addr().wrapping_neg() & (align_of::<InBuffer<T>>() - 1);
    let (place, rest) = buffer.get_mut(slack..)?.split_at_mut_checked(size_of::<InBuffer<T>>())?;
    // SAFETY: of that size and alignment, and nobody else's.
    Some((unsafe { &mut *place.as_mut_ptr().cast() }, rest))
}

/// Puts a thing into its place.
pub(crate) fn put<T: Sealed>(place: &'static mut MaybeUninit<InBuffer<T>>, thing: T) -> *mut InBuffer<T> {
    let address = place.as_ptr().addr();
    place.write(InBuffer { seal: AtomicUsize::new(seal_of::<T>(address)), thing })
}

/// A buffer from C. `None`: it is null, or no object is that large.
///
/// # Safety
/// (C1) of `size` bytes, and lent for as long as what it becomes.
pub(crate) unsafe fn buffer(start: *mut u8, size: usize) -> Option<&'static mut [MaybeUninit<u8>]> {
    let too_large = size > isize::MAX.unsigned_abs() || start.addr().checked_add(size).is_none();
    if start.is_null() || too_large {
        return None;
    }
    // SAFETY: the caller's promise; whatever is in there, it may be uninitialised.
    Some(unsafe { core::slice::from_raw_parts_mut(start.cast(), size) })
}

/// The thing that a handle leads to, if it is one.
///
/// # Safety
/// (C1)
#[inline]
pub(crate) unsafe fn open<'a, T: Sealed>(handle: *mut InBuffer<T>) -> Option<&'a T> {
    if handle.is_null() {
        note_global(det_error_t::DET_ERR_NULL);
        return None;
    }
    let seal = if handle.is_aligned() {
        // SAFETY: (C1) readable memory, and a word has no invalid values. Relaxed: a handle reaches another thread by the caller's
        // own means.
        unsafe { (*handle).seal.load(Relaxed) }
    } else {
        !seal_of::<T>(handle.addr())
    };
    if seal != seal_of::<T>(handle.addr()) {
        note_global(det_error_t::DET_ERR_NOT_INITIALIZED);
        return None;
    }
    // SAFETY: (C2)
    Some(unsafe { &(*handle).thing })
}

/// Breaks the seal.
///
/// # Safety
/// The handle was opened, and nobody uses it any more.
pub(crate) unsafe fn close<T: Sealed>(handle: *mut InBuffer<T>) {
    // SAFETY: (C2). Relaxed: as above.
    unsafe { (*handle).seal.store(0, Relaxed) };
}
