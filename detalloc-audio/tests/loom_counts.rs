//! Every interleaving of those who count with those who read: counts of one owner after the other lose nothing and never go
//! back, the longest callback never shrinks, and the last of several handles sees what all others did.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p detalloc-audio --release --test loom_counts -- --nocapture`
#![cfg(loom)]

/// The modules themselves, built with loom's atomics.
#[path = "../src/counts.rs"]
#[allow(dead_code, reason = "all counts are the same")]
mod counts;
#[path = "../../detalloc/tests/interleavings/explore.rs"]
mod explore;
#[path = "../src/arc/handles.rs"]
mod handles;
#[path = "../src/timing/longest.rs"]
mod longest;

mod sync {
    pub(crate) use loom::sync::atomic::{AtomicUsize, Ordering, fence};
}

use counts::Count;
use explore::explore;
use handles::Handles;
use longest::Longest;
use loom::{
    cell::UnsafeCell,
    sync::{Arc, Mutex},
    thread,
};

#[test]
fn a_count_of_one_owner_after_the_other_loses_nothing_and_never_goes_back() {
    explore(|| {
        let count = Arc::new(Count::default());
        // The exclusive borrow of the heap.
        let heap = Arc::new(Mutex::new(()));
        let (its, its_heap) = (Arc::clone(&count), Arc::clone(&heap));
        let other = thread::spawn(move || {
            let _owner = its_heap.lock().unwrap();
            its.up();
        });
        let read = Arc::clone(&count);
        let meter = thread::spawn(move || {
            let seen = [(); 3].map(|()| read.get());
            assert!(seen.is_sorted(), "{seen:?}");
            assert!(seen[2] <= 3);
        });
        for _ in 0..2 {
            let _owner = heap.lock().unwrap();
            count.up();
        }
        other.join().unwrap();
        meter.join().unwrap();
        assert_eq!(count.get(), 3);
    });
}

#[test]
fn counts_are_true_each_for_itself() {
    explore(|| {
        let counts = Arc::new([Count::default(), Count::default()]);
        let read = Arc::clone(&counts);
        // Which of them is ahead is not promised.
        let meter = thread::spawn(move || {
            let [first, second] = [read[0].get(), read[1].get()];
            assert!(first <= 2 && second <= 1);
        });
        counts[0].up();
        counts[1].up();
        counts[0].up();
        meter.join().unwrap();
        assert_eq!([counts[0].get(), counts[1].get()], [2, 1]);
    });
}

#[test]
fn the_longest_never_shrinks_while_it_is_begun_anew() {
    explore(|| {
        let longest = Arc::new(Longest::default());
        longest.took(9);
        let read = Arc::clone(&longest);
        let meter = thread::spawn(move || {
            let seen = [(); 2].map(|()| read.get());
            assert!(seen[0] >= 9 && seen.is_sorted(), "{seen:?}");
        });
        longest.begin_anew();
        assert!(longest.took(5), "begun anew");
        assert!(!longest.took(4));
        longest.took(10);
        longest.begin_anew();
        meter.join().unwrap();
        assert_eq!(longest.get(), 10);
    });
}

/// A value that handles share; loom reports a use that races with its end.
struct Shared {
    handles: Handles,
    used: [UnsafeCell<usize>; 2],
    ended: UnsafeCell<usize>,
}

impl Shared {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            handles: Handles::one(),
            used: [UnsafeCell::new(0), UnsafeCell::new(0)],
            ended: UnsafeCell::new(0),
        })
    }

    /// Uses the value and lets its handle go.
    fn use_and_leave(&self, thread: usize) {
        self.used[thread].with_mut(|used| unsafe { *used += 1 });
        if self.handles.leave() {
            let used: usize = self.used.iter().map(|used| used.with_mut(|used| unsafe { *used })).sum();
            assert_eq!(used, 2);
            self.ended.with_mut(|ended| unsafe { *ended += 1 });
        }
    }
}

#[test]
fn the_last_handle_sees_what_the_others_did_and_is_the_last_once() {
    explore(|| {
        let shared = Shared::new();
        assert!(shared.handles.add());
        let its = Arc::clone(&shared);
        let other = thread::spawn(move || its.use_and_leave(1));
        shared.use_and_leave(0);
        other.join().unwrap();
        assert_eq!(shared.ended.with(|ended| unsafe { *ended }), 1);
    });
}

#[test]
fn the_only_handle_sees_what_the_others_did() {
    explore(|| {
        let shared = Shared::new();
        assert!(shared.handles.add());
        assert_eq!(shared.handles.get(), 2);
        let its = Arc::clone(&shared);
        let other = thread::spawn(move || {
            its.used[1].with_mut(|used| unsafe { *used += 1 });
            assert!(!its.handles.leave());
        });
        if shared.handles.is_one() {
            assert_eq!(shared.used[1].with_mut(|used| unsafe { *used }), 1);
        }
        other.join().unwrap();
        assert!(shared.handles.is_one());
    });
}
