//! The implementations: the same for each trait.
//!
//! A layout without bytes gets no block, and nothing is given back for it: allocator-api2's `Box` gives values without
//! bytes back without having asked for them, at an address that on some targets is a block of somebody else.

use crate::{allocate::Allocate, error::FreeError, local::Local};
use core::{alloc::Layout, ptr, ptr::NonNull};

/// A block of exactly the size that was asked for: a larger one would be of use only to those who ask again.
#[inline]
fn allocate(mut heap: impl Allocate, layout: Layout) -> Option<NonNull<[u8]>> {
    let block = if layout.size() == 0 { nothing(layout) } else { heap.allocate(layout).ok()? };
    Some(NonNull::slice_from_raw_parts(block, layout.size()))
}

/// Stands for a block of no bytes.
#[inline]
fn nothing(layout: Layout) -> NonNull<u8> {
    // SAFETY: no alignment is zero.
    unsafe { NonNull::new_unchecked(ptr::without_provenance_mut(layout.align())) }
}

/// Gives a block back. A heap that is at work, whose observer this is, keeps it.
///
/// # Safety
/// The block is the heap's, was allocated with `layout`, and is the caller's, who gives it up.
#[inline]
unsafe fn deallocate(mut heap: impl Allocate, block: NonNull<u8>, layout: Layout) {
    if layout.size() != 0 {
        // SAFETY: the caller's promise.
        let freed = unsafe { heap.free_layout(block, layout) };
        debug_assert!(matches!(freed, Ok(()) | Err(FreeError::Busy)), "{freed:?}");
    }
}

/// Changes the size of a block, and its alignment.
///
/// # Safety
/// The block is the heap's, was allocated with `old`, and is the caller's, who gives it up if the result is another one.
#[inline]
unsafe fn resize(
    mut heap: impl Allocate + Copy,
    block: NonNull<u8>,
    old: Layout,
    new: Layout,
) -> Option<NonNull<[u8]>> {
    let moves = old.size() == 0 || new.size() == 0 || new.align() > old.align();
    if !moves {
        // SAFETY: the caller's promise.
        let moved = unsafe { heap.reallocate(block, old, new.size()) }.ok()?;
        return Some(NonNull::slice_from_raw_parts(moved, new.size()));
    }
    let moved = allocate(heap, new)?;
    // SAFETY: both hold so many bytes, and are different blocks if that is any; the old one is the caller's to give up.
    unsafe {
        block.copy_to_nonoverlapping(moved.cast(), old.size().min(new.size()));
        deallocate(heap, block, old);
    }
    Some(moved)
}

/// Fills a block with zeros behind its first `from` bytes.
///
/// # Safety
/// The block has at least so many bytes, and is the caller's.
#[inline]
unsafe fn zero(block: NonNull<[u8]>, from: usize) {
    // SAFETY: the caller's promise.
    unsafe { block.cast::<u8>().add(from).write_bytes(0, block.len() - from) };
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
            #[cfg(target_has_atomic = "ptr")]
            implement!(for [H: Allocate] crate::Spin<H>);
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
                let block = super::allocate(self, layout).ok_or(AllocError)?;
                // SAFETY: just allocated.
                unsafe { super::zero(block, 0) };
                Ok(block)
            }

            #[inline]
            unsafe fn deallocate(&self, block: NonNull<u8>, layout: Layout) {
                // SAFETY: the caller's promise.
                unsafe { super::deallocate(self, block, layout) };
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
                    super::zero(grown, old.size());
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
