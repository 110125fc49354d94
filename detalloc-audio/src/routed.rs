//! The routing global allocator: in a callback, ordinary `Box`, `Vec` and `String` of any crate come from the pools.

use crate::{
    dead::Link,
    inside,
    instance::Instance,
    shared::Shared,
    violation::{self, OnViolation, Request, permitted},
    window,
};
use core::{alloc::Layout, ptr::NonNull};
use std::alloc::GlobalAlloc;

/// A global allocator that keeps callbacks away from the system heap, in release builds too.
///
/// ```
/// use detalloc_audio::{AudioBudget, Inner, Routed, RtHeap};
///
/// #[global_allocator]
/// static GLOBAL: Routed = Routed::contain(Inner);
///
/// let mut heap = RtHeap::new();
/// heap.reconfigure(&AudioBudget::new(48_000.0, 64).slices::<u8>(64, 8))?;
/// // Some crate that knows nothing of real time; its memory comes from the pools.
/// let text = heap.enter(|_| format!("{} frames", 64));
/// assert_eq!(text, "64 frames");
/// # if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
/// assert!(heap.meter().unwrap().snapshot().contained > 0);
/// # }
/// # Ok::<(), detalloc_audio::BudgetError>(())
/// ```
///
/// **Contain**, for what ships: inside [`RtHeap::enter`](crate::RtHeap::enter), allocations are served from that heap's pools, and counted. A
/// block that a pool served may be freed anywhere, at any time. A block of the system heap that is freed inside is linked through its own
/// bytes, and the reaper frees it. What the pools cannot serve reaches the inner allocator: it is counted and, in debug
/// builds, a violation.
///
/// **Strict**, for tests: nothing is routed or deferred; every use of the system heap inside is a violation.
///
/// A violation reports what was asked for and its stack; [`OnViolation`] says what happens then.
///
/// Other threads, and this one outside of callbacks, pay about a dozen instructions an operation to find that out, from a static table and
/// without a thread-local, and blocks of less than three words get that much, as the system's own allocators give anyway.
///
/// A program has one global allocator. Beside nice-plug's feature `assert_process_allocs`, which declares one in debug
/// builds, the compiler says that this one *conflicts with global allocator in: nice_plug*: leave that feature out, and
/// declare `Routed::strict` instead, which checks the same and says where.
///
/// It is made to be the global allocator, or to lie right below it: the reaper frees what it has deferred through the global
/// one.
///
/// Where blocks cannot be told apart by their addresses (32-bit systems, Windows, a limit on addresses), nothing is
/// contained: all of it counts as uncontained.
#[derive(Debug)]
pub struct Routed<A = Inner> {
    inner: A,
    strict: bool,
    on_violation: OnViolation,
}

impl<A> Routed<A> {
    /// Contains what callbacks allocate, over this allocator for everything else. What cannot be contained aborts in debug
    /// builds and is counted in release builds, unless said.
    pub const fn contain(inner: A) -> Self {
        let on_violation = if cfg!(debug_assertions) { OnViolation::Abort } else { OnViolation::Count };
        Self { inner, strict: false, on_violation }
    }

    /// Lets everything through to this allocator; what callbacks ask of it is a violation, which aborts unless said.
    pub const fn strict(inner: A) -> Self {
        Self { inner, strict: true, on_violation: OnViolation::Abort }
    }

    /// Says what happens after a violation.
    #[must_use]
    pub const fn on_violation(self, on_violation: OnViolation) -> Self
    where
        A: Copy,
    {
        Self { inner: self.inner, strict: self.strict, on_violation }
    }
}

/// The allocator below: `assert_no_alloc`'s in debug builds, and so in tests, and the system's in release builds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Inner;

#[cfg(debug_assertions)]
const INNERMOST: assert_no_alloc::AllocDisabler = assert_no_alloc::AllocDisabler;
#[cfg(not(debug_assertions))]
const INNERMOST: std::alloc::System = std::alloc::System;

// SAFETY: as the allocator that all of it goes to.
unsafe impl GlobalAlloc for Inner {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { INNERMOST.alloc(layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { INNERMOST.dealloc(block, layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { INNERMOST.alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { INNERMOST.realloc(block, layout, new_size) }
    }
}

/// Every block of the system heap has room for a [`Link`], whatever was asked for.
#[inline]
fn padded(layout: Layout) -> Layout {
    // SAFETY: three words, rounded up to the alignment of a block that is not empty, do not exceed the address space.
    unsafe { Layout::from_size_align_unchecked(layout.size().max(size_of::<Link>()), layout.align()) }
}

// SAFETY: a block comes from a pool or, padded, from the inner allocator, and goes back to where its address says that it
// came from. Nothing here unwinds.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Routed<A> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match inside::current() {
            // SAFETY: the caller's promise.
            // wcet: call: not in a callback
            None => unsafe { self.inner.alloc(padded(layout)) },
            // SAFETY: (A6) this thread is in that instance's callback; the caller's promise.
            Some(instance) => unsafe { self.alloc_inside(instance.as_ref(), layout) },
        }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: nobody frees null.
        let block = unsafe { NonNull::new_unchecked(block) };
        if let Some(shared) = window::region_of(block.as_ptr()) {
            // SAFETY: (A1, A3) a block of that region, which is the caller's.
            return unsafe { Shared::free(shared, block) };
        }
        match inside::current() {
            // SAFETY: the caller's promise; the block was padded when it was allocated.
            // wcet: call: not in a callback
            None => unsafe { self.inner.dealloc(block.as_ptr(), padded(layout)) },
            // SAFETY: (A6) this thread is in that instance's callback; the caller's promise.
            Some(instance) => unsafe { self.dealloc_inside(instance.as_ref(), block, layout) },
        }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        match inside::current() {
            // SAFETY: the caller's promise.
            None => unsafe { self.inner.alloc_zeroed(padded(layout)) },
            Some(instance) => {
                // SAFETY: (A6) this thread is in that instance's callback; the caller's promise.
                let block = unsafe { self.alloc_inside(instance.as_ref(), layout) };
                if !block.is_null() {
                    // SAFETY: a new block of at least that size.
                    unsafe { block.write_bytes(0, layout.size()) };
                }
                block
            }
        }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        if window::region_of(block).is_none() && inside::current().is_none() {
            // SAFETY: the caller's promise; the block was padded when it was allocated.
            return unsafe { self.inner.realloc(block, padded(layout), new_size.max(size_of::<Link>())) };
        }
        // SAFETY: the caller's promise.
        unsafe { self.move_block(block, layout, new_size) }
    }
}

impl<A: GlobalAlloc> Routed<A> {
    /// # Safety
    /// As [`GlobalAlloc::alloc`], on a thread in that instance's callback (A6).
    #[cold]
    unsafe fn alloc_inside(&self, instance: &Instance, layout: Layout) -> *mut u8 {
        if !self.strict && instance.is_in_window() {
            // SAFETY: the caller's promise.
            if let Ok((_, block)) = unsafe { instance.allocate(layout) } {
                instance.counts.contained.up();
                return block.as_ptr();
            }
        }
        if !self.strict {
            instance.counts.uncontained.up();
        }
        if self.strict || self.on_violation != OnViolation::Count {
            // wcet: call: where strict mode finds a violation
            violation::report(self.on_violation, instance, Request::Allocation, layout);
        }
        // SAFETY: the caller's promise.
        // wcet: call: what no pool can serve reaches the system heap, and is counted
        permitted(|| unsafe { self.inner.alloc(padded(layout)) })
    }

    /// # Safety
    /// As [`GlobalAlloc::dealloc`], on a thread in that instance's callback (A6), for a block of the inner allocator.
    #[cold]
    unsafe fn dealloc_inside(&self, instance: &Instance, block: NonNull<u8>, layout: Layout) {
        if self.strict {
            // wcet: call: where strict mode finds a violation
            violation::report(self.on_violation, instance, Request::Free, layout);
            // SAFETY: the caller's promise; the block was padded when it was allocated.
            // wcet: call: where strict mode finds a violation
            permitted(|| unsafe { self.inner.dealloc(block.as_ptr(), padded(layout)) });
        } else {
            // SAFETY: the caller's promise; the padding is the room for the link.
            unsafe { instance.bury(block, padded(layout)) };
        }
    }

    /// # Safety
    /// As [`GlobalAlloc::realloc`].
    #[cold]
    unsafe fn move_block(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller promises that the new size is a valid one for this alignment.
        let new_layout = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        // SAFETY: the caller's promise; the sizes are those of the two blocks.
        unsafe {
            let new = self.alloc(new_layout);
            if !new.is_null() {
                new.copy_from_nonoverlapping(block, layout.size().min(new_size));
                self.dealloc(block, layout);
            }
            new
        }
    }
}
