//! A heap that several owners of one thread share, such as the collections that live in it.

use crate::{
    allocate::Allocate,
    error::{AllocError, FreeError, ResizeError},
};
use core::{alloc::Layout, cell::RefCell, fmt, ptr::NonNull};

/// A heap behind shared references, for one thread. `&Local` is a heap itself, and the allocator of collections where a
/// feature for their allocator trait is on ([`interop`](crate::interop)).
///
/// An operation costs what the heap's does and a flag that says whether the heap is at work: one that comes from within the
/// heap, out of an observer, is refused as [`AllocError::Busy`] and [`FreeError::Busy`].
///
/// It stays on its thread while references to it are there:
/// ```compile_fail
/// use detalloc::{Config, Heap, Local};
/// let mut region = [core::mem::MaybeUninit::uninit(); Config::DEFAULT.bytes_needed()];
/// let heap = Local::new(Heap::new(&mut region, &Config::DEFAULT).unwrap());
/// std::thread::scope(|scope| { scope.spawn(|| heap.with(|heap| heap.live_blocks())); });
/// ```
pub struct Local<H> {
    heap: RefCell<H>,
}

impl<H> Local<H> {
    /// Shares a heap.
    #[must_use]
    pub const fn new(heap: H) -> Self {
        Self { heap: RefCell::new(heap) }
    }

    /// Looks at the heap, unless it is at work.
    pub fn with<R>(&self, look: impl FnOnce(&H) -> R) -> Option<R> {
        self.heap.try_borrow().ok().map(|heap| look(&heap))
    }

    /// The heap, while nobody shares it.
    pub fn get_mut(&mut self) -> &mut H {
        self.heap.get_mut()
    }

    /// The heap again.
    pub fn into_inner(self) -> H {
        self.heap.into_inner()
    }
}

// SAFETY: blocks are the inner heap's. It is reached as `&mut` by its operations alone, one at a time, or when nobody
// shares it; so nothing puts another in its place while there are blocks of those who share it.
unsafe impl<H: Allocate> Allocate for &Local<H> {
    #[inline]
    fn allocate(&mut self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        self.heap.try_borrow_mut().map_err(|_| AllocError::Busy)?.allocate(layout)
    }

    #[inline]
    unsafe fn free(&mut self, block: NonNull<u8>) -> Result<(), FreeError> {
        let mut heap = self.heap.try_borrow_mut().map_err(|_| FreeError::Busy)?;
        // SAFETY: the caller's promise is the same.
        unsafe { heap.free(block) }
    }

    #[inline]
    fn usable_bytes(&self, block: NonNull<u8>) -> Result<usize, FreeError> {
        self.heap.try_borrow().map_err(|_| FreeError::Busy)?.usable_bytes(block)
    }

    #[inline]
    unsafe fn free_layout(&mut self, block: NonNull<u8>, layout: Layout) -> Result<(), FreeError> {
        let mut heap = self.heap.try_borrow_mut().map_err(|_| FreeError::Busy)?;
        // SAFETY: the caller's promise is the same.
        unsafe { heap.free_layout(block, layout) }
    }

    #[inline]
    unsafe fn reallocate(
        &mut self,
        block: NonNull<u8>,
        layout: Layout,
        new_bytes: usize,
    ) -> Result<NonNull<u8>, ResizeError> {
        let mut heap = self.heap.try_borrow_mut().map_err(|_| ResizeError::Block(FreeError::Busy))?;
        // SAFETY: the caller's promise is the same.
        unsafe { heap.reallocate(block, layout, new_bytes) }
    }
}

impl<H: fmt::Debug> fmt::Debug for Local<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Local").field(&self.heap).finish()
    }
}
