//! Arenas: buffers of one callback, given back together.

use crate::{
    error::{
        det_error_t::{self, *},
        handle_or_null, noted,
    },
    sealed::{self, InBuffer, Sealed},
};
use core::{alloc::Layout, cell::UnsafeCell, ffi::c_void, ptr};
use detalloc::Arena;

/// An arena in a buffer of the caller's.
pub struct det_arena_t(
    #[expect(dead_code, reason = "only its address is used, as that of what lies behind the seal")]
    InBuffer<Lent>,
);

struct Lent(UnsafeCell<Arena<'static>>);

impl Sealed for Lent {
    const MARK: usize = 0x0DE7_A3EB;
}

/// # Safety
/// (C1, C3)
unsafe fn open<'a>(arena: *const det_arena_t) -> Result<&'a mut Arena<'static>, det_error_t> {
    // SAFETY: the caller's promise: nobody else has it now.
    unsafe { sealed::open::<Lent>(arena.cast_mut().cast()).map(|lent| &mut *lent.0.get()) }
}

/// Sets up an arena in a buffer of any alignment.
///
/// @param buffer The memory.
/// @param size Its size in bytes.
/// @return The arena, inside the buffer, or NULL.
///
/// Errors: NULL, and as `det_last_error(NULL)` `DET_ERR_NULL`, `DET_ERR_INVALID_PARAM` for a size that no object has, or
/// `DET_ERR_BUFFER_TOO_SMALL`.
///
/// Time: linear in the size of the buffer. Threads: any, each with a buffer of its own.
///
/// # Safety
/// (C1), and the buffer is nobody else's until the arena is destroyed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn det_arena_init(buffer: *mut c_void, size: usize) -> *mut det_arena_t {
    // SAFETY: the caller's promise.
    let lent = unsafe { sealed::lent(buffer, size) };
    handle_or_null(
        lent.map(|(place, rest)| sealed::put(place, Lent(UnsafeCell::new(Arena::new(rest)))).cast()),
    )
}

/// Takes the next bytes of an arena, aligned to `align`, a power of two.
///
/// @param arena The arena.
/// @param size The bytes that are asked for.
/// @param align The alignment in bytes.
/// @return The memory, or NULL.
///
/// Errors: NULL, and as `det_last_error(NULL)` `DET_ERR_NULL`, `DET_ERR_NOT_INITIALIZED`, `DET_ERR_INVALID_PARAM` for an
/// impossible size or alignment, or `DET_ERR_FULL`.
///
/// Time: constant. Threads: one at a time.
///
/// # Safety
/// (C1)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn det_arena_alloc(arena: *mut det_arena_t, size: usize, align: usize) -> *mut c_void {
    // SAFETY: the caller's promise.
    let Ok(arena) = (unsafe { open(arena) }) else { return ptr::null_mut() };
    let result = match Layout::from_size_align(size, align) {
        Ok(layout) => arena.allocate(layout).map_err(|_| DET_ERR_FULL),
        Err(_) => Err(DET_ERR_INVALID_PARAM),
    };
    match result {
        Ok(start) => start.as_ptr().cast(),
        Err(error) => {
            noted(error);
            ptr::null_mut()
        }
    }
}

/// Takes everything back at once.
///
/// @param arena The arena.
/// @return DET_OK or the error.
///
/// Errors: `DET_ERR_NULL`, `DET_ERR_NOT_INITIALIZED`.
///
/// Time: constant. Threads: one at a time.
///
/// # Safety
/// (C1), and nobody uses what was handed out.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn det_arena_reset(arena: *mut det_arena_t) -> det_error_t {
    // SAFETY: the caller's promise.
    unsafe { open(arena) }.map_or_else(
        |error| error,
        |arena| {
            arena.reset();
            DET_OK
        },
    )
}

/// How many bytes are taken, alignment included; 0 for what is no arena.
///
/// @param arena The arena.
/// @return The bytes.
///
/// Time: constant. Threads: one at a time.
///
/// # Safety
/// (C1)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn det_arena_used(arena: *const det_arena_t) -> usize {
    // SAFETY: the caller's promise.
    unsafe { open(arena) }.map_or(0, |arena| arena.used_bytes())
}

/// The most bytes ever taken at once; 0 for what is no arena.
///
/// @param arena The arena.
/// @return The bytes.
///
/// Time: constant. Threads: one at a time.
///
/// # Safety
/// (C1)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn det_arena_peak(arena: *const det_arena_t) -> usize {
    // SAFETY: the caller's promise.
    unsafe { open(arena) }.map_or(0, |arena| arena.high_water_bytes())
}

/// Ends an arena: its buffer is the caller's again.
///
/// @param arena The arena.
/// @return DET_OK or the error.
///
/// Errors: `DET_ERR_NULL`, `DET_ERR_NOT_INITIALIZED`.
///
/// Time: constant. Threads: one at a time.
///
/// # Safety
/// (C1), and nobody uses what was handed out.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn det_arena_destroy(arena: *mut det_arena_t) -> det_error_t {
    // SAFETY: the caller's promise.
    unsafe { sealed::end(arena.cast::<InBuffer<Lent>>()) }
}
