//! A program with nothing of the allocator but allocate and free, checks and slow paths included, for the symbols of its
//! image to be added up. It is not meant to run: the heap is wherever somebody else says.
#![no_std]
#![no_main]

mod operations;
mod start;

use core::{alloc::Layout, hint::black_box, ptr::NonNull};
use detalloc::Heap;
use operations::{operation_allocate, operation_free};
use panic_halt as _;

fn main() -> ! {
    let heap: *mut Heap<'static> = black_box(core::ptr::null_mut());
    // SAFETY: never run; whoever ran it would have to put a heap there.
    let heap = unsafe { &mut *heap };
    let block = operation_allocate(heap, black_box(Layout::new::<u64>())).unwrap_or(NonNull::dangling());
    // SAFETY: never run, as above.
    let _ = black_box(unsafe { operation_free(heap, block) });
    loop {
        core::hint::spin_loop();
    }
}
