//! What ends in unusual places still ends: heaps that go inside a destructor, last blocks that come home in one, and elements whose
//! destructors panic.

use detalloc_audio::{AudioBudget, ReapTask, RtBox, RtHeap};
use std::{
    panic,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

/// The window that regions lie in is the process's, so these tests take turns.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A heap that only a task reaps.
fn heap(budget: impl FnOnce(AudioBudget) -> AudioBudget) -> RtHeap {
    let mut heap = RtHeap::reaped_by_task();
    heap.reconfigure(&budget(AudioBudget::new(48_000.0, 64))).unwrap();
    heap
}

/// Whether there is a region anywhere: the window of 64 GiB is there as long as one is. Sanitizers reserve as much themselves.
#[cfg(all(target_os = "linux", not(any(miri, asan, tsan))))]
fn there_are_regions() -> bool {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let bytes = |line: &str| {
        let (start, end) = line.split_once(' ')?.0.split_once('-')?;
        let number = |text| usize::from_str_radix(text, 16).ok();
        Some(number(end)? - number(start)?)
    };
    maps.lines().filter(|line| line.contains(" ---p")).filter_map(bytes).any(|bytes| bytes > 1 << 35)
}

/// Counts its drops, and panics in them if it is to.
struct Noted {
    drops: Arc<AtomicUsize>,
    panics: bool,
}

impl Drop for Noted {
    fn drop(&mut self) {
        self.drops.fetch_add(1, Ordering::SeqCst);
        if self.panics {
            panic::resume_unwind(Box::new(()));
        }
    }
}

/// Four, the third of which panics.
fn four(drops: &Arc<AtomicUsize>) -> impl Iterator<Item = Noted> {
    (0..4).map(|n| Noted { drops: Arc::clone(drops), panics: n == 2 })
}

mod heaps_that_go_inside_a_destructor {
    use super::*;

    /// Ends its voice in a callback when it goes.
    struct Engine(RtHeap, Option<RtBox<Noted>>);

    impl Drop for Engine {
        fn drop(&mut self) {
            let voice = self.1.take();
            self.0.enter(|_| drop(voice));
        }
    }

    #[test]
    fn destroy_what_is_left() {
        let _turn = turn();
        let drops = Arc::<AtomicUsize>::default();
        let mut inner = heap(|budget| budget.objects::<Noted>(1));
        let voice = inner.enter(|rt| rt.boxed(Noted { drops: Arc::clone(&drops), panics: false }).ok());
        let mut outer = heap(|budget| budget.objects::<Engine>(1));
        outer.enter(|rt| drop(rt.boxed(Engine(inner, voice)).ok()));
        drop(outer);
        assert_eq!(drops.load(Ordering::SeqCst), 1);
    }

    #[test]
    #[cfg(all(target_os = "linux", not(any(miri, asan, tsan))))]
    fn leave_no_region_behind() {
        let _turn = turn();
        assert!(!there_are_regions());
        let inner = heap(|budget| budget.objects::<u64>(1));
        assert!(there_are_regions());
        let mut outer = heap(|budget| budget.objects::<RtHeap>(1));
        outer.enter(|rt| drop(rt.boxed(inner).ok()));
        drop(outer);
        assert!(!there_are_regions());
    }

    #[test]
    #[cfg(all(target_os = "linux", not(any(miri, asan, tsan))))]
    fn and_last_blocks_that_come_home_there_end_their_region() {
        let _turn = turn();
        let mut first = heap(|budget| budget.objects::<u64>(1));
        let held = first.enter(|rt| rt.boxed(7_u64).ok());
        drop(first);
        let mut second = heap(|budget| budget.objects::<(Option<RtBox<u64>>, String)>(1));
        second.enter(|rt| drop(rt.boxed((held, String::new())).ok()));
        drop(second);
        assert!(!there_are_regions());
    }
}

mod elements_that_panic {
    use super::*;

    #[test]
    fn do_not_keep_the_others_of_a_vector() {
        let _turn = turn();
        let drops = Arc::<AtomicUsize>::default();
        let mut heap = heap(|budget| budget.slices::<Noted>(4, 1));
        heap.enter(|rt| {
            let mut vec = rt.vec(4).unwrap();
            four(&drops).for_each(|noted| assert!(vec.try_push(noted).is_ok()));
        });
        ReapTask.run();
        assert_eq!(drops.load(Ordering::SeqCst), 4);
    }

    #[test]
    fn do_not_keep_the_others_of_a_queue_that_goes_around_its_end() {
        let _turn = turn();
        let drops = Arc::<AtomicUsize>::default();
        let mut heap = heap(|budget| budget.events::<Noted>(4));
        heap.enter(|rt| {
            let mut queue = rt.queue(4).unwrap();
            for noted in four(&drops) {
                assert!(queue.try_push_back(noted).is_ok());
            }
            let first = queue.pop_front();
            assert!(queue.try_push_back(first.unwrap()).is_ok());
        });
        ReapTask.run();
        assert_eq!(drops.load(Ordering::SeqCst), 4);
    }

    #[test]
    fn keep_neither_the_others_of_a_map_nor_its_block() {
        let _turn = turn();
        let drops = Arc::<AtomicUsize>::default();
        let mut heap = heap(|budget| budget.map::<u32, Noted>(4));
        heap.enter(|rt| {
            let mut map = rt.map(4).unwrap();
            (0..).zip(four(&drops)).for_each(|(key, noted)| assert!(map.try_insert(key, noted).is_ok()));
        });
        ReapTask.run();
        heap.enter(|_| ());
        assert_eq!(drops.load(Ordering::SeqCst), 4);
        assert_eq!(heap.meter().unwrap().snapshot().used_bytes(), 0);
    }

    #[test]
    fn are_heard_of_where_a_map_is_dropped_outside_of_callbacks() {
        let _turn = turn();
        let drops = Arc::<AtomicUsize>::default();
        let mut heap = heap(|budget| budget.map::<u32, Noted>(4));
        let mut map = heap.enter(|rt| rt.map(4)).unwrap();
        (0..).zip(four(&drops)).for_each(|(key, noted)| assert!(map.try_insert(key, noted).is_ok()));
        assert!(panic::catch_unwind(panic::AssertUnwindSafe(|| drop(map))).is_err());
        assert_eq!(drops.load(Ordering::SeqCst), 4);
    }
}

/// Beside a look that adds memory; Miri sees whether the end of the one happens before the other.
#[test]
fn a_heap_that_was_topped_up_may_close_beside_a_look() {
    use std::sync::atomic::AtomicBool;
    let _turn = turn();
    let stop = Arc::<AtomicBool>::default();
    let reaper = {
        let stop = Arc::clone(&stop);
        std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                ReapTask.run();
                std::thread::yield_now();
            }
        })
    };
    let heaps = if cfg!(miri) { 2 } else { 8 };
    for _ in 0..heaps {
        // Always low, so that every look adds memory.
        let mut heap =
            heap(|budget| budget.objects::<u64>(2).foreign(1).low_water_percent(100).top_up(1 << 20));
        let mut held = Vec::with_capacity(64);
        for _ in 0..2_000 {
            heap.enter(|rt| held.extend(rt.boxed(1_u64)));
            if held.len() > 3 {
                break;
            }
            std::thread::yield_now();
        }
        drop(heap);
        assert!(held.iter().all(|boxed| **boxed == 1));
    }
    stop.store(true, Ordering::Relaxed);
    reaper.join().unwrap();
}
