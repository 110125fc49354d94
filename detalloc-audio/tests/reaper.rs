//! When the last heap has gone no thread is left, so that a host may unload the library. One test, because it counts
//! the threads of the whole process.
#![cfg(target_os = "linux")]

use detalloc_audio::{AudioBudget, RtHeap};
use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

fn reapers() -> usize {
    let names = fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap().path().join("comm"));
    // A thread that ends meanwhile has no name any more.
    names.filter(|name| fs::read_to_string(name).is_ok_and(|name| name.trim() == "detalloc-reaper")).count()
}

/// Waits until there are so many: a thread takes its name itself, and the kernel shows one for a moment after it ended.
fn eventually_reapers(count: usize) {
    let start = Instant::now();
    while reapers() != count {
        assert!(start.elapsed() < Duration::from_secs(30), "{} reapers, not {count}", reapers());
        thread::sleep(Duration::from_millis(1));
    }
}

fn heap_for<T>() -> RtHeap {
    let mut heap = RtHeap::new();
    heap.reconfigure(&AudioBudget::new(48_000.0, 64).objects::<T>(1)).unwrap();
    heap
}

#[test]
#[cfg_attr(miri, ignore = "it names no threads")]
fn the_reaper_is_gone_with_the_last_heap() {
    eventually_reapers(0);
    let (one, two) = (heap_for::<u8>(), heap_for::<u16>());
    eventually_reapers(1);
    drop(one);
    assert_eq!(reapers(), 1);
    drop(two);
    eventually_reapers(0);

    // A heap whose last memory is a heap that was dropped in its own callback.
    struct Nested(RtHeap, Arc<AtomicUsize>);
    impl Drop for Nested {
        fn drop(&mut self) {
            assert!(self.0.meter().is_some());
            self.1.fetch_add(1, Ordering::SeqCst);
        }
    }
    let dropped = Arc::new(AtomicUsize::new(0));
    let nested = Nested(heap_for::<u8>(), Arc::clone(&dropped));
    let mut outer = heap_for::<Nested>();
    outer.enter(|rt| drop(rt.boxed(nested)));
    drop(outer);
    assert_eq!(dropped.load(Ordering::SeqCst), 1, "before the heap it was dropped in has gone");
    eventually_reapers(0);

    // A block that is held longer than its heap and the reaper ends its region itself.
    let mut heap = heap_for::<u64>();
    let held = heap.enter(|rt| rt.boxed(7_u64)).unwrap();
    drop(heap);
    eventually_reapers(0);
    assert_eq!(*held, 7);
    drop(held);
}
