//! Drops that happen elsewhere: what the callback hands to the reaper.

use crate::sync::Ring;
use core::{
    mem::MaybeUninit,
    ptr::{self, NonNull},
};
use ringbuf::{
    Cons, Prod,
    storage::Storage,
    traits::{Consumer, Producer},
};
use std::sync::Arc;

/// The near end of a lane. It keeps no copy of the other side's index: looking takes fewer instructions than keeping.
pub(crate) type LaneIn<T> = Prod<Arc<Ring<Places<T>>>>;

/// The far end of a lane.
pub(crate) type LaneOut<T> = Cons<Arc<Ring<Places<T>>>>;

/// What a lane's values lie in: a power of two of places, so that the ring finds its place without a division, and without a
/// check that could fail.
pub(crate) struct Places<T> {
    start: NonNull<MaybeUninit<T>>,
    len_log2: u32,
}

/// The most places of a lane, as a power of two: more than a heap has blocks.
const MOST_LOG2: u32 = 31;

impl<T> Places<T> {
    /// At least so many. `None`: the system has not that much memory.
    fn new(least: usize) -> Option<Self> {
        let len = least.max(1).checked_next_power_of_two()?;
        let mut places: Vec<MaybeUninit<T>> = Vec::new();
        places.try_reserve_exact(len).ok()?;
        places.resize_with(len, MaybeUninit::uninit);
        let len_log2 = Some(len.trailing_zeros()).filter(|&log2| log2 <= MOST_LOG2)?;
        // SAFETY: no box is at null.
        let start = unsafe { NonNull::new_unchecked(Box::into_raw(places.into_boxed_slice()).cast()) };
        Some(Self { start, len_log2 })
    }
}

impl<T> Drop for Places<T> {
    fn drop(&mut self) {
        let places = ptr::slice_from_raw_parts_mut(self.start.as_ptr(), self.len());
        // SAFETY: the box that `new` took apart.
        drop(unsafe { Box::from_raw(places) });
    }
}

// SAFETY: the places are this one's own, and reached through it only where it is borrowed.
unsafe impl<T: Send> Send for Places<T> {}
// SAFETY: it hands out a pointer; the ring sees to it that a place is one side's at a time.
unsafe impl<T: Send> Sync for Places<T> {}

// SAFETY: the places lie apart from this, which owns them; their number never changes.
unsafe impl<T> Storage for Places<T> {
    type Item = T;

    #[inline]
    fn len(&self) -> usize {
        1 << (self.len_log2 & MOST_LOG2)
    }

    #[inline]
    fn as_mut_ptr(&self) -> *mut MaybeUninit<T> {
        self.start.as_ptr()
    }
}

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

/// A lane with room for `capacity` values or somewhat more, its places touched by that many of `filler`. `None`: the system
/// has not that much memory.
pub(crate) fn lane<T>(capacity: usize, mut filler: impl FnMut() -> T) -> Option<(LaneIn<T>, LaneOut<T>)> {
    // SAFETY: nothing in it is initialised.
    let ring = Arc::new(unsafe { Ring::from_raw_parts(Places::new(capacity)?, 0, 0) });
    let (mut producer, mut consumer) = (Prod::new(Arc::clone(&ring)), Cons::new(ring));
    while producer.try_push(filler()).is_ok() {}
    consumer.clear();
    Some((producer, consumer))
}
