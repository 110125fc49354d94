//! Which threads are inside a callback, and of which heap: from the thread register and a static table.
//!
//! A thread-local would say it too, but the first access to one in a library that was loaded at run time can lock and
//! allocate, on the audio thread of all places. So a thread that enters takes a place in the bucket that its identity
//! leads to, and gives it up at the end. To ask takes about ten instructions on a thread that is in none.
//!
//! A bucket has seven places. Were eight threads of the same bucket inside at once, which takes hundreds of simultaneous
//! callbacks to become likely, the eighth would work without being found here: its ordinary allocations reach the system
//! heap, what is no pool's or another heap's is destroyed in place, a heap that it enters within is not refused, and a
//! `ReapTask` that it runs does reap; such a callback counts as uncontained.

mod bucket;

use crate::{instance::Instance, thread};
use core::{
    ptr::{self, NonNull},
    sync::atomic::{AtomicPtr, AtomicUsize, Ordering::Relaxed},
};

const BUCKETS_LOG2: u32 = 8;
const PLACES: usize = 7;

type Bucket = bucket::Bucket<Instance, PLACES>;

impl Bucket {
    const fn new() -> Self {
        Self {
            busy: AtomicUsize::new(0),
            threads: [const { AtomicUsize::new(0) }; PLACES],
            instances: [const { AtomicPtr::new(ptr::null_mut()) }; PLACES],
        }
    }
}

static TABLE: [Bucket; 1 << BUCKETS_LOG2] = [const { Bucket::new() }; 1 << BUCKETS_LOG2];

/// A 64-bit golden ratio spreads addresses that differ in few bits (Knuth, The Art of Computer Programming 3, 6.4).
#[inline]
fn bucket_of(thread: usize) -> &'static Bucket {
    let hash = (thread as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (u64::BITS - BUCKETS_LOG2);
    &TABLE[hash as usize]
}

/// Touches the whole table, so that no callback is the first to.
pub(crate) fn prefault() {
    for bucket in &TABLE {
        // Changes nothing, and is a write all the same.
        bucket.busy.fetch_or(0, Relaxed);
    }
}

/// The instance whose callback this thread is in, if any.
///
/// # Time complexity
/// Constant.
#[inline]
pub(crate) fn current() -> Option<NonNull<Instance>> {
    let thread = thread::current();
    // Relaxed: what belongs to this thread's place is its own.
    NonNull::new(bucket_of(thread).place_of(thread)?.load(Relaxed))
}

/// Whether this thread is in a callback.
#[inline]
pub(crate) fn is_inside() -> bool {
    current().is_some()
}

/// A place in the table: this thread is found by [`current`] until it leaves.
pub(crate) struct Place {
    bucket: &'static Bucket,
    place: &'static AtomicUsize,
}

/// Where a thread stands that found all places taken: nobody looks here.
static OUTSIDE: Bucket = Bucket::new();

impl Place {
    /// Takes a place. `None`: another thread of the same bucket is inside as well, or this one, and
    /// [`Place::beside_others`] knows what to do.
    ///
    /// # Safety
    /// `instance` is alive until the place is left, and `thread` is this thread.
    #[inline]
    pub(crate) unsafe fn alone(instance: NonNull<Instance>, thread: usize) -> Option<Self> {
        let bucket = bucket_of(thread);
        let place = bucket.take_alone(instance.as_ptr(), thread)?;
        Some(Self { bucket, place })
    }

    /// Takes a place the longer way. `None`: this thread is in a callback already.
    ///
    /// # Safety
    /// As [`Place::alone`].
    #[cold]
    pub(crate) unsafe fn beside_others(instance: NonNull<Instance>, thread: usize) -> Option<Self> {
        let bucket = bucket_of(thread);
        if bucket.has(thread) {
            return None;
        }
        if let Some(place) = bucket.take_any(instance.as_ptr(), thread) {
            return Some(Self { bucket, place });
        }
        // SAFETY: the caller's promise.
        unsafe { instance.as_ref() }.counts.crowded.up();
        Some(Self { bucket: &OUTSIDE, place: &OUTSIDE.threads[0] })
    }

    /// The end of the callback.
    #[inline]
    pub(crate) fn leave(&self) {
        self.bucket.give_up(self.place);
    }
}

/// Runs something as if this thread were in no callback: what reports a violation has to use the system heap.
pub(crate) fn suspended<R>(body: impl FnOnce() -> R) -> R {
    struct Back(Option<(&'static AtomicPtr<Instance>, *mut Instance)>);
    impl Drop for Back {
        fn drop(&mut self) {
            if let Some((place, instance)) = self.0 {
                // Relaxed, as below: this thread's own.
                place.store(instance, Relaxed);
            }
        }
    }
    let thread = thread::current();
    let place = bucket_of(thread).place_of(thread);
    // Relaxed: this thread's own.
    let _back = Back(place.map(|place| (place, place.swap(ptr::null_mut(), Relaxed))));
    body()
}
