//! The two operations whose instructions are counted and whose size is told, each a function of its own.

use core::{alloc::Layout, mem::transmute, ptr::NonNull};
use detalloc::{Allocate, FreeError, Heap};

/// Allocates. Null: refused.
#[unsafe(no_mangle)]
#[inline(never)]
#[allow(improper_ctypes_definitions, reason = "two words in their order, whatever they mean")]
pub extern "C" fn operation_allocate(heap: &mut Heap<'_>, layout: Layout) -> Option<NonNull<u8>> {
    heap.allocate(layout).ok()
}

/// Frees: the result as it lies in memory.
///
/// # Safety
/// As [`Allocate::free`].
#[unsafe(no_mangle)]
#[inline(never)]
pub unsafe extern "C" fn operation_free(heap: &mut Heap<'_>, block: NonNull<u8>) -> u64 {
    // SAFETY: the caller's promise.
    let freed = unsafe { heap.free(block) };
    // SAFETY: of that size, and its caller looks at none of it.
    unsafe { transmute::<Result<(), FreeError>, u64>(freed) }
}
