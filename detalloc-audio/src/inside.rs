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

use crate::{instance::Instance, thread};
use core::{
    ptr::{self, NonNull},
    sync::atomic::{
        AtomicPtr, AtomicUsize,
        Ordering::{Acquire, Relaxed, Release},
    },
};

const BUCKETS_LOG2: u32 = 8;
const PLACES: usize = 7;

/// Two cache lines, so that threads of different buckets do not disturb each other; the first has all that is looked at to find
/// that a thread is in none.
#[repr(align(128))]
struct Bucket {
    /// How many threads are in or on their way in or out: nearly always none, which is the first thing to ask.
    busy: AtomicUsize,
    /// The identities of the threads, 0 for a free place.
    threads: [AtomicUsize; PLACES],
    /// Whose callback each is in. Read and written only by the thread of the same place.
    instances: [AtomicPtr<Instance>; PLACES],
}

impl Bucket {
    const fn new() -> Self {
        Self {
            busy: AtomicUsize::new(0),
            threads: [const { AtomicUsize::new(0) }; PLACES],
            instances: [const { AtomicPtr::new(ptr::null_mut()) }; PLACES],
        }
    }

    // Relaxed is enough to look: a thread finds its own identity if and only if it put it there last, and other threads' mean
    // nothing to it but a place that is taken. What belongs to it is its own, too, because a place is given up with Release
    // and taken with Acquire: what the one before stored there comes before what this one stores.

    #[inline]
    fn place_of(&'static self, thread: usize) -> Option<&'static AtomicPtr<Instance>> {
        if self.busy.load(Relaxed) == 0 {
            return None;
        }
        let place = self.threads.iter().position(|place| place.load(Relaxed) == thread)?;
        self.instances.get(place)
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
        let place = &bucket.threads[0];
        if bucket.busy.fetch_add(1, Relaxed) == 0
            && place.compare_exchange(0, thread, Acquire, Relaxed).is_ok()
        {
            bucket.instances[0].store(instance.as_ptr(), Relaxed);
            return Some(Self { bucket, place });
        }
        bucket.busy.fetch_sub(1, Relaxed);
        None
    }

    /// Takes a place the longer way. `None`: this thread is in a callback already.
    ///
    /// # Safety
    /// As [`Place::alone`].
    #[cold]
    pub(crate) unsafe fn beside_others(instance: NonNull<Instance>, thread: usize) -> Option<Self> {
        let bucket = bucket_of(thread);
        if bucket.threads.iter().any(|place| place.load(Relaxed) == thread) {
            return None;
        }
        bucket.busy.fetch_add(1, Relaxed);
        for (place, into) in bucket.threads.iter().zip(&bucket.instances) {
            if place.compare_exchange(0, thread, Acquire, Relaxed).is_ok() {
                into.store(instance.as_ptr(), Relaxed);
                return Some(Self { bucket, place });
            }
        }
        bucket.busy.fetch_sub(1, Relaxed);
        // SAFETY: the caller's promise.
        unsafe { instance.as_ref() }.counts.crowded.up();
        Some(Self { bucket: &OUTSIDE, place: &OUTSIDE.threads[0] })
    }

    /// The end of the callback.
    #[inline]
    pub(crate) fn leave(&self) {
        self.place.store(0, Release);
        self.bucket.busy.fetch_sub(1, Relaxed);
    }
}

/// Runs something as if this thread were in no callback: what reports a violation has to use the system heap.
pub(crate) fn suspended<R>(body: impl FnOnce() -> R) -> R {
    struct Back(Option<(&'static AtomicPtr<Instance>, *mut Instance)>);
    impl Drop for Back {
        fn drop(&mut self) {
            if let Some((place, instance)) = self.0 {
                place.store(instance, Relaxed);
            }
        }
    }
    let thread = thread::current();
    let place = bucket_of(thread).place_of(thread);
    let _back = Back(place.map(|place| (place, place.swap(ptr::null_mut(), Relaxed))));
    body()
}
