//! What lies in a caller's buffer and is known by its seal.

use crate::error::{
    det_error_t::{self, *},
    noted,
};
use core::{
    ffi::c_void,
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

/// What a buffer from C becomes: the place of a thing, and the rest.
///
/// # Safety
/// (C1) of `size` bytes, and lent for as long as the thing is there.
pub(crate) unsafe fn lent<T>(start: *mut c_void, size: usize) -> Result<(Place<T>, Rest), det_error_t> {
    if start.is_null() {
        return Err(DET_ERR_NULL);
    }
    let is_object = size <= isize::MAX.unsigned_abs() && start.addr().checked_add(size).is_some();
    if !is_object {
        return Err(DET_ERR_INVALID_PARAM);
    }
    // SAFETY: the caller's promise; whatever is in there, it may be uninitialised.
    let buffer = unsafe { core::slice::from_raw_parts_mut(start.cast(), size) };
    split(buffer).ok_or(DET_ERR_BUFFER_TOO_SMALL)
}

fn split<T>(buffer: Rest) -> Option<(Place<T>, Rest)> {
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

/// The thing that a handle leads to, or why it leads to none, which is noted.
///
/// # Safety
/// (C1)
#[inline]
pub(crate) unsafe fn open<'a, T: Sealed>(handle: *mut InBuffer<T>) -> Result<&'a T, det_error_t> {
    if handle.is_null() {
        return Err(noted(DET_ERR_NULL));
    }
    let seal = if handle.is_aligned() {
        // SAFETY: (C1) readable memory, and a word has no invalid values. Relaxed: a handle reaches another thread by the caller's
        // own means.
        unsafe { (*handle).seal.load(Relaxed) }
    } else {
        !seal_of::<T>(handle.addr())
    };
    if seal != seal_of::<T>(handle.addr()) {
        return Err(noted(DET_ERR_NOT_INITIALIZED));
    }
    // SAFETY: (C2)
    Ok(unsafe { &(*handle).thing })
}

/// Breaks the seal.
///
/// # Safety
/// The handle was opened, and nobody uses it any more.
pub(crate) unsafe fn close<T: Sealed>(handle: *mut InBuffer<T>) {
    // SAFETY: (C2). Relaxed: as above.
    unsafe { (*handle).seal.store(0, Relaxed) };
}

/// Ends a thing of which nothing is to be looked at in the end.
///
/// # Safety
/// (C1), and nobody uses it any more.
pub(crate) unsafe fn end<T: Sealed>(handle: *mut InBuffer<T>) -> det_error_t {
    // SAFETY: the caller's promise.
    if let Err(error) = unsafe { open(handle) } {
        return error;
    }
    // SAFETY: just opened.
    unsafe { close(handle) };
    DET_OK
}
