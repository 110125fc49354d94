//! Frees from other threads.

use crate::{
    allocator::{Mode, det_allocator_t},
    error::det_error_t::{self, *},
};
use core::ffi::c_void;

/// Gives a block back from any thread, beside the one that allocates. The owner has it again once it adopts it, which it
/// does by itself when a class runs dry. No hook hears of it, and hooks may do it too.
///
/// @param alloc The allocator.
/// @param block The block, or NULL.
/// @return DET_OK or the error.
///
/// Errors, with nothing changed: `DET_ERR_NULL` and `DET_ERR_NOT_INITIALIZED` for the allocator;
/// `DET_ERR_FOREIGN_POINTER`, `DET_ERR_INTERIOR_POINTER` and `DET_ERR_DOUBLE_FREE` if and only if `block` is not the
/// start of a live block of it, where only a second free at the very moment at which the owner takes over the first one can
/// go unseen; `DET_ERR_UNSUPPORTED`, whatever the block is, on targets without atomic exchanges.
///
/// Time: constant, wait-free on x86-64 and on AArch64 with LSE. Threads: any.
///
/// # Safety
/// (C1), and the block is the caller's to free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn det_remote_free(alloc: *mut det_allocator_t, block: *mut c_void) -> det_error_t {
    // SAFETY: the caller's promise.
    let opened = match unsafe { det_allocator_t::open(alloc) } {
        Ok(opened) => opened,
        Err(error) => return error,
    };
    #[cfg(target_has_atomic = "ptr")]
    {
        let Some(block) = core::ptr::NonNull::new(block.cast::<u8>()) else { return DET_OK };
        // SAFETY: the caller's promise, in both.
        let freed = unsafe {
            match &opened.mode {
                Mode::Owned(owned) => owned.remote.free(block),
                Mode::Shared(heap) => heap.free(block),
            }
        };
        freed.map_or_else(|error| opened.last_error.note(crate::error::of_free(error)), |()| DET_OK)
    }
    #[cfg(not(target_has_atomic = "ptr"))]
    {
        let _ = block;
        opened.last_error.note(DET_ERR_UNSUPPORTED)
    }
}

/// Takes over blocks that other threads have freed, of at most `groups` groups: how many blocks. At a quiet moment this keeps
/// an allocation from having to. With W bits in a word a group is W blocks; in pools of more than W^2 blocks it is W^2, and
/// in pools of more than W^3 it is W^3.
///
/// @param alloc The allocator.
/// @param groups The most groups of blocks to take over.
/// @return How many blocks came home.
///
/// Errors: 0, as for no blocks; a `thread_safe` allocator has none to take over.
///
/// Time: linear in `groups`. Threads: as `det_alloc`.
///
/// # Safety
/// (C1)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn det_adopt_remote_frees(alloc: *mut det_allocator_t, groups: usize) -> usize {
    // SAFETY: the caller's promise.
    let Ok(alloc) = (unsafe { det_allocator_t::open(alloc) }) else { return 0 };
    match &alloc.mode {
        Mode::Owned(owned) if !alloc.ways.is_barred() => {
            // SAFETY: (C3, C4) nobody else has the heap.
            unsafe { &mut *owned.heap.get() }.adopt_remote_frees(groups)
        }
        _ => 0,
    }
}
