//! Which threads are inside a callback, and of which heap: from the thread register and a static table.
//!
//! A thread-local would say it too, but the first access to one in a library that was loaded at run time can lock and
//! allocate, on the audio thread of all places. So a thread that enters takes a place in the bucket that its identity
//! leads to, and gives it up at the end. To ask takes about a dozen instructions, on any thread, always.
//!
//! A bucket has four places. Were five threads of the same bucket inside at once, which takes hundreds of simultaneous
//! callbacks to become likely, the fifth would work without being found here: its ordinary allocations reach the system
//! heap, and are counted as uncontained.

use crate::{instance::Instance, thread};
use core::{
    ptr::{self, NonNull},
    sync::atomic::{AtomicPtr, AtomicUsize, Ordering::Relaxed},
};

const BUCKETS_LOG2: u32 = 8;
const PLACES: usize = 4;

/// One cache line, so that threads of different buckets do not disturb each other.
#[repr(align(64))]
struct Bucket {
    /// The identities of the threads, 0 for a free place.
    threads: [AtomicUsize; PLACES],
    /// Whose callback each is in. Read and written only by the thread of the same place.
    instances: [AtomicPtr<Instance>; PLACES],
}

static TABLE: [Bucket; 1 << BUCKETS_LOG2] = [const {
    Bucket {
        threads: [const { AtomicUsize::new(0) }; PLACES],
        instances: [const { AtomicPtr::new(ptr::null_mut()) }; PLACES],
    }
}; 1 << BUCKETS_LOG2];

/// A 64-bit golden ratio spreads addresses that differ in few bits (Knuth, The Art of Computer Programming 3, 6.4).
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "what is left has few bits")]
fn bucket_of(thread: usize) -> &'static Bucket {
    let hash = (thread as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (u64::BITS - BUCKETS_LOG2);
    &TABLE[hash as usize]
}

/// Touches the whole table, so that no callback is the first to.
pub(crate) fn prefault() {
    for place in TABLE.iter().flat_map(|bucket| &bucket.threads) {
        place.fetch_or(0, Relaxed);
    }
}

/// The instance whose callback this thread is in, if any.
///
/// # Time complexity
/// Constant.
#[inline]
pub(crate) fn current() -> Option<NonNull<Instance>> {
    let thread = thread::current();
    let bucket = bucket_of(thread);
    // Relaxed: only this thread writes its own identity, so it reads that if and only if it wrote it last.
    let place = bucket.threads.iter().position(|place| place.load(Relaxed) == thread)?;
    NonNull::new(bucket.instances[place].load(Relaxed))
}

/// Whether this thread is in a callback.
#[inline]
pub(crate) fn is_inside() -> bool {
    current().is_some()
}

/// What entering came to.
pub(crate) enum Entry {
    /// The thread is found by [`current`] until this is dropped.
    Inside(Place),
    /// All places of the bucket are taken.
    Crowded,
    /// The thread is in another callback already.
    Nested,
}

/// A place in the table.
pub(crate) struct Place {
    thread: &'static AtomicUsize,
}

impl Entry {
    /// # Safety
    /// `instance` is alive as long as the result is, and `thread` is this thread.
    #[inline]
    pub(crate) unsafe fn new(instance: NonNull<Instance>, thread: usize) -> Self {
        let bucket = bucket_of(thread);
        if bucket.threads.iter().any(|place| place.load(Relaxed) == thread) {
            return Self::Nested;
        }
        for (place, into) in bucket.threads.iter().zip(&bucket.instances) {
            // Relaxed: the place orders nothing but itself.
            if place.load(Relaxed) == 0 && place.compare_exchange(0, thread, Relaxed, Relaxed).is_ok() {
                into.store(instance.as_ptr(), Relaxed);
                return Self::Inside(Place { thread: place });
            }
        }
        Self::Crowded
    }
}

impl Drop for Place {
    #[inline]
    fn drop(&mut self) {
        self.thread.store(0, Relaxed);
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
    let bucket = bucket_of(thread);
    let place = bucket.threads.iter().position(|place| place.load(Relaxed) == thread);
    let _back = Back(place.map(|place| {
        let instance = &bucket.instances[place];
        (instance, instance.swap(ptr::null_mut(), Relaxed))
    }));
    body()
}
