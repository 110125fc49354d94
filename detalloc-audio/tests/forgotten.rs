//! Whatever is forgotten (`mem::forget`) keeps its memory and is never destroyed; everything else goes on, and ends.

use core::mem;
use detalloc_audio::{
    AudioBudget, Collected, FlushDenormals, Foreign, Publish, ReapTask, RtArc, RtHeap, adapter,
};
use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

/// Says that it was destroyed.
#[derive(Debug)]
struct Noted(Arc<AtomicUsize>);

impl Drop for Noted {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// The reaper is one for all heaps of a process.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn heap() -> RtHeap {
    let budget = AudioBudget::new(48_000.0, 64)
        .objects::<Noted>(4)
        .objects::<[u64; 8]>(4)
        .slices::<Noted>(4, 2)
        .slices::<u8>(64, 2)
        .events::<Noted>(4)
        .map::<u8, Noted>(4)
        .foreign(4);
    // Without a thread, so that the test says when things are reaped.
    let mut heap = RtHeap::reaped_by_task();
    heap.reconfigure(&budget).unwrap();
    heap
}

fn used_bytes(heap: &RtHeap) -> usize {
    heap.meter().unwrap().snapshot().used_bytes()
}

/// A heap in which something was forgotten serves as before, and ends: nothing else is lost, and everything else destroyed.
fn goes_on(mut heap: RtHeap) {
    let lost = used_bytes(&heap);
    let drops = Arc::<AtomicUsize>::default();
    for _ in 0..20 {
        heap.enter(|rt| drop(rt.boxed(Noted(Arc::clone(&drops))).ok()));
        ReapTask.run();
    }
    heap.enter(|_| ());
    assert_eq!((used_bytes(&heap), drops.load(SeqCst)), (lost, 20));
    drop(heap);
}

/// Forgets what this makes in a callback, and another one outside.
macro_rules! forgotten {
    ($($name:ident: |$rt:ident, $noted:ident| $make:expr;)+) => {$(
        #[test]
        fn $name() {
            let _turn = turn();
            let (mut heap, drops) = (heap(), Arc::<AtomicUsize>::default());
            let make = |$rt: &detalloc_audio::Rt<'_>, $noted| $make;
            heap.enter(|rt| mem::forget(make(rt, Noted(Arc::clone(&drops)))));
            let lost = used_bytes(&heap);
            assert!(lost > 0, "its memory stays taken");
            mem::forget(heap.enter(|rt| make(rt, Noted(Arc::clone(&drops)))));
            assert!(used_bytes(&heap) >= 2 * lost);
            ReapTask.run();
            goes_on(heap);
            assert_eq!(drops.load(SeqCst), 0, "it is never destroyed");
        }
    )+};
}

mod handles {
    use super::*;

    forgotten! {
        boxes: |rt, noted| rt.boxed(noted).unwrap();
        tailed_boxes: |rt, noted| rt.tailed(noted, 4, 0_u32).unwrap();
        counted_ones: |rt, noted| rt.arc(noted).unwrap();
        vectors: |rt, noted| {
            let mut vec = rt.vec(4).unwrap();
            assert!(vec.try_push(noted).is_ok());
            vec
        };
        queues: |rt, noted| {
            let mut queue = rt.queue(4).unwrap();
            assert!(queue.try_push_back(noted).is_ok());
            queue
        };
        strings: |rt, noted| {
            mem::forget(noted);
            rt.string(64).unwrap()
        };
    }

    #[test]
    fn maps() {
        let _turn = turn();
        let (mut heap, drops) = (heap(), Arc::<AtomicUsize>::default());
        heap.enter(|rt| {
            let mut map = rt.map(4).unwrap();
            assert!(map.try_insert(1_u8, Noted(Arc::clone(&drops))).is_ok());
            mem::forget(map);
        });
        goes_on(heap);
        assert_eq!(drops.load(SeqCst), 0);
    }

    #[test]
    fn one_of_two_counted_ones_leaves_the_value_to_the_other_beyond_the_heap() {
        let _turn = turn();
        let (mut heap, drops) = (heap(), Arc::<AtomicUsize>::default());
        let arc = heap.enter(|rt| rt.arc(Noted(Arc::clone(&drops))).ok().unwrap());
        mem::forget(RtArc::clone(&arc));
        goes_on(heap);
        assert_eq!((RtArc::strong_count(&arc), arc.0.load(SeqCst)), (2, 0));
        drop(arc);
        ReapTask.run();
        assert_eq!(drops.load(SeqCst), 0);
    }

    #[test]
    fn foreign_ones() {
        let _turn = turn();
        let (mut heap, drops) = (heap(), Arc::<AtomicUsize>::default());
        heap.enter(|_| mem::forget(Foreign::new(Noted(Arc::clone(&drops)))));
        ReapTask.run();
        assert_eq!((used_bytes(&heap), drops.load(SeqCst)), (0, 0));
        goes_on(heap);
    }

    #[test]
    fn values_that_were_refused() {
        let _turn = turn();
        let (mut empty, drops) = (RtHeap::new(), Arc::<AtomicUsize>::default());
        empty.enter(|rt| mem::forget(rt.boxed(Noted(Arc::clone(&drops))).unwrap_err()));
        empty.enter(|rt| mem::forget(rt.retire(Noted(Arc::clone(&drops))).unwrap_err()));
        assert_eq!(drops.load(SeqCst), 0);
        goes_on(heap());
    }
}

mod heaps {
    use super::*;

    #[test]
    fn leave_their_handles_and_their_counts_to_others() {
        let _turn = turn();
        let (mut heap, drops) = (heap(), Arc::<AtomicUsize>::default());
        let boxed = heap.enter(|rt| rt.boxed(Noted(Arc::clone(&drops))).ok().unwrap());
        let meter = heap.meter().unwrap();
        heap.enter(|rt| drop(rt.boxed(Noted(Arc::clone(&drops))).ok()));
        mem::forget(heap);
        ReapTask.run();
        assert_eq!(drops.load(SeqCst), 1, "what its callbacks dropped is destroyed");
        drop(boxed);
        assert_eq!((drops.load(SeqCst), meter.snapshot().callbacks.count), (2, 2));
        goes_on(super::heap());
    }

    #[test]
    #[cfg_attr(miri, ignore = "its thread would run on")]
    fn with_the_reapers_thread_keep_it() {
        let _turn = turn();
        let mut forgotten = RtHeap::new();
        forgotten.reconfigure(&AudioBudget::new(48_000.0, 64).objects::<u8>(1)).unwrap();
        mem::forget(forgotten);
        let mut heap = RtHeap::new();
        heap.reconfigure(&AudioBudget::new(48_000.0, 64).objects::<Noted>(4)).unwrap();
        let drops = Arc::<AtomicUsize>::default();
        heap.enter(|rt| drop(rt.boxed(Noted(Arc::clone(&drops))).ok()));
        drop(heap);
        assert_eq!(drops.load(SeqCst), 1);
    }

    #[test]
    fn in_an_adapter_end_as_little() {
        let _turn = turn();
        let guarded = adapter::guarded(heap());
        let watch = guarded.watch();
        mem::forget(guarded);
        assert_eq!((watch.callbacks(), watch.panicked()), (0, false));
        mem::forget(watch);
        goes_on(heap());
    }

    #[test]
    fn end_beside_a_meter() {
        let _turn = turn();
        let heap = heap();
        mem::forget(heap.meter());
        goes_on(heap);
    }
}

/// These are the reaper's thread's, which runs on where its share is forgotten.
#[cfg(not(miri))]
mod published {
    use super::*;

    #[test]
    fn objects_that_are_held_for_ever_are_never_destroyed_and_the_others_are() {
        let _turn = turn();
        let drops = Arc::<AtomicUsize>::default();
        let publish = Publish::new(Noted(Arc::clone(&drops))).unwrap();
        mem::forget(publish.read());
        publish.set(Noted(Arc::clone(&drops)));
        publish.set(Noted(Arc::clone(&drops)));
        drop(publish);
        ReapTask.run();
        assert_eq!(drops.load(SeqCst), 2);
    }

    #[test]
    fn readers_keep_what_was_published_last() {
        let _turn = turn();
        let drops = Arc::<AtomicUsize>::default();
        let publish = Publish::new(Noted(Arc::clone(&drops))).unwrap();
        mem::forget(publish.reader());
        publish.set(Noted(Arc::clone(&drops)));
        drop(publish);
        ReapTask.run();
        assert_eq!(drops.load(SeqCst), 1);
    }

    #[test]
    fn publishers_leave_their_readers_what_there_is() {
        let _turn = turn();
        let publish = Publish::new(7).unwrap();
        let reader = publish.reader();
        mem::forget(publish);
        assert_eq!(*reader.read(), 7);
    }

    #[test]
    fn collected_ones_are_never_destroyed_and_the_others_are() {
        let _turn = turn();
        let drops = Arc::<AtomicUsize>::default();
        let collected = Collected::new().unwrap();
        mem::forget(collected.own(Noted(Arc::clone(&drops))));
        drop(collected.own(Noted(Arc::clone(&drops))));
        drop(collected);
        ReapTask.run();
        assert_eq!(drops.load(SeqCst), 1);
    }

    #[test]
    fn collectors_go_on() {
        let _turn = turn();
        let drops = Arc::<AtomicUsize>::default();
        let collected = Collected::new().unwrap();
        let reaped = collected.own(Noted(Arc::clone(&drops)));
        mem::forget(collected);
        drop(reaped);
        ReapTask.run();
        assert_eq!(drops.load(SeqCst), 1);
    }
}

#[test]
#[cfg_attr(miri, ignore = "it has no such register")]
fn a_guard_against_denormals_changes_its_own_thread_alone() {
    let half = || core::hint::black_box(f32::MIN_POSITIVE) * core::hint::black_box(0.5);
    let there = std::thread::spawn(move || {
        // SAFETY: nothing on this thread depends on how small numbers are rounded.
        mem::forget(unsafe { FlushDenormals::new() });
        half()
    });
    assert_eq!(there.join().unwrap() == 0.0, FlushDenormals::AVAILABLE);
    assert_ne!(half(), 0.0);
}
