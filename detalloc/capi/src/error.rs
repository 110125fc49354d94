//! Errors: numbers, and static strings for them.

use crate::allocator::det_allocator_t;
use core::{
    ffi::{CStr, c_char},
    sync::atomic::{AtomicI32, Ordering::Relaxed},
};
use detalloc::{AllocError, FreeError};

/// What went wrong. Nothing has changed then, except that `det_alloc_destroy` has ended an allocator of which it says
/// `DET_ERR_STILL_LIVE` or `DET_ERR_CORRUPTED`.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum det_error_t {
    /// Nothing.
    DET_OK = 0,
    /// An argument is impossible: an alignment that is no power of two, an unknown use case, no sizes.
    DET_ERR_INVALID_PARAM = 1,
    /// A pointer that is needed is null.
    DET_ERR_NULL = 2,
    /// The handle leads to nothing that was initialised, or to what was destroyed.
    DET_ERR_NOT_INITIALIZED = 3,
    /// The buffer is too small: `det_alloc_size` says how large it has to be.
    DET_ERR_BUFFER_TOO_SMALL = 4,
    /// The configuration cannot be: no pools, too many, no blocks or too many, sizes that do not rise once they are
    /// rounded.
    DET_ERR_INVALID_CONFIG = 5,
    /// No block of this class is free, and none could be borrowed.
    DET_ERR_OUT_OF_MEMORY = 6,
    /// No pool has blocks of this size and alignment.
    DET_ERR_UNSUPPORTED_SIZE = 7,
    /// A count times a size exceeds the address space.
    DET_ERR_OVERFLOW = 8,
    /// The pointer belongs to no block of this allocator.
    DET_ERR_FOREIGN_POINTER = 9,
    /// The pointer lies inside a block, not at its start.
    DET_ERR_INTERIOR_POINTER = 10,
    /// The block is free already.
    DET_ERR_DOUBLE_FREE = 11,
    /// A hook of the same allocator runs; or `det_set_internal_allocator` comes too late.
    DET_ERR_BUSY = 12,
    /// The metadata was overwritten. From a `thread_safe` allocator also what a thread gets that lost 64 passes over a pool
    /// to others; it may try again.
    DET_ERR_CORRUPTED = 13,
    /// Blocks were still live when the allocator was destroyed. It is gone all the same.
    DET_ERR_STILL_LIVE = 14,
    /// This target or build cannot do that.
    DET_ERR_UNSUPPORTED = 15,
    /// The ring or arena has no room now.
    DET_ERR_FULL = 16,
}

use det_error_t::*;

const TEXTS: [&CStr; 17] = [
    c"no error",
    c"an argument is impossible",
    c"a pointer is null",
    c"the handle leads to nothing that is initialised",
    c"the buffer is too small",
    c"the configuration cannot be",
    c"no block of this class is free",
    c"no pool has blocks of this size and alignment",
    c"a count times a size exceeds the address space",
    c"the pointer belongs to no block of this allocator",
    c"the pointer lies inside a block, not at its start",
    c"the block is free already",
    c"the allocator is at work: hooks must not use it",
    c"the metadata was overwritten",
    c"blocks were still live",
    c"not supported on this target or in this build",
    c"there is no room now",
];

/// The last error of a call that had no allocator to keep it. Relaxed everywhere: a number, by which nothing is reached.
static LAST: AtomicI32 = AtomicI32::new(DET_OK as i32);

/// Keeps an error for NULL, and gives it back.
#[cold]
pub(crate) fn noted(error: det_error_t) -> det_error_t {
    LAST.store(error as i32, Relaxed);
    error
}

/// A handle as C gets it: null where there is none, and the error noted.
pub(crate) fn handle_or_null<T>(built: Result<*mut T, det_error_t>) -> *mut T {
    built.unwrap_or_else(|error| {
        noted(error);
        core::ptr::null_mut()
    })
}

/// Keeps the last error of an allocator.
pub(crate) struct LastError(AtomicI32);

impl LastError {
    pub(crate) const fn new() -> Self {
        Self(AtomicI32::new(DET_OK as i32))
    }

    #[cold]
    pub(crate) fn note(&self, error: det_error_t) -> det_error_t {
        // Relaxed: as above.
        self.0.store(error as i32, Relaxed);
        error
    }
}

/// From a number, as they are kept.
fn error_of(number: i32) -> det_error_t {
    const ALL: [det_error_t; 17] = [
        DET_OK,
        DET_ERR_INVALID_PARAM,
        DET_ERR_NULL,
        DET_ERR_NOT_INITIALIZED,
        DET_ERR_BUFFER_TOO_SMALL,
        DET_ERR_INVALID_CONFIG,
        DET_ERR_OUT_OF_MEMORY,
        DET_ERR_UNSUPPORTED_SIZE,
        DET_ERR_OVERFLOW,
        DET_ERR_FOREIGN_POINTER,
        DET_ERR_INTERIOR_POINTER,
        DET_ERR_DOUBLE_FREE,
        DET_ERR_BUSY,
        DET_ERR_CORRUPTED,
        DET_ERR_STILL_LIVE,
        DET_ERR_UNSUPPORTED,
        DET_ERR_FULL,
    ];
    usize::try_from(number).ok().and_then(|number| ALL.get(number)).copied().unwrap_or(DET_ERR_INVALID_PARAM)
}

pub(crate) fn of_alloc(error: AllocError) -> det_error_t {
    match error {
        AllocError::Exhausted { .. } => DET_ERR_OUT_OF_MEMORY,
        AllocError::Unsupported { .. } => DET_ERR_UNSUPPORTED_SIZE,
        AllocError::Busy => DET_ERR_BUSY,
        AllocError::Corrupt => DET_ERR_CORRUPTED,
    }
}

pub(crate) fn of_free(error: FreeError) -> det_error_t {
    match error {
        FreeError::Foreign => DET_ERR_FOREIGN_POINTER,
        FreeError::Interior | FreeError::Misaligned => DET_ERR_INTERIOR_POINTER,
        FreeError::DoubleFree => DET_ERR_DOUBLE_FREE,
        FreeError::Busy => DET_ERR_BUSY,
        FreeError::Overrun { .. } => DET_ERR_CORRUPTED,
    }
}

/// Says what an error number means: a static string, also for numbers that are no error's.
///
/// @param error A det_error_t, or any number.
/// @return The text.
///
/// Time: constant. Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn det_error_string(error: i32) -> *const c_char {
    let text = usize::try_from(error).ok().and_then(|number| TEXTS.get(number)).copied();
    text.unwrap_or(c"unknown error").as_ptr()
}

/// The version of the library, such as "0.1.0": a static string.
///
/// @return The text.
///
/// Time: constant. Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn det_version_string() -> *const c_char {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    VERSION.as_ptr().cast()
}

/// The last error of an allocator; for NULL, the last one of a call that had none, such as a refused `det_alloc_init`. A call
/// that succeeds leaves either as it is.
///
/// @param alloc The allocator, or NULL.
/// @return The error; `DET_ERR_NOT_INITIALIZED` for what is no allocator, which is the last one for NULL from then on.
///
/// Time: constant. Threads: any; the error may then be another thread's.
///
/// # Safety
/// (C1)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn det_last_error(alloc: *const det_allocator_t) -> det_error_t {
    if alloc.is_null() {
        return error_of(LAST.load(Relaxed));
    }
    // SAFETY: the caller's promise.
    match unsafe { det_allocator_t::open(alloc.cast_mut()) } {
        Ok(alloc) => error_of(alloc.last_error.0.load(Relaxed)),
        Err(error) => error,
    }
}
