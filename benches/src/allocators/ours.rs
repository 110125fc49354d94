//! The heap, checked and unchecked.

use super::{Calls, Region, Room, Subject};
use core::{alloc::Layout, ptr, ptr::NonNull};
use detalloc::{Allocate, Config, Heap};

/// A heap, and what its classes hold. The heap goes before its region.
struct Ours<H> {
    heap: H,
    config: Config,
    _region: Region,
}

/// The default build: checked, counted, borrowing.
pub(super) fn checked(room: &Room) -> Box<dyn Subject> {
    let config = room.config;
    let region = Region::new(config.bytes_needed());
    // SAFETY: lent to this heap only, which goes before the region.
    let heap = Heap::new(unsafe { region.lend() }, &config).expect("as large as it says");
    Box::new(Ours { heap, config, _region: region })
}

/// Without checks and high water.
pub(super) fn unchecked(room: &Room) -> Box<dyn Subject> {
    let config = room.config;
    let region = Region::new(config.bytes_needed());
    // SAFETY: lent to this heap only, which goes before the region. Replays give back only what they got, and once.
    let heap = unsafe { Heap::unchecked(region.lend(), &config) }.expect("as large as it says");
    Box::new(Ours { heap, config, _region: region })
}

// SAFETY: the two functions are those of this type of heap.
unsafe impl<H: Allocate> Subject for Ours<H> {
    fn calls(&mut self, _: Layout) -> Calls {
        Calls { allocator: (&raw mut self.heap).cast(), allocate: allocate::<H>, free: free::<H> }
    }

    fn usable_bytes(&self, block: *mut u8, _: Layout) -> Option<usize> {
        self.heap.usable_bytes(NonNull::new(block)?).ok()
    }

    fn is_borrowed(&self, block: *mut u8, layout: Layout) -> bool {
        let fits = |bytes: usize| bytes >= layout.size() && bytes.is_multiple_of(layout.align());
        let home = self.config.pools().iter().map(|pool| pool.block_bytes).find(|&bytes| fits(bytes));
        self.usable_bytes(block, layout) != home
    }
}

/// # Safety
/// The allocator is an `H`, and size and alignment are those of a layout.
#[inline(never)]
unsafe extern "C-unwind" fn allocate<H: Allocate>(
    heap: *mut (),
    _: *mut u8,
    size: usize,
    align: usize,
) -> *mut u8 {
    // SAFETY: the caller's promise.
    let (heap, layout) = unsafe { (&mut *heap.cast::<H>(), Layout::from_size_align_unchecked(size, align)) };
    heap.allocate(layout).map_or(ptr::null_mut(), NonNull::as_ptr)
}

/// # Safety
/// The allocator is an `H`, and the block is live and its own.
#[inline(never)]
unsafe extern "C-unwind" fn free<H: Allocate>(heap: *mut (), block: *mut u8, _: usize, _: usize) {
    // SAFETY: the caller's promise.
    _ = unsafe { (*heap.cast::<H>()).free(NonNull::new_unchecked(block)) };
}
