//! Zeroed blocks, arrays, and blocks that change their size: conveniences over allocate and free.

use crate::{
    error::{AllocError, FreeError, ResizeError},
    heap::Heap,
};
use core::{alloc::Layout, mem::MaybeUninit, ptr::NonNull};

impl Heap<'_> {
    /// Allocates a block for this layout whose first `layout.size()` bytes are zero.
    ///
    /// # Errors
    /// As [`Heap::allocate`].
    ///
    /// # Time complexity
    /// Constant, and linear in the size for the zeroing.
    #[inline]
    pub fn allocate_zeroed(&mut self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        let block = self.allocate(layout)?;
        // SAFETY: a live block of at least this many bytes that nobody else has.
        unsafe { block.write_bytes(0, layout.size()) };
        Ok(block)
    }

    /// Allocates a block for `len` values of a type.
    ///
    /// # Errors
    /// As [`Heap::allocate`]; a length whose size exceeds the address space is [`AllocError::Unsupported`].
    ///
    /// # Time complexity
    /// Constant.
    #[inline]
    pub fn allocate_array<T>(&mut self, len: usize) -> Result<NonNull<[MaybeUninit<T>]>, AllocError> {
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
    pub unsafe fn reallocate(
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
