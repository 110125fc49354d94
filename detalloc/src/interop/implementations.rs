//! The implementations: the same for each trait.

use crate::{allocate::Allocate, local::Local};
use core::{alloc::Layout, ptr::NonNull};

/// A block of exactly the size that was asked for: a larger one would be of use only to those who ask again.
#[inline]
fn allocate(mut heap: impl Allocate, layout: Layout) -> Option<NonNull<[u8]>> {
    let block = heap.allocate(layout).ok()?;
    Some(NonNull::slice_from_raw_parts(block, layout.size()))
}

/// Changes the size of a block, and its alignment.
///
/// # Safety
/// The block is the heap's, was allocated with `old`, and is the caller's.
#[inline]
unsafe fn resize(
    mut heap: impl Allocate,
    block: NonNull<u8>,
    old: Layout,
    new: Layout,
) -> Option<NonNull<[u8]>> {
    let moved = if new.align() <= old.align() {
        // SAFETY: the caller's promise.
        unsafe { heap.reallocate(block, old, new.size()) }.ok()?
    } else {
        let moved = heap.allocate(new).ok()?;
        // SAFETY: both blocks are live and hold so many bytes; the old one is the caller's, who gives it up.
        unsafe {
            block.copy_to_nonoverlapping(moved, old.size().min(new.size()));
            let freed = heap.free_layout(block, old);
            debug_assert!(freed.is_ok(), "{freed:?}");
        }
        moved
    };
    Some(NonNull::slice_from_raw_parts(moved, new.size()))
}

/// Fills what a block has gained with zeros.
///
/// # Safety
/// The block has `new` bytes, and is the caller's.
#[inline]
unsafe fn zero_from(block: NonNull<[u8]>, old: Layout, new: Layout) {
    // SAFETY: the caller's promise.
    unsafe { block.cast::<u8>().add(old.size()).write_bytes(0, new.size() - old.size()) };
}

/// Implements one of the traits, which differ in nothing but their place, for our heaps.
macro_rules! implement {
    ($(#[$attribute:meta] mod $module:ident($($trait_path:tt)+);)+) => {$(
        #[$attribute]
        mod $module {
            use super::{Layout, Local, NonNull};
            use crate::allocate::Allocate;
            use $($trait_path)+::{AllocError, Allocator};

            implement!(for [H: Allocate] Local<H>);
            #[cfg(target_has_atomic = "ptr")]
            implement!(for ['r] crate::SharedHeap<'r>);
        }
    )+};
    (for [$($generics:tt)+] $heap:ty) => {
        // SAFETY: blocks stay valid until they are freed, wherever the heap moves; references to it are the same heap.
        unsafe impl<$($generics)+> Allocator for $heap {
            #[inline]
            fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
                super::allocate(self, layout).ok_or(AllocError)
            }

            #[inline]
            fn allocate_zeroed(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
                let mut heap = self;
                let block = Allocate::allocate_zeroed(&mut heap, layout).map_err(|_| AllocError)?;
                Ok(NonNull::slice_from_raw_parts(block, layout.size()))
            }

            #[inline]
            unsafe fn deallocate(&self, block: NonNull<u8>, layout: Layout) {
                let mut heap = self;
                // SAFETY: the caller's promise. A heap that is at work keeps the block.
                let freed = unsafe { Allocate::free_layout(&mut heap, block, layout) };
                debug_assert!(freed.is_ok(), "{freed:?}");
            }

            #[inline]
            unsafe fn grow(&self, block: NonNull<u8>, old: Layout, new: Layout) -> Result<NonNull<[u8]>, AllocError> {
                // SAFETY: the caller's promise.
                unsafe { super::resize(self, block, old, new) }.ok_or(AllocError)
            }

            #[inline]
            unsafe fn grow_zeroed(
                &self,
                block: NonNull<u8>,
                old: Layout,
                new: Layout,
            ) -> Result<NonNull<[u8]>, AllocError> {
                // SAFETY: the caller's promise, which includes that the new size is no smaller.
                unsafe {
                    let grown = super::resize(self, block, old, new).ok_or(AllocError)?;
                    super::zero_from(grown, old, new);
                    Ok(grown)
                }
            }

            #[inline]
            unsafe fn shrink(&self, block: NonNull<u8>, old: Layout, new: Layout) -> Result<NonNull<[u8]>, AllocError> {
                // SAFETY: the caller's promise.
                unsafe { super::resize(self, block, old, new) }.ok_or(AllocError)
            }
        }
    };
}

implement! {
    #[cfg(feature = "allocator-api2")]
    mod allocator_api2_02(::allocator_api2_02::alloc);
    #[cfg(feature = "allocator-api2-03")]
    mod allocator_api2_03(::allocator_api2_03::alloc);
    #[cfg(feature = "allocator-api2-04")]
    mod allocator_api2_04(::allocator_api2_04::alloc);
    #[cfg(feature = "nightly")]
    mod nightly(core::alloc);
}
