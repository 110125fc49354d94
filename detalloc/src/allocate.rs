//! What every heap of this crate does, whichever way it is shared, watched or guarded: so that layers stack, and code
//! that needs a heap need not name which.

use crate::error::{AllocError, FreeError, ResizeError};
use core::{alloc::Layout, mem::MaybeUninit, ptr::NonNull};

/// A heap: gives out blocks and takes them back.
///
/// # Safety
/// An allocated block is at least as large and as aligned as its layout says, belongs to nobody else until it is freed,
/// and stays valid when the heap itself moves, until it is dropped; no safe code that has only a shared reference to the
/// heap ends it or puts another in its place. No operation unwinds.
pub unsafe trait Allocate {
    /// Allocates a block for this layout. A layout of no bytes gets a block too. The contents are whatever they were.
    ///
    /// # Errors
    /// [`AllocError::Unsupported`] if and only if no pool has blocks that large and that aligned (to at most 4096
    /// bytes); [`AllocError::Exhausted`] if and only if the class, and every larger one where borrowing is allowed,
    /// has no free block, where one that another thread is just giving back may not count yet;
    /// [`AllocError::Corrupt`] if the metadata led past its end. Nothing has changed then, but for the count of
    /// refusals.
    ///
    /// # Time complexity
    /// Constant: no loop, and the same instructions whatever the history. A class that has run dry takes a second path
    /// without a loop that is not bounded by a constant, which adopts blocks that other threads have freed or borrows
    /// from a larger class.
    fn allocate(&mut self, layout: Layout) -> Result<NonNull<u8>, AllocError>;

    /// Gives a block back by its address alone.
    ///
    /// # Errors
    /// Refused, with nothing changed, if and only if `block` is not the start of a live block of this heap:
    /// [`FreeError::Foreign`] outside of it, [`FreeError::Interior`] or [`FreeError::Misaligned`] inside a block,
    /// [`FreeError::DoubleFree`] when the block is free already.
    ///
    /// # Time complexity
    /// Constant: no loop.
    ///
    /// # Safety
    /// Nothing may use the block afterwards, and if it is live it is the caller's to free.
    unsafe fn free(&mut self, block: NonNull<u8>) -> Result<(), FreeError>;

    /// How many bytes the block holds: the block size of its pool.
    ///
    /// # Errors
    /// As [`Allocate::free`]; [`FreeError::DoubleFree`] stands for a block that is free.
    ///
    /// # Time complexity
    /// Constant.
    fn usable_bytes(&self, block: NonNull<u8>) -> Result<usize, FreeError>;

    /// Gives a block back that was allocated for this layout; where a heap can, it finds the pool by
    /// the layout.
    ///
    /// # Errors
    /// As [`Allocate::free`]. A layout other than the one the block was allocated for does no harm.
    ///
    /// # Time complexity
    /// Constant: no loop.
    ///
    /// # Safety
    /// As [`Allocate::free`].
    #[inline]
    unsafe fn free_layout(&mut self, block: NonNull<u8>, _layout: Layout) -> Result<(), FreeError> {
        // SAFETY: the caller's promise is the same.
        unsafe { self.free(block) }
    }

    /// Allocates a block for this layout whose first `layout.size()` bytes are zero.
    ///
    /// # Errors
    /// As [`Allocate::allocate`].
    ///
    /// # Time complexity
    /// Constant, and linear in the size for the zeroing.
    #[inline]
    fn allocate_zeroed(&mut self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        let block = self.allocate(layout)?;
        // SAFETY: a live block of at least this many bytes that nobody else has.
        unsafe { block.write_bytes(0, layout.size()) };
        Ok(block)
    }

    /// Allocates a block for `len` values of a type.
    ///
    /// # Errors
    /// As [`Allocate::allocate`]; a length whose size exceeds the address space is [`AllocError::Unsupported`].
    ///
    /// # Time complexity
    /// Constant.
    #[inline]
    fn allocate_array<T>(&mut self, len: usize) -> Result<NonNull<[MaybeUninit<T>]>, AllocError> {
        let Ok(layout) = Layout::array::<T>(len) else {
            return Err(AllocError::Unsupported { size_bytes: usize::MAX, align_bytes: align_of::<T>() });
        };
        Ok(NonNull::slice_from_raw_parts(self.allocate(layout)?.cast(), len))
    }

    /// Changes the size of a block to `new_bytes`, at the alignment of `layout`: in place where the block has room, and
    /// otherwise by moving the contents to another one. The part that `layout` and the new size share keeps its
    /// contents; what is beyond is whatever it was.
    ///
    /// A block is not moved to a smaller class when it shrinks: that would cost a copy, and the block would not become
    /// two.
    ///
    /// # Errors
    /// [`ResizeError::Block`] if and only if `block` is not the start of a live block of this heap, and
    /// [`ResizeError::Memory`] if and only if it has to move and nothing serves the new size. The block is as it was
    /// then.
    ///
    /// # Time complexity
    /// Constant in place; linear in the old size when it moves.
    ///
    /// # Safety
    /// The block was allocated for `layout` and is the caller's. When the result is another block, the old one is gone.
    unsafe fn reallocate(
        &mut self,
        block: NonNull<u8>,
        layout: Layout,
        new_bytes: usize,
    ) -> Result<NonNull<u8>, ResizeError> {
        if new_bytes <= self.usable_bytes(block).map_err(ResizeError::Block)? {
            return Ok(block);
        }
        let unsupported = AllocError::Unsupported { size_bytes: new_bytes, align_bytes: layout.align() };
        let larger = Layout::from_size_align(new_bytes, layout.align())
            .map_err(|_| ResizeError::Memory(unsupported))?;
        let moved = self.allocate(larger).map_err(ResizeError::Memory)?;
        // SAFETY: both blocks are live, they differ, and the new one is the larger.
        unsafe { block.copy_to_nonoverlapping(moved, layout.size()) };
        // SAFETY: the caller gives the old block up.
        let freed = unsafe { self.free(block) };
        debug_assert_eq!(freed, Ok::<_, FreeError>(()));
        Ok(moved)
    }
}
