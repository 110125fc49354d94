//! A heap behind a spin lock: every thread may use it, one at a time. Blocking.
//!
//! **Not for an audio thread** beside ordinary ones. Who waits burns its processor until the holder is done,
//! and the holder may have been preempted: by the system, or by the very thread that waits. A thread of
//! real-time priority that spins on the only processor on which the holder could run waits forever. It is for
//! bare-metal programs that mask interrupts or give each core its own time, and for set-up code. Elsewhere a
//! [`Heap`](crate::Heap) of its own for each thread, with [`RemoteFree`](crate::RemoteFree), needs no lock.
//!
//! How it is kept: one word says whether the lock is taken, and a guard on the stack gives it up, also when a
//! closure panics. Closures only look at the heap; it is changed by its operations alone, so that nobody can put another
//! in its place while there are blocks, and collections can live in it ([`interop`](crate::interop)).
//!
//! What it does not do: be fair, or notice that a thread waits for itself. [`Spin::lock`] inside of
//! [`Spin::lock`] never returns; [`Spin::try_lock`] says `None` there.
//!
//! Invariant that the unsafe code leans on:
//!
//! - **(L1)** Only whoever took the lock and has not given it up touches the heap, and only one at a time does.

mod lock;

use crate::{
    allocate::Allocate,
    error::{AllocError, FreeError, ResizeError},
    sync::AtomicUsize,
};
use core::{alloc::Layout, cell::UnsafeCell, fmt, ptr::NonNull};

/// A heap that one thread at a time uses, and the others wait for.
///
/// ```
/// use core::{alloc::Layout, mem::MaybeUninit};
/// use detalloc::{Allocate, Config, Heap, PoolConfig, Spin};
///
/// const CONFIG: Config = Config::constant(&[PoolConfig::new(64, 128)]);
/// let mut region = [MaybeUninit::uninit(); CONFIG.bytes_needed()];
///
/// let heap = Spin::new(Heap::new(&mut region, &CONFIG)?);
/// std::thread::scope(|scope| {
///     for _ in 0..2 {
///         scope.spawn(|| (&heap).allocate(Layout::new::<u64>()).map(drop));
///     }
/// });
/// assert_eq!(heap.lock(|heap| heap.live_blocks()), 2);
/// # Ok::<(), detalloc::InitError>(())
/// ```
///
/// Nobody puts another heap in its place:
///
/// ```compile_fail,E0594
/// let lock = detalloc::Spin::new(1);
/// lock.lock(|heap| *heap = 2);
/// ```
///
/// Sharing it needs a heap that may be sent:
///
/// ```compile_fail
/// fn shared<T: Sync>(_: T) {}
/// shared(detalloc::Spin::new(std::rc::Rc::new(1)));
/// ```
pub struct Spin<H> {
    word: AtomicUsize,
    heap: UnsafeCell<H>,
}

// SAFETY: (L1) sharing the lock lets the heap be used by one thread after the other, which is sending it: what looks at
// it is over when the lock is given up.
unsafe impl<H: Send> Sync for Spin<H> {}

/// Holds the lock, and gives it up when it goes.
struct Held<'a, H>(&'a Spin<H>);

impl<H> Drop for Held<'_, H> {
    fn drop(&mut self) {
        lock::unlock(&self.0.word);
    }
}

impl<H> Held<'_, H> {
    fn heap(&mut self) -> &mut H {
        // SAFETY: (L1) the lock is held as long as this is borrowed.
        unsafe { &mut *self.0.heap.get() }
    }
}

impl<H> Spin<H> {
    /// A heap behind a lock that is free.
    #[must_use]
    pub const fn new(heap: H) -> Self {
        Self { word: AtomicUsize::new(0), heap: UnsafeCell::new(heap) }
    }

    /// Waits for the lock and looks at the heap. Called again within `look`, it waits for itself forever; so does an
    /// operation.
    ///
    /// # Time complexity
    /// None: as long as others hold the lock.
    pub fn lock<R>(&self, look: impl FnOnce(&H) -> R) -> R {
        self.work(|heap| look(heap))
    }

    /// Looks at the heap if the lock is free; otherwise returns `None` at once.
    ///
    /// # Time complexity
    /// Constant, and that of `look`.
    pub fn try_lock<R>(&self, look: impl FnOnce(&H) -> R) -> Option<R> {
        lock::try_lock(&self.word).then(|| look(Held(self).heap()))
    }

    fn work<R>(&self, work: impl FnOnce(&mut H) -> R) -> R {
        lock::lock(&self.word);
        work(Held(self).heap())
    }

    /// The heap, for who has the lock to itself.
    pub fn get_mut(&mut self) -> &mut H {
        self.heap.get_mut()
    }

    /// The heap without its lock.
    #[must_use]
    pub fn into_inner(self) -> H {
        self.heap.into_inner()
    }
}

// SAFETY: blocks are the inner heap's, handed through unchanged. Nobody else gets at it as `&mut` while it is shared.
unsafe impl<H: Allocate> Allocate for &Spin<H> {
    /// As underneath, once the lock is free.
    ///
    /// # Errors
    /// As underneath.
    ///
    /// # Time complexity
    /// As underneath, and as long as others hold the lock.
    fn allocate(&mut self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        self.work(|heap| heap.allocate(layout))
    }

    unsafe fn free(&mut self, block: NonNull<u8>) -> Result<(), FreeError> {
        // SAFETY: the caller's promise is the same.
        self.work(|heap| unsafe { heap.free(block) })
    }

    fn usable_bytes(&self, block: NonNull<u8>) -> Result<usize, FreeError> {
        self.work(|heap| heap.usable_bytes(block))
    }

    unsafe fn free_layout(&mut self, block: NonNull<u8>, layout: Layout) -> Result<(), FreeError> {
        // SAFETY: the caller's promise is the same.
        self.work(|heap| unsafe { heap.free_layout(block, layout) })
    }

    /// As underneath; the lock is held while the contents move.
    ///
    /// # Errors
    /// As underneath.
    ///
    /// # Time complexity
    /// As underneath, and as long as others hold the lock.
    ///
    /// # Safety
    /// As underneath.
    unsafe fn reallocate(
        &mut self,
        block: NonNull<u8>,
        layout: Layout,
        new_bytes: usize,
    ) -> Result<NonNull<u8>, ResizeError> {
        // SAFETY: the caller's promise is the same.
        self.work(|heap| unsafe { heap.reallocate(block, layout, new_bytes) })
    }
}

impl<H: fmt::Debug> fmt::Debug for Spin<H> {
    /// Says what is behind the lock if it is free, and does not wait for it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.try_lock(|heap| f.debug_tuple("Spin").field(heap).finish()) {
            Some(result) => result,
            None => f.write_str("Spin(<locked>)"),
        }
    }
}
