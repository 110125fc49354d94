//! The specification's functions for memory outside of the buffers, of which there is none: kept so that programs that name some
//! compile and run.

use crate::error::{
    det_error_t::{self, *},
    noted,
};
use core::{
    ffi::c_void,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

/// As C's `malloc`.
pub type det_malloc_fn_t = Option<unsafe extern "C" fn(size: usize) -> *mut c_void>;

/// As C's `free`.
pub type det_free_fn_t = Option<unsafe extern "C" fn(block: *mut c_void)>;

/// An allocator was set up at some time. Relaxed: a fact by which nothing is reached.
static INITIALISED: AtomicBool = AtomicBool::new(false);

pub(crate) fn note_initialised() {
    INITIALISED.store(true, Relaxed);
}

/// Names functions for memory outside of the buffers. Nothing in this library needs such memory, so they are never called.
///
/// @param malloc_fn A function as malloc, or NULL.
/// @param free_fn A function as free, or NULL.
/// @return DET_OK or the error.
///
/// Errors: `DET_ERR_INVALID_PARAM` if one of them is NULL and the other is not; `DET_ERR_BUSY` after the first
/// `det_alloc_init`.
///
/// Time: constant. Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn det_set_internal_allocator(
    malloc_fn: det_malloc_fn_t,
    free_fn: det_free_fn_t,
) -> det_error_t {
    match (malloc_fn.is_some() == free_fn.is_some(), INITIALISED.load(Relaxed)) {
        (true, false) => DET_OK,
        (true, true) => noted(DET_ERR_BUSY),
        (false, _) => noted(DET_ERR_INVALID_PARAM),
    }
}
