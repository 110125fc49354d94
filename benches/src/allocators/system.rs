//! The rivals that take their memory from the system, called as their `GlobalAlloc` implementations call them. There is
//! one of each in the process.

use super::{Calls, Operation, Room, Subject};
use core::{
    alloc::{GlobalAlloc, Layout},
    ptr,
};
use std::alloc::System;

struct Global {
    allocate: Operation<*mut u8>,
    free: Operation<()>,
    /// How many bytes a live block has.
    usable_bytes: unsafe fn(*mut u8) -> usize,
}

// SAFETY: the two functions belong together and need no allocator.
unsafe impl Subject for Global {
    fn calls(&mut self, _: Layout) -> Calls {
        Calls { allocator: ptr::null_mut(), allocate: self.allocate, free: self.free }
    }

    fn usable_bytes(&self, block: *mut u8, _: Layout) -> Option<usize> {
        // SAFETY: live, and of this allocator.
        Some(unsafe { (self.usable_bytes)(block) })
    }
}

/// Defines the two functions of an allocator, its set-up, and the one that says how large a block is.
macro_rules! global {
    ($name:ident: |$size:ident, $align:ident| $allocate:expr; |$block:ident, $bytes:ident, $alignment:ident| $free:expr; $usable_bytes:path;) => {
        pub(super) fn $name(_: &Room) -> Box<dyn Subject> {
            /// # Safety
            /// Size and alignment are those of a layout that is not empty.
            #[inline(never)]
            unsafe extern "C-unwind" fn allocate(
                _: *mut (),
                _: *mut u8,
                $size: usize,
                $align: usize,
            ) -> *mut u8 {
                // SAFETY: the caller's promise.
                unsafe { $allocate.cast() }
            }
            /// # Safety
            /// The block is live and of this layout.
            #[inline(never)]
            unsafe extern "C-unwind" fn free(_: *mut (), block: *mut u8, $bytes: usize, $alignment: usize) {
                let $block = block.cast();
                // SAFETY: the caller's promise.
                _ = unsafe { $free };
            }
            /// # Safety
            /// The block is live.
            unsafe fn usable_bytes(block: *mut u8) -> usize {
                // SAFETY: the caller's promise.
                unsafe { $usable_bytes(block.cast()) }
            }
            Box::new(Global { allocate, free, usable_bytes })
        }
    };
}

global! {
    glibc: |size, align| System.alloc(Layout::from_size_align_unchecked(size, align));
    |block, size, align| System.dealloc(block, Layout::from_size_align_unchecked(size, align));
    libc::malloc_usable_size;
}

#[cfg(feature = "c-rivals")]
global! {
    mimalloc: |size, align| libmimalloc_sys::mi_malloc_aligned(size, align);
    |block, _size, _align| libmimalloc_sys::mi_free(block);
    libmimalloc_sys::mi_usable_size;
}

#[cfg(feature = "c-rivals")]
global! {
    jemalloc: |size, align| match jemalloc_flags(size, align) {
        0 => tikv_jemalloc_sys::malloc(size),
        flags => tikv_jemalloc_sys::mallocx(size, flags),
    };
    |block, size, align| tikv_jemalloc_sys::sdallocx(block, size, jemalloc_flags(size, align));
    tikv_jemalloc_sys::malloc_usable_size;
}

#[cfg(feature = "c-rivals")]
global! {
    snmalloc: |size, align| snmalloc_sys::sn_rust_alloc(align, size);
    |block, size, align| snmalloc_sys::sn_rust_dealloc(block, align, size);
    snmalloc_sys::sn_rust_usable_size;
}

/// The alignment as jemalloc wants to be told it, zero if it is what every block of the size has.
#[cfg(feature = "c-rivals")]
#[inline]
fn jemalloc_flags(size: usize, align: usize) -> core::ffi::c_int {
    if align <= 16 && align <= size { 0 } else { align.trailing_zeros().cast_signed() }
}
