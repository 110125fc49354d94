//! Values that are no pool's leave a callback without being destroyed in it.

use detalloc_audio::{AudioBudget, Foreign, ReapTask, Refusal, RtBox, RtHeap};
use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

#[cfg(debug_assertions)]
#[global_allocator]
static GLOBAL: detalloc_audio::AllocDisabler = detalloc_audio::AllocDisabler;

/// The reap task is one for all heaps of a process, and these tests say when it runs.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// No thread looks by itself.
fn heap_for(budget: impl FnOnce(AudioBudget) -> AudioBudget) -> RtHeap {
    let mut heap = RtHeap::reaped_by_task();
    heap.reconfigure(&budget(AudioBudget::new(48_000.0, 64))).unwrap();
    heap
}

struct Counted(Arc<AtomicUsize>, #[expect(dead_code, reason = "its drop frees memory")] Vec<u8>);

impl Counted {
    fn new(dropped: &Arc<AtomicUsize>) -> Self {
        Self(Arc::clone(dropped), vec![1; 100])
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_last_arc_a_vector_and_a_trait_object_are_destroyed_by_the_reaper() {
    let _turn = turn();
    let dropped = Arc::new(AtomicUsize::new(0));
    let mut heap = heap_for(|budget| budget.objects::<u64>(1));
    let arc = Foreign::new(Arc::new(Counted::new(&dropped)));
    let vec = Foreign::new(vec![Counted::new(&dropped)]);
    let object: Box<dyn Send> = Box::new(Counted::new(&dropped));
    heap.enter(|rt| {
        drop((arc, vec));
        assert!(rt.retire(object).is_ok());
    });
    assert_eq!(dropped.load(Ordering::SeqCst), 0);
    ReapTask.run();
    assert_eq!(dropped.load(Ordering::SeqCst), 3);
}

#[test]
fn outside_of_callbacks_they_are_dropped_there_and_then() {
    let _turn = turn();
    let dropped = Arc::new(AtomicUsize::new(0));
    drop(Foreign::new(Counted::new(&dropped)));
    assert_eq!(dropped.load(Ordering::SeqCst), 1);
    drop(Foreign::new(Counted::new(&dropped)).into_inner());
    assert_eq!(dropped.load(Ordering::SeqCst), 2);
}

#[test]
fn a_full_lane_is_carried_by_blocks_and_then_counted_as_abandoned() {
    let _turn = turn();
    let dropped = Arc::new(AtomicUsize::new(0));
    // What leaves takes 56 bytes.
    let mut heap = heap_for(|budget| budget.objects::<[u64; 8]>(3).foreign(2));
    let mut values: Vec<_> = (0..7).map(|_| Foreign::new(Counted::new(&dropped))).collect();
    heap.enter(|_| {
        while let Some(value) = values.pop() {
            drop(value)
        }
    });
    let counts = heap.meter().unwrap().snapshot();
    assert_eq!((counts.carried, counts.abandoned), (3, 2));
    ReapTask.run();
    assert_eq!(dropped.load(Ordering::SeqCst), 5);
    heap.enter(|_| ());
    assert_eq!(heap.meter().unwrap().snapshot().used_bytes(), 0);
}

#[test]
fn without_memory_a_retired_value_comes_back() {
    let _turn = turn();
    let value = Box::new(1_u8);
    let refused = RtHeap::new().enter(|rt| rt.retire(value)).unwrap_err();
    assert_eq!((refused.refusal, *refused.into_value().into_inner()), (Refusal::Unconfigured, 1));
}

#[test]
fn a_handle_of_another_heap_is_destroyed_by_the_reaper_too() {
    let _turn = turn();
    let dropped = Arc::new(AtomicUsize::new(0));
    let mut theirs = heap_for(|budget| budget.objects::<Counted>(1));
    let value = Counted::new(&dropped);
    let handle: RtBox<Counted> = theirs.enter(|rt| rt.boxed(value)).unwrap();
    let mut ours = heap_for(|budget| budget.objects::<u64>(1));
    // `AllocDisabler` would abort if the destructor ran here.
    ours.enter(|_| drop(handle));
    assert_eq!(dropped.load(Ordering::SeqCst), 0);
    ReapTask.run();
    assert_eq!(dropped.load(Ordering::SeqCst), 1);
    theirs.enter(|_| ());
    assert_eq!(theirs.meter().unwrap().snapshot().used_bytes(), 0);
}

#[test]
fn a_destructor_that_panics_takes_nothing_with_it() {
    let _turn = turn();
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            std::panic::resume_unwind(Box::new("on purpose"));
        }
    }
    let dropped = Arc::new(AtomicUsize::new(0));
    let mut heap = heap_for(|budget| budget.objects::<u64>(1));
    let (panics, counted) = (Foreign::new(Panics), Foreign::new(Counted::new(&dropped)));
    heap.enter(|_| drop((panics, counted)));
    ReapTask.run();
    assert_eq!(dropped.load(Ordering::SeqCst), 1);
}

#[test]
fn a_reaper_that_is_never_run_leaves_it_to_the_end_of_the_heap() {
    let _turn = turn();
    let dropped = Arc::new(AtomicUsize::new(0));
    let mut heap = heap_for(|budget| budget.objects::<Counted>(2));
    let values = [Counted::new(&dropped), Counted::new(&dropped)];
    let mut late = Some(Counted::new(&dropped));
    heap.enter(|rt| {
        for value in values {
            drop(rt.boxed(value).unwrap());
        }
        let refused = rt.boxed(late.take().unwrap()).err().unwrap();
        late = Some(refused.into_value());
    });
    assert_eq!(dropped.load(Ordering::SeqCst), 0, "nobody has looked");
    drop(heap);
    assert_eq!(dropped.load(Ordering::SeqCst), 2);
}

#[test]
fn the_reapers_work_is_not_done_in_a_callback() {
    let _turn = turn();
    let dropped = Arc::new(AtomicUsize::new(0));
    let mut heap = heap_for(|budget| budget.objects::<Counted>(1));
    let value = Counted::new(&dropped);
    heap.enter(|rt| {
        drop(rt.boxed(value).unwrap());
        ReapTask.run();
    });
    assert_eq!(dropped.load(Ordering::SeqCst), 0);
}
