//! Observers: what watches a heap, chosen by type, so that a heap nobody watches has not one instruction for
//! it.
//!
//! [`Observed`] is a layer over any heap: it tells an [`Observer`] before and after every operation. An
//! observer gets values and no access to the heap, so it cannot change which blocks are handed out. Observers
//! combine as pairs.
//!
//! What it does not see: blocks that other threads free through [`RemoteFree`](crate::RemoteFree), and the
//! zeroing of [`Allocate::allocate_zeroed`], which is done outside of what is measured.

use crate::{
    allocate::Allocate,
    error::{AllocError, FreeError, ResizeError},
};
use core::{alloc::Layout, mem, ptr::NonNull};

/// What an operation did. The block is for telling blocks apart; what lies in it is its owner's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A request was served.
    Allocated {
        /// What was asked for.
        layout: Layout,
        /// The block.
        block: NonNull<u8>,
    },
    /// A request was refused.
    Refused {
        /// What was asked for.
        layout: Layout,
        /// Why.
        error: AllocError,
    },
    /// A block was given back.
    Freed {
        /// The block.
        block: NonNull<u8>,
        /// The layout it was freed with; `None` when it was freed by its address alone.
        layout: Option<Layout>,
    },
    /// A block was not taken back.
    FreeRefused {
        /// The pointer that was given.
        block: NonNull<u8>,
        /// Why.
        error: FreeError,
    },
    /// A block changed its size.
    Reallocated {
        /// The block as it was; free if it moved.
        block: NonNull<u8>,
        /// The layout it was said to have.
        layout: Layout,
        /// The new size, in bytes, at the same alignment.
        new_bytes: usize,
        /// The block as it is; the same one if it stayed in place.
        moved_to: NonNull<u8>,
    },
    /// A block kept its size.
    ReallocateRefused {
        /// The block.
        block: NonNull<u8>,
        /// The layout it was said to have.
        layout: Layout,
        /// The size that was asked for, in bytes.
        new_bytes: usize,
        /// Why.
        error: ResizeError,
    },
}

/// Watches a heap. On a real-time thread it must keep to the rules of that thread.
///
/// A panic in an observer ends the process: a reallocation that unwound would leave its caller with a block
/// that is gone.
///
/// ```
/// use core::{alloc::Layout, mem::MaybeUninit};
/// use detalloc::{Allocate, Config, Event, Heap, Observed, Observer, PoolConfig};
///
/// /// The largest request.
/// struct Largest(usize);
///
/// impl Observer for Largest {
///     type Start = ();
///     fn start(&mut self) {}
///     fn observe(&mut self, (): (), event: &Event) {
///         if let Event::Allocated { layout, .. } = event {
///             self.0 = self.0.max(layout.size());
///         }
///     }
/// }
///
/// const CONFIG: Config = Config::constant(&[PoolConfig::new(64, 16)]);
/// let mut region = [MaybeUninit::uninit(); CONFIG.bytes_needed()];
/// let mut heap = Observed::new(Heap::new(&mut region, &CONFIG)?, Largest(0));
/// heap.allocate(Layout::new::<[f32; 12]>())?;
/// assert_eq!(heap.observer().0, 48);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Observer {
    /// What an observer keeps from the start of an operation to its end: a time, or nothing.
    type Start;

    /// An operation begins.
    fn start(&mut self) -> Self::Start;

    /// The operation that began with `start` has ended.
    fn observe(&mut self, start: Self::Start, event: &Event);
}

/// Watches nothing and costs nothing.
impl Observer for () {
    type Start = ();

    #[inline]
    fn start(&mut self) {}

    #[inline]
    fn observe(&mut self, (): (), _: &Event) {}
}

/// The second one is nearer to the operation: it starts last and ends first. What measures time goes there.
impl<A: Observer, B: Observer> Observer for (A, B) {
    type Start = (A::Start, B::Start);

    #[inline]
    fn start(&mut self) -> Self::Start {
        (self.0.start(), self.1.start())
    }

    #[inline]
    fn observe(&mut self, start: Self::Start, event: &Event) {
        self.1.observe(start.1, event);
        self.0.observe(start.0, event);
    }
}

/// An observer that can be switched off while the program runs.
impl<O: Observer> Observer for Option<O> {
    type Start = Option<O::Start>;

    #[inline]
    fn start(&mut self) -> Self::Start {
        self.as_mut().map(O::start)
    }

    #[inline]
    fn observe(&mut self, start: Self::Start, event: &Event) {
        if let (Some(observer), Some(start)) = (self, start) {
            observer.observe(start, event);
        }
    }
}

impl<O: Observer + ?Sized> Observer for &mut O {
    type Start = O::Start;

    #[inline]
    fn start(&mut self) -> Self::Start {
        (**self).start()
    }

    #[inline]
    fn observe(&mut self, start: Self::Start, event: &Event) {
        (**self).observe(start, event);
    }
}

/// A heap that is watched.
///
/// It hands out the blocks that the heap alone would. Its operations cost what the heap's do and what the
/// observer's methods do; with `()` as the observer, nothing more.
#[derive(Debug)]
pub struct Observed<H, O> {
    heap: H,
    observer: O,
}

impl<H, O> Observed<H, O> {
    /// A heap and who watches it from now on.
    #[must_use]
    pub const fn new(heap: H, observer: O) -> Self {
        Self { heap, observer }
    }

    /// The heap.
    #[must_use]
    pub const fn heap(&self) -> &H {
        &self.heap
    }

    /// The heap. What is done to it directly is not observed.
    #[must_use]
    pub const fn heap_mut(&mut self) -> &mut H {
        &mut self.heap
    }

    /// The observer.
    #[must_use]
    pub const fn observer(&self) -> &O {
        &self.observer
    }

    /// The observer.
    #[must_use]
    pub const fn observer_mut(&mut self) -> &mut O {
        &mut self.observer
    }

    /// The heap and the observer, apart again.
    #[must_use]
    pub fn into_parts(self) -> (H, O) {
        (self.heap, self.observer)
    }
}

/// Runs an observer; if it panics, the process ends, because a panic while unwinding does that.
#[inline]
fn without_unwinding<R>(observe: impl FnOnce() -> R) -> R {
    struct Unwinding;
    impl Drop for Unwinding {
        fn drop(&mut self) {
            panic!("an observer panicked");
        }
    }
    let unwinding = Unwinding;
    let result = observe();
    mem::forget(unwinding);
    result
}

impl<H: Allocate, O: Observer> Observed<H, O> {
    /// Runs an operation between the two calls to the observer.
    #[inline]
    fn watch<R: Copy>(&mut self, operation: impl FnOnce(&mut H) -> R, event: impl FnOnce(R) -> Event) -> R {
        let start = without_unwinding(|| self.observer.start());
        let result = operation(&mut self.heap);
        without_unwinding(|| self.observer.observe(start, &event(result)));
        result
    }
}

// SAFETY: blocks are the inner heap's, handed through unchanged.
unsafe impl<H: Allocate, O: Observer> Allocate for Observed<H, O> {
    #[inline]
    fn allocate(&mut self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        self.watch(
            |heap| heap.allocate(layout),
            |result| match result {
                Ok(block) => Event::Allocated { layout, block },
                Err(error) => Event::Refused { layout, error },
            },
        )
    }

    #[inline]
    unsafe fn free(&mut self, block: NonNull<u8>) -> Result<(), FreeError> {
        self.watch(
            // SAFETY: the caller's promise is the same.
            |heap| unsafe { heap.free(block) },
            |result| match result {
                Ok(()) => Event::Freed { block, layout: None },
                Err(error) => Event::FreeRefused { block, error },
            },
        )
    }

    #[inline]
    unsafe fn free_layout(&mut self, block: NonNull<u8>, layout: Layout) -> Result<(), FreeError> {
        self.watch(
            // SAFETY: the caller's promise is the same.
            |heap| unsafe { heap.free_layout(block, layout) },
            |result| match result {
                Ok(()) => Event::Freed { block, layout: Some(layout) },
                Err(error) => Event::FreeRefused { block, error },
            },
        )
    }

    #[inline]
    fn usable_bytes(&self, block: NonNull<u8>) -> Result<usize, FreeError> {
        self.heap.usable_bytes(block)
    }

    #[inline]
    unsafe fn reallocate(
        &mut self,
        block: NonNull<u8>,
        layout: Layout,
        new_bytes: usize,
    ) -> Result<NonNull<u8>, ResizeError> {
        self.watch(
            // SAFETY: the caller's promise is the same.
            |heap| unsafe { heap.reallocate(block, layout, new_bytes) },
            |result| match result {
                Ok(moved_to) => Event::Reallocated { block, layout, new_bytes, moved_to },
                Err(error) => Event::ReallocateRefused { block, layout, new_bytes, error },
            },
        )
    }
}
