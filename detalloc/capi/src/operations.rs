//! Allocating and freeing.

use crate::{
    allocator::{Allocator, Mode, det_allocator_t},
    clock,
    error::{
        det_error_t::{self, *},
        of_alloc, of_free,
    },
    hooks,
};
use core::{
    alloc::Layout,
    cell::UnsafeCell,
    ffi::c_void,
    ptr::{self, NonNull},
};
use detalloc::{Allocate, Heap};

/// What every block is aligned to at least: as C's `malloc`.
const ALIGN_BYTES: usize = 16;

impl Allocator {
    #[inline]
    fn with<R>(&self, operation: impl FnOnce(&mut dyn_heap::Either<'_>) -> R) -> R {
        match &self.mode {
            // SAFETY: (C3, C4) nobody else has it now.
            Mode::Owned(owned) => operation(&mut dyn_heap::Either::Owned(unsafe { &mut *owned.heap.get() })),
            #[cfg(target_has_atomic = "ptr")]
            Mode::Shared(heap) => operation(&mut dyn_heap::Either::Shared(heap)),
        }
    }

    /// The heap, where nothing is to be done beside: the short way.
    #[inline]
    fn short(&self, hook: &hooks::Slot) -> Option<&UnsafeCell<Heap<'static>>> {
        match &self.mode {
            Mode::Owned(owned) if self.ways.is_short() && !hook.is_set() => Some(&owned.heap),
            _ => None,
        }
    }

    /// Not inlined: `det_alloc` and `det_free` have the short way of their own.
    #[inline(never)]
    fn allocate(&self, layout: Layout) -> Result<NonNull<u8>, det_error_t> {
        if self.ways.is_barred() {
            return Err(DET_ERR_BUSY);
        }
        let start = if self.ways.has_stats() { clock::now() } else { 0 };
        let result = self.with(|heap| heap.allocate(layout));
        if self.ways.has_stats() {
            self.counts.allocate.note(start, result.is_ok(), self.ways.is_shared());
        }
        let block = result.map_err(of_alloc)?;
        if let Some((hook, userdata)) = hooks::ALLOCATED.get() {
            self.ways.while_busy(|| hooks::call_allocated(hook, block.as_ptr(), layout.size(), userdata));
        }
        Ok(block)
    }

    /// # Safety
    /// As [`Allocate::free`].
    #[inline(never)]
    unsafe fn free(&self, block: NonNull<u8>) -> Result<(), det_error_t> {
        if self.ways.is_barred() {
            return Err(DET_ERR_BUSY);
        }
        let start = if self.ways.has_stats() { clock::now() } else { 0 };
        // SAFETY: the caller's promise.
        let result = self.with(|heap| unsafe { heap.free(block) });
        if self.ways.has_stats() {
            self.counts.free.note(start, result.is_ok(), self.ways.is_shared());
        }
        result.map_err(of_free)?;
        if let Some((hook, userdata)) = hooks::FREED.get() {
            self.ways.while_busy(|| hooks::call_freed(hook, block.as_ptr(), userdata));
        }
        Ok(())
    }

    /// A block as C wants it: null where there is none.
    #[inline]
    fn give(&self, block: Result<NonNull<u8>, det_error_t>) -> *mut c_void {
        match block {
            Ok(block) => block.as_ptr().cast(),
            Err(error) => {
                self.last_error.note(error);
                ptr::null_mut()
            }
        }
    }

    fn array(&self, count: usize, size: usize, align: usize) -> Result<NonNull<u8>, det_error_t> {
        if !align.is_power_of_two() {
            return Err(DET_ERR_INVALID_PARAM);
        }
        let bytes = count.checked_mul(size).ok_or(DET_ERR_OVERFLOW)?;
        self.allocate(layout(bytes, align.max(ALIGN_BYTES))?)
    }
}

/// The heap of an allocator, whichever it is.
mod dyn_heap {
    use core::{alloc::Layout, ptr::NonNull};
    #[cfg(target_has_atomic = "ptr")]
    use detalloc::SharedHeap;
    use detalloc::{AllocError, Allocate, FreeError, Heap};

    pub(super) enum Either<'a> {
        Owned(&'a mut Heap<'static>),
        #[cfg(target_has_atomic = "ptr")]
        Shared(&'a SharedHeap<'static>),
    }

    // SAFETY: blocks are the inner heap's, handed through unchanged.
    unsafe impl Allocate for Either<'_> {
        #[inline]
        fn allocate(&mut self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
            match self {
                Self::Owned(heap) => heap.allocate(layout),
                #[cfg(target_has_atomic = "ptr")]
                Self::Shared(heap) => heap.allocate(layout),
            }
        }

        #[inline]
        unsafe fn free(&mut self, block: NonNull<u8>) -> Result<(), FreeError> {
            // SAFETY: the caller's promise is the same, in both.
            unsafe {
                match self {
                    Self::Owned(heap) => heap.free(block),
                    #[cfg(target_has_atomic = "ptr")]
                    Self::Shared(heap) => heap.free(block),
                }
            }
        }

        #[inline]
        fn usable_bytes(&self, block: NonNull<u8>) -> Result<usize, FreeError> {
            match self {
                Self::Owned(heap) => heap.usable_bytes(block),
                #[cfg(target_has_atomic = "ptr")]
                Self::Shared(heap) => heap.usable_bytes(block),
            }
        }
    }
}

#[inline]
fn layout(size: usize, align: usize) -> Result<Layout, det_error_t> {
    Layout::from_size_align(size, align).map_err(|_| DET_ERR_UNSUPPORTED_SIZE)
}

/// Allocates a block of at least this many bytes, aligned to 16. A size of 0 gets a block too. The contents are whatever
/// they were.
///
/// @param alloc The allocator.
/// @param size The bytes that are asked for.
/// @return The block, or NULL.
///
/// Errors: NULL, and as `det_last_error`: `DET_ERR_NULL`, `DET_ERR_NOT_INITIALIZED`, `DET_ERR_OUT_OF_MEMORY` if and only if
/// the class, and with `borrow_larger` every larger one, has no free block; `DET_ERR_UNSUPPORTED_SIZE` if and only
/// if no pool has blocks that large; `DET_ERR_BUSY` out of a hook, unless `thread_safe`; `DET_ERR_CORRUPTED`.
///
/// Time: constant; with `thread_safe`, lock-free. Threads: one at a time; any with `thread_safe`.
///
/// # Safety
/// (C1)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn det_alloc(alloc: *mut det_allocator_t, size: usize) -> *mut c_void {
    // SAFETY: the caller's promise.
    let Ok(alloc) = (unsafe { det_allocator_t::open(alloc) }) else { return ptr::null_mut() };
    alloc.give(layout(size, ALIGN_BYTES).and_then(|layout| match alloc.short(&hooks::ALLOCATED) {
        // SAFETY: (C3, C4) nobody else has the heap now.
        Some(heap) => unsafe { &mut *heap.get() }.allocate(layout).map_err(of_alloc),
        None => alloc.allocate(layout),
    }))
}

/// As `det_alloc`, aligned to `align` and at least to 16. No pool has blocks that are aligned to more than 4096.
///
/// @param alloc The allocator.
/// @param size The bytes that are asked for.
/// @param align The alignment in bytes.
/// @return The block, or NULL.
///
/// Errors: as `det_alloc`, where blocks have to be aligned enough as well; `DET_ERR_INVALID_PARAM` if and only if the
/// alignment is no power of two.
///
/// Time, threads: as `det_alloc`.
///
/// # Safety
/// (C1)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn det_alloc_aligned(
    alloc: *mut det_allocator_t,
    size: usize,
    align: usize,
) -> *mut c_void {
    // SAFETY: the caller's promise.
    let Ok(alloc) = (unsafe { det_allocator_t::open(alloc) }) else { return ptr::null_mut() };
    alloc.give(alloc.array(1, size, align))
}

/// Allocates `count` elements of `size` bytes together, aligned to 16.
///
/// @param alloc The allocator.
/// @param count How many elements.
/// @param size The bytes of one.
/// @return The block, or NULL.
///
/// Errors: as `det_alloc`; `DET_ERR_OVERFLOW` if and only if `count * size` exceeds a `size_t`.
///
/// Time, threads: as `det_alloc`.
///
/// # Safety
/// (C1)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn det_alloc_array(
    alloc: *mut det_allocator_t,
    count: usize,
    size: usize,
) -> *mut c_void {
    // SAFETY: the caller's promise.
    let Ok(alloc) = (unsafe { det_allocator_t::open(alloc) }) else { return ptr::null_mut() };
    alloc.give(alloc.array(count, size, ALIGN_BYTES))
}

/// As `det_alloc_array`, aligned to `align`: what `DET_NEW_ARRAY` calls.
///
/// @param alloc The allocator.
/// @param count How many elements.
/// @param size The bytes of one.
/// @param align The alignment in bytes.
/// @return The block, or NULL.
///
/// Errors: as `det_alloc_array` and `det_alloc_aligned`.
///
/// Time, threads: as `det_alloc`.
///
/// # Safety
/// (C1)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn det_alloc_array_aligned(
    alloc: *mut det_allocator_t,
    count: usize,
    size: usize,
    align: usize,
) -> *mut c_void {
    // SAFETY: the caller's promise.
    let Ok(alloc) = (unsafe { det_allocator_t::open(alloc) }) else { return ptr::null_mut() };
    alloc.give(alloc.array(count, size, align))
}

/// As `det_alloc_array`, with all bytes zero.
///
/// @param alloc The allocator.
/// @param count How many elements.
/// @param size The bytes of one.
/// @return The block, or NULL.
///
/// Errors: as `det_alloc_array`.
///
/// Time: constant, and linear in the bytes for the zeroing. Threads: as `det_alloc`.
///
/// # Safety
/// (C1)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn det_calloc(alloc: *mut det_allocator_t, count: usize, size: usize) -> *mut c_void {
    // SAFETY: the caller's promise.
    let Ok(alloc) = (unsafe { det_allocator_t::open(alloc) }) else { return ptr::null_mut() };
    let block = alloc.array(count, size, ALIGN_BYTES);
    if let Ok(block) = block {
        // SAFETY: a live block of at least that many bytes, so the product is what it was.
        unsafe { block.write_bytes(0, count.wrapping_mul(size)) };
    }
    alloc.give(block)
}

/// Changes the size of a block: in place where it has room, and otherwise by moving its contents. A null block is allocated.
/// A size of 0 frees the block and gives NULL, also where that is refused: then `det_last_error` says so, and otherwise it
/// says what it said before, so `det_free` is what tells one from the other. A moved block keeps the alignment of 16 and no
/// more.
///
/// @param alloc The allocator.
/// @param block A live block, or NULL.
/// @param size The bytes that it is to hold.
/// @return The block, which may have moved, or NULL.
///
/// Errors: NULL with the block as it was, and as `det_last_error`: as `det_alloc` and `det_free`.
///
/// Time: constant in place, and otherwise linear in the old size. Threads: as `det_alloc`.
///
/// # Safety
/// (C1), and the block is the caller's to free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn det_realloc(
    alloc: *mut det_allocator_t,
    block: *mut c_void,
    size: usize,
) -> *mut c_void {
    // SAFETY: the caller's promise.
    let Ok(alloc) = (unsafe { det_allocator_t::open(alloc) }) else { return ptr::null_mut() };
    let Some(block) = NonNull::new(block.cast::<u8>()) else {
        return alloc.give(layout(size, ALIGN_BYTES).and_then(|layout| alloc.allocate(layout)));
    };
    if size == 0 {
        // SAFETY: the caller's promise.
        if let Err(error) = unsafe { alloc.free(block) } {
            alloc.last_error.note(error);
        }
        return ptr::null_mut();
    }
    // SAFETY: the caller's promise.
    alloc.give(unsafe { resize(alloc, block, size) })
}

/// # Safety
/// As [`det_realloc`].
unsafe fn resize(alloc: &Allocator, block: NonNull<u8>, size: usize) -> Result<NonNull<u8>, det_error_t> {
    if alloc.ways.is_barred() {
        return Err(DET_ERR_BUSY);
    }
    let held = alloc.with(|heap| heap.usable_bytes(block)).map_err(of_free)?;
    if size <= held {
        return Ok(block);
    }
    let moved = alloc.allocate(layout(size, ALIGN_BYTES)?)?;
    // SAFETY: both are live and the caller's, so they do not overlap; and the new one is larger.
    unsafe { moved.copy_from_nonoverlapping(block, held) };
    // SAFETY: the caller's promise.
    match unsafe { alloc.free(block) } {
        Ok(()) => Ok(moved),
        Err(error) => {
            // Another thread has freed it meanwhile.
            // SAFETY: just allocated.
            unsafe { alloc.free(moved) }?;
            Err(error)
        }
    }
}

/// Gives a block back. A null block is nothing to free.
///
/// @param alloc The allocator.
/// @param block The block, or NULL.
/// @return DET_OK or the error.
///
/// Errors, with nothing changed: `DET_ERR_NULL` and `DET_ERR_NOT_INITIALIZED` for the allocator;
/// `DET_ERR_FOREIGN_POINTER`, `DET_ERR_INTERIOR_POINTER` and `DET_ERR_DOUBLE_FREE` if and only if `block` is not the
/// start of a live block of it; `DET_ERR_BUSY` out of a hook, unless `thread_safe`.
///
/// Time: constant. Threads: as `det_alloc`; others by `det_remote_free`.
///
/// # Safety
/// (C1), and the block is the caller's to free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn det_free(alloc: *mut det_allocator_t, block: *mut c_void) -> det_error_t {
    // SAFETY: the caller's promise.
    let opened = match unsafe { det_allocator_t::open(alloc) } {
        Ok(opened) => opened,
        Err(error) => return error,
    };
    let Some(block) = NonNull::new(block.cast::<u8>()) else { return DET_OK };
    let freed = match opened.short(&hooks::FREED) {
        // SAFETY: (C3, C4) nobody else has the heap now; and the caller's promise.
        Some(heap) => unsafe { (*heap.get()).free(block) }.map_err(of_free),
        // SAFETY: the caller's promise.
        None => unsafe { opened.free(block) },
    };
    match freed {
        Ok(()) => DET_OK,
        Err(error) => opened.last_error.note(error),
    }
}

/// How many bytes a live block holds: the block size of its pool; 0 for what is none.
///
/// @param alloc The allocator.
/// @param block The block.
/// @return The bytes.
///
/// Errors, as `det_last_error`: as `det_free`; a null block is `DET_ERR_NULL`.
///
/// Time: constant. Threads: as `det_alloc`.
///
/// # Safety
/// (C1)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn det_alloc_usable_size(alloc: *mut det_allocator_t, block: *const c_void) -> usize {
    // SAFETY: the caller's promise.
    let Ok(alloc) = (unsafe { det_allocator_t::open(alloc) }) else { return 0 };
    let held = match NonNull::new(block.cast::<u8>().cast_mut()) {
        None => Err(DET_ERR_NULL),
        Some(_) if alloc.ways.is_barred() => Err(DET_ERR_BUSY),
        Some(block) => alloc.with(|heap| heap.usable_bytes(block)).map_err(of_free),
    };
    held.unwrap_or_else(|error| {
        alloc.last_error.note(error);
        0
    })
}

/// Fetches what the next allocation of this size will need into the cache. A hint; nothing with `thread_safe`.
///
/// @param alloc The allocator.
/// @param size The bytes that will be asked for.
///
/// Time: constant. Threads: as `det_alloc`.
///
/// # Safety
/// (C1)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn det_prefetch(alloc: *mut det_allocator_t, size: usize) {
    // SAFETY: the caller's promise.
    let Ok(alloc) = (unsafe { det_allocator_t::open(alloc) }) else { return };
    if let (Mode::Owned(owned), false, Ok(layout)) =
        (&alloc.mode, alloc.ways.is_barred(), layout(size, ALIGN_BYTES))
    {
        // SAFETY: (C3, C4)
        unsafe { &*owned.heap.get() }.prefetch(layout);
    }
}
