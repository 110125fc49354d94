//! The rivals that work in a region.

use super::{Calls, Operation, Region, Room, Subject};
use ::talc::{DefaultBinning, base::Talc, source::Manual};
use core::{alloc::Layout, mem::MaybeUninit, ptr, ptr::NonNull};
use rlsf::Tlsf;

/// TLSF with two levels of 28 and 32 lists.
type Rlsf = Tlsf<'static, u32, u32, 28, 32>;

/// An allocator and its two functions. The allocator goes before its region.
struct Arena<A> {
    allocator: A,
    _region: Region,
    allocate: Operation<*mut u8>,
    free: Operation<()>,
    /// How many bytes a block of a layout has, where that is documented.
    usable_bytes: fn(Layout) -> Option<usize>,
}

// SAFETY: the two functions are those of the allocator.
unsafe impl<A> Subject for Arena<A> {
    fn calls(&mut self, _: Layout) -> Calls {
        let allocator = (&raw mut self.allocator).cast();
        Calls { allocator, allocate: self.allocate, free: self.free }
    }

    fn usable_bytes(&self, _: *mut u8, layout: Layout) -> Option<usize> {
        (self.usable_bytes)(layout)
    }
}

/// Defines the two functions of an allocator, how much its metadata takes of a region, its set-up in one, and the size of blocks.
macro_rules! arena {
    (
        $name:ident: $type:ty, $metadata:expr, $new:expr;
        |$one:ident, $layout:ident| $allocate:expr;
        |$two:ident, $block:ident, $freed:ident| $free:expr;
        $usable_bytes:expr;
    ) => {
        pub(super) fn $name(room: &Room) -> Box<dyn Subject> {
            /// # Safety
            /// The allocator is one of this type, and size and alignment are those of a layout.
            #[inline(never)]
            unsafe extern "C-unwind" fn allocate(
                a: *mut (),
                _: *mut u8,
                size: usize,
                align: usize,
            ) -> *mut u8 {
                // SAFETY: the caller's promise.
                unsafe {
                    let ($one, $layout) =
                        (&mut *a.cast::<$type>(), Layout::from_size_align_unchecked(size, align));
                    $allocate.map_or(ptr::null_mut(), NonNull::as_ptr)
                }
            }
            /// # Safety
            /// As above, and the block is live and of this layout.
            #[inline(never)]
            unsafe extern "C-unwind" fn free(a: *mut (), block: *mut u8, size: usize, align: usize) {
                // SAFETY: the caller's promise.
                unsafe {
                    let ($two, $freed) =
                        (&mut *a.cast::<$type>(), Layout::from_size_align_unchecked(size, align));
                    let $block = NonNull::new_unchecked(block);
                    $free
                }
            }
            let region = Region::new(room.arena_bytes + $metadata);
            // SAFETY: lent to this allocator only, which goes before the region.
            let allocator: $type = $new(unsafe { region.lend() });
            Box::new(Arena { allocator, _region: region, allocate, free, usable_bytes: $usable_bytes })
        }
    };
}

arena! {
    rlsf: Rlsf, 0, |region| {
        let mut tlsf = Rlsf::new();
        tlsf.insert_free_block(region);
        tlsf
    };
    |tlsf, layout| tlsf.allocate(layout);
    |tlsf, block, layout| tlsf.deallocate(block, layout.align());
    |_| None;
}

arena! {
    talc: Talc<Manual, DefaultBinning>, ::talc::min_first_heap_size::<DefaultBinning>(),
    |region: &mut [MaybeUninit<u8>]| {
        let mut talc = Talc::new(Manual);
        // SAFETY: the memory is nobody else's.
        unsafe { talc.claim(region.as_mut_ptr().cast(), region.len()) }.expect("large enough");
        talc
    };
    |talc, layout| talc.allocate(layout);
    |talc, block, layout| talc.deallocate(block.as_ptr(), layout);
    |_| None;
}

arena! {
    linked_list: linked_list_allocator::Heap, 0, linked_list_allocator::Heap::from_slice;
    |heap, layout| heap.allocate_first_fit(layout).ok();
    |heap, block, layout| heap.deallocate(block, layout);
    |layout| Some(layout.size().next_multiple_of(size_of::<usize>()).max(2 * size_of::<usize>()));
}

arena! {
    buddy: buddy_system_allocator::Heap<32>, 0, |region: &mut [MaybeUninit<u8>]| {
        let mut heap = buddy_system_allocator::Heap::new();
        // SAFETY: the memory is nobody else's.
        unsafe { heap.init(region.as_mut_ptr().expose_provenance(), region.len()) };
        heap
    };
    |heap, layout| heap.alloc(layout).ok();
    |heap, block, layout| heap.dealloc(block, layout);
    |layout| Some(layout.size().next_power_of_two().max(layout.align()));
}
