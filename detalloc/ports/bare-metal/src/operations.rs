//! The two operations whose instructions are counted and whose size is told, each a function of its own.

use core::{alloc::Layout, ptr::NonNull};
use detalloc::{Allocate, FreeError, Heap};

/// Allocates.
#[unsafe(no_mangle)]
#[inline(never)]
pub fn operation_allocate(heap: &mut Heap<'_>, layout: Layout) -> Option<NonNull<u8>> {
    heap.allocate(layout).ok()
}

/// Frees.
///
/// # Safety
/// As [`Allocate::free`].
#[unsafe(no_mangle)]
#[inline(never)]
pub unsafe fn operation_free(heap: &mut Heap<'_>, block: NonNull<u8>) -> Result<(), FreeError> {
    // SAFETY: the caller's promise.
    unsafe { heap.free(block) }
}
