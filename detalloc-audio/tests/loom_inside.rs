//! Every interleaving of threads that enter and leave callbacks in one bucket of the table: each finds its own instance and
//! nobody else's while it is in, and none while it is not, whoever had its place before.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p detalloc-audio --release --test loom_inside -- --nocapture`
#![cfg(loom)]

/// The module itself, built with loom's atomics.
#[path = "../src/inside/bucket.rs"]
mod bucket;
#[path = "../../detalloc/tests/interleavings/explore.rs"]
mod explore;

mod sync {
    pub(crate) use loom::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
}

use bucket::Bucket;
use core::ptr;
use explore::{explore, explore_within};
use loom::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicPtr, AtomicUsize, Ordering::Relaxed},
    },
    thread,
};

/// Only its address counts.
struct Instance;

fn bucket<const PLACES: usize>() -> Arc<Bucket<Instance, PLACES>> {
    Arc::new(Bucket {
        busy: AtomicUsize::new(0),
        threads: core::array::from_fn(|_| AtomicUsize::new(0)),
        instances: core::array::from_fn(|_| AtomicPtr::new(ptr::null_mut())),
    })
}

fn instance(number: usize) -> *mut Instance {
    ptr::without_provenance_mut(16 * number)
}

/// The instance that this thread is found in.
fn current<const PLACES: usize>(bucket: &Bucket<Instance, PLACES>, thread: usize) -> Option<*mut Instance> {
    bucket.place_of(thread).map(|place| place.load(Relaxed))
}

/// One callback, as `Place::alone` and `Place::beside_others` go about it. Whether there was room.
fn visit<const PLACES: usize>(
    bucket: &Bucket<Instance, PLACES>,
    thread: usize,
    instance: *mut Instance,
) -> bool {
    let place = bucket.take_alone(instance, thread).or_else(|| bucket.take_any(instance, thread));
    assert_eq!(current(bucket, thread), place.map(|_| instance), "thread {thread}");
    if let Some(place) = place {
        bucket.give_up(place);
        assert_eq!(current(bucket, thread), None);
    }
    place.is_some()
}

#[test]
fn threads_find_their_own_instance_each() {
    explore(|| {
        let bucket = bucket::<2>();
        let other = Arc::clone(&bucket);
        let thread = thread::spawn(move || assert!(visit(&other, 2, instance(2))));
        assert!(visit(&bucket, 1, instance(1)));
        thread.join().unwrap();
        assert_eq!(bucket.busy.load(Relaxed), 0);
    });
}

#[test]
fn a_place_that_went_from_thread_to_thread_leads_to_the_last_ones_instance() {
    explore_within(2, || {
        // Nothing but this place brings the threads together.
        let bucket = bucket::<1>();
        let threads = [2, 3].map(|number| {
            let bucket = Arc::clone(&bucket);
            thread::spawn(move || visit(&bucket, number, instance(number)))
        });
        let here = visit(&bucket, 1, instance(1));
        let there = threads.map(|thread| thread.join().unwrap());
        assert!(here || there.contains(&true), "who comes first finds the place");
        assert_eq!(bucket.busy.load(Relaxed), 0);
    });
}

#[test]
fn a_thread_that_enters_again_is_found_where_it_is_and_refused() {
    explore_within(3, || {
        let bucket = bucket::<2>();
        let other = Arc::clone(&bucket);
        let thread = thread::spawn(move || assert!(visit(&other, 2, instance(2))));
        let place = bucket.take_any(instance(1), 1).unwrap();
        assert!(bucket.take_alone(instance(3), 1).is_none());
        assert!(bucket.has(1));
        assert_eq!(current(&bucket, 1), Some(instance(1)));
        bucket.give_up(place);
        assert!(!bucket.has(1));
        assert!(visit(&bucket, 1, instance(3)));
        thread.join().unwrap();
    });
}

/// A host moves `process` from thread to thread: the same heap is entered by one after the other.
#[test]
fn a_heap_that_moved_is_found_by_the_thread_that_has_it() {
    explore(|| {
        let bucket = bucket::<2>();
        let heap = Arc::new(Mutex::new(instance(1)));
        let (there, its_heap) = (Arc::clone(&bucket), Arc::clone(&heap));
        let thread = thread::spawn(move || {
            let heap = its_heap.lock().unwrap();
            assert!(visit(&there, 2, *heap));
        });
        {
            let heap = heap.lock().unwrap();
            assert!(visit(&bucket, 1, *heap));
        }
        thread.join().unwrap();
    });
}
