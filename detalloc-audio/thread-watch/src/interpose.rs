//! The heap functions of C, defined here and forwarded to glibc's own. The executable's definitions come first in the
//! dynamic linker's search order, so every library's calls arrive here.
//!
//! Invariants the SAFETY comments cite:
//!
//! 1. Each function has the signature and contract C and POSIX give it, and hands its arguments on unchanged to the
//!    glibc function with the same contract. What the caller owes is therefore owed to, and used by, glibc alone.
//! 2. Nothing here allocates, blocks or unwinds except `note` for a watched thread, and that suspends the watch.

use std::ffi::{c_int, c_void};
use std::ptr::null_mut;

use crate::TouchKind::{self, Allocation, Free, Reallocation};
use crate::record::note;

unsafe extern "C" {
    fn __libc_malloc(size: usize) -> *mut c_void;
    fn __libc_free(block: *mut c_void);
    fn __libc_calloc(count: usize, size: usize) -> *mut c_void;
    fn __libc_realloc(block: *mut c_void, size: usize) -> *mut c_void;
    fn __libc_memalign(alignment: usize, size: usize) -> *mut c_void;
    fn __libc_valloc(size: usize) -> *mut c_void;
    fn __libc_pvalloc(size: usize) -> *mut c_void;
}

/// Whether the dynamic linker gives libraries this crate's `malloc`.
pub(crate) fn bound() -> bool {
    // SAFETY: the name is a C string; the result is only compared.
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"malloc".as_ptr()) };
    let ours: unsafe extern "C" fn(usize) -> *mut c_void = malloc;
    std::ptr::eq(found, ours as *const c_void)
}

fn resized(block: *mut c_void, bytes: usize) -> TouchKind {
    match (block.is_null(), bytes) {
        (true, _) => Allocation { bytes },
        (false, 0) => Free,
        (false, _) => Reallocation { bytes },
    }
}

/// C's `malloc`.
///
/// # Safety
///
/// As C says (1).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn malloc(size: usize) -> *mut c_void {
    note(Allocation { bytes: size });
    // SAFETY: (1).
    unsafe { __libc_malloc(size) }
}

/// C's `free`.
///
/// # Safety
///
/// As C says (1).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn free(block: *mut c_void) {
    if !block.is_null() {
        note(Free);
    }
    // SAFETY: (1).
    unsafe { __libc_free(block) }
}

/// C's `calloc`.
///
/// # Safety
///
/// As C says (1).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn calloc(count: usize, size: usize) -> *mut c_void {
    note(Allocation { bytes: count.saturating_mul(size) });
    // SAFETY: (1).
    unsafe { __libc_calloc(count, size) }
}

/// C's `realloc`.
///
/// # Safety
///
/// As C says (1).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realloc(block: *mut c_void, size: usize) -> *mut c_void {
    note(resized(block, size));
    // SAFETY: (1).
    unsafe { __libc_realloc(block, size) }
}

/// BSD's `reallocarray`: `realloc` with a checked product.
///
/// # Safety
///
/// As its manual page says (1).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn reallocarray(block: *mut c_void, count: usize, size: usize) -> *mut c_void {
    match count.checked_mul(size) {
        Some(bytes) => {
            note(resized(block, bytes));
            // SAFETY: (1).
            unsafe { __libc_realloc(block, bytes) }
        }
        None => {
            set_errno(libc::ENOMEM);
            null_mut()
        }
    }
}

/// C's `aligned_alloc`.
///
/// # Safety
///
/// As C says (1).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aligned_alloc(alignment: usize, size: usize) -> *mut c_void {
    note(Allocation { bytes: size });
    // SAFETY: (1).
    unsafe { __libc_memalign(alignment, size) }
}

/// `memalign`, the older form of `aligned_alloc`.
///
/// # Safety
///
/// As its manual page says (1).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memalign(alignment: usize, size: usize) -> *mut c_void {
    note(Allocation { bytes: size });
    // SAFETY: (1).
    unsafe { __libc_memalign(alignment, size) }
}

/// POSIX' `posix_memalign`.
///
/// # Safety
///
/// As POSIX says (1).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn posix_memalign(block: *mut *mut c_void, alignment: usize, size: usize) -> c_int {
    if !alignment.is_power_of_two() || !alignment.is_multiple_of(size_of::<*mut c_void>()) {
        return libc::EINVAL;
    }
    note(Allocation { bytes: size });
    // SAFETY: (1).
    let found = unsafe { __libc_memalign(alignment, size) };
    if found.is_null() {
        return libc::ENOMEM;
    }
    // SAFETY: POSIX makes the caller pass a place for the block.
    unsafe { block.write(found) };
    0
}

/// `valloc`: a block on a page boundary.
///
/// # Safety
///
/// As its manual page says (1).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn valloc(size: usize) -> *mut c_void {
    note(Allocation { bytes: size });
    // SAFETY: (1).
    unsafe { __libc_valloc(size) }
}

/// `pvalloc`: whole pages.
///
/// # Safety
///
/// As its manual page says (1).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pvalloc(size: usize) -> *mut c_void {
    note(Allocation { bytes: size });
    // SAFETY: (1).
    unsafe { __libc_pvalloc(size) }
}

fn set_errno(code: c_int) {
    // SAFETY: glibc returns the address of this thread's errno, valid for the thread's life.
    unsafe { *libc::__errno_location() = code };
}
