//! Drops that happen elsewhere: what the callback hands to the reaper.

use core::{
    mem::MaybeUninit,
    ptr::{self, NonNull},
};
use ringbuf::{
    Cons, HeapRb, Prod,
    traits::{Consumer, Producer},
};
use std::sync::Arc;

/// The near end of a lane. It keeps no copy of the other side's index: looking takes fewer instructions than keeping.
pub(crate) type LaneIn<T> = Prod<Arc<HeapRb<T>>>;

/// The far end of a lane.
pub(crate) type LaneOut<T> = Cons<Arc<HeapRb<T>>>;

/// A value to be destroyed and its block to be freed, off the audio thread.
pub(crate) struct Deferred {
    /// Start of the block.
    pub(crate) block: NonNull<u8>,
    /// The pointer to the value, thin or wide, as `destroy` knows to read it.
    pointer: [MaybeUninit<*mut u8>; 2],
    destroy: unsafe fn([MaybeUninit<*mut u8>; 2]),
}

// SAFETY: a `Deferred` is the only access to a value that is `Send`: `new` demands that.
unsafe impl Send for Deferred {}

impl Deferred {
    /// Takes a value over.
    ///
    /// # Safety
    /// The value is `Send + 'static`, lies at the start of its block, and is nobody else's from now on (A3, A5).
    pub(crate) unsafe fn new<T: ?Sized>(value: NonNull<T>) -> Self {
        const {
            assert!(size_of::<NonNull<T>>() <= size_of::<[MaybeUninit<*mut u8>; 2]>());
        }
        let mut pointer = [MaybeUninit::uninit(); 2];
        // SAFETY: both sides hold the bytes of a pointer to `T`, by the assertion above; byte by byte, because the
        // array is aligned for thin pointers, which wide ones are not stricter than.
        unsafe { ptr::copy_nonoverlapping(&raw const value, pointer.as_mut_ptr().cast(), 1) };
        Self { block: value.cast(), pointer, destroy: destroy::<T> }
    }

    /// Runs the destructor.
    ///
    /// # Safety
    /// Once, on a thread where destructors may run. Does not free the block.
    pub(crate) unsafe fn destroy(&self) {
        // SAFETY: `new` put the pointer and its reader together, and the caller calls once.
        unsafe { (self.destroy)(self.pointer) }
    }
}

/// # Safety
/// The array holds a pointer to a live `T` that nobody else uses.
unsafe fn destroy<T: ?Sized>(pointer: [MaybeUninit<*mut u8>; 2]) {
    // SAFETY: the caller's promise; the bytes were copied from such a pointer.
    unsafe { pointer.as_ptr().cast::<NonNull<T>>().read().drop_in_place() }
}

/// A lane with room for `capacity` values, its storage touched by that many of `filler`. `None`: the system has not that
/// much memory.
pub(crate) fn lane<T>(capacity: usize, mut filler: impl FnMut() -> T) -> Option<(LaneIn<T>, LaneOut<T>)> {
    let ring = Arc::new(HeapRb::try_new(capacity).ok()?);
    let (mut producer, mut consumer) = (Prod::new(Arc::clone(&ring)), Cons::new(ring));
    while producer.try_push(filler()).is_ok() {}
    consumer.clear();
    Some((producer, consumer))
}
