//! The promises of the heap and its handles, arranged by promise. `AllocDisabler` is the global allocator, so that any
//! use of the system heap inside `enter` aborts these tests.

use detalloc_audio::{AllocError, AudioBudget, BudgetError, Refusal, RtBox, RtHeap, RtVec};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

#[cfg(debug_assertions)]
#[global_allocator]
static GLOBAL: detalloc_audio::AllocDisabler = detalloc_audio::AllocDisabler;

fn heap_for(budget: impl FnOnce(AudioBudget) -> AudioBudget) -> RtHeap {
    let mut heap = RtHeap::new();
    heap.reconfigure(&budget(AudioBudget::new(48_000.0, 64))).unwrap();
    heap
}

/// Counts its own destructions, and allocates and frees while it is at it.
struct Counted {
    dropped: Arc<AtomicUsize>,
    _from_the_system_heap: Vec<u8>,
}

impl Counted {
    fn new(dropped: &Arc<AtomicUsize>) -> Self {
        Self { dropped: Arc::clone(dropped), _from_the_system_heap: vec![1, 2, 3] }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        drop(Vec::<u8>::with_capacity(1000));
        self.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

/// Waits for the reaper; how long does not matter, only that it comes.
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(30), "{what}");
        thread::sleep(Duration::from_millis(1));
    }
}

mod budgets {
    use super::*;

    #[test]
    fn none_of_something_is_an_error_that_names_it() {
        let none = |budget: AudioBudget| budget.config().unwrap_err();
        let budget = || AudioBudget::new(48_000.0, 64);
        let voices = none(budget().voices(0, |voice| voice.objects::<u64>(1)));
        assert!(matches!(voices, BudgetError::Zero { what: "voices" }));
        assert_eq!(voices.to_string(), "the budget asks for none of voices; leave it out");
        assert!(matches!(none(budget().objects::<u64>(0)), BudgetError::Zero { what: "u64" }));
    }

    #[test]
    fn a_voice_may_need_several_things_and_buffers() {
        let budget = AudioBudget::new(48_000.0, 64)
            .voices(3, |voice| voice.objects::<[u64; 2]>(2).slices::<f32>(64, 1).scratch::<f32>(64));
        let mut heap = RtHeap::new();
        heap.reconfigure(&budget).unwrap();
        let blocks: Vec<_> =
            heap.config().unwrap().pools().iter().map(|pool| (pool.block_bytes, pool.blocks)).collect();
        assert_eq!(blocks, [(16, 6), (256, 3)]);
        heap.enter(|rt| assert_eq!((0..4).filter(|_| rt.scratch(64, 0.0_f32).is_ok()).count(), 3));
    }

    #[test]
    fn what_was_recorded_is_added_to_the_rest() {
        use detalloc_audio::PoolConfig;
        let budget = AudioBudget::new(48_000.0, 64)
            .objects::<u64>(4)
            .recorded(&[PoolConfig::new(16, 10), PoolConfig::new(96, 2)]);
        let config = budget.config().unwrap();
        let blocks: Vec<_> = config.pools().iter().map(|pool| (pool.block_bytes, pool.blocks)).collect();
        assert_eq!(blocks, [(16, 14), (96, 2)]);
    }

    // Sanitizers end the program instead of refusing.
    #[cfg(not(any(asan, tsan)))]
    #[test]
    fn what_most_of_the_memory_is_for_may_be_no_pool() {
        let budget = || AudioBudget::new(48_000.0, 64).objects::<u64>(1);
        let mut heap = RtHeap::new();
        let scratch = heap.reconfigure(&budget().scratch::<f32>(1 << 50)).unwrap_err();
        assert!(scratch.to_string().ends_with("for scratch buffers"), "{scratch}");
        let foreign = heap.reconfigure(&budget().foreign(1 << 40)).unwrap_err();
        assert!(foreign.to_string().ends_with("for foreign values on their way"), "{foreign}");
    }

    // Sanitizers end the program instead of refusing.
    #[cfg(not(any(asan, tsan)))]
    #[test]
    fn more_than_the_system_has_is_refused_with_the_bytes_and_what_they_are_for() {
        let budget = AudioBudget::new(48_000.0, 64).slices::<u8>(1 << 24, 1 << 24).objects::<u64>(1);
        let mut heap = RtHeap::new();
        let error = heap.reconfigure(&budget).unwrap_err();
        assert!(
            matches!(error, BudgetError::OutOfMemory { bytes, what: "[u8]" } if bytes >= 1 << 48),
            "{error}"
        );
        assert!(heap.meter().is_none(), "the heap stays as it was");
    }

    #[test]
    fn one_that_cannot_be_met_says_why_and_changes_nothing() {
        let mut heap = heap_for(|budget| budget.objects::<u64>(1));
        let fine = AudioBudget::new(48_000.0, 64).objects::<u64>(1);
        for rate in [f64::NAN, f64::INFINITY, 0.0, -48_000.0, 7.0, 1e12] {
            let refused = heap.reconfigure(&AudioBudget::new(rate, 64).objects::<u64>(1)).unwrap_err();
            assert!(matches!(refused, BudgetError::SampleRate { .. }));
        }
        for frames in [0, u32::MAX] {
            let refused =
                heap.reconfigure(&AudioBudget::new(48_000.0, frames).objects::<u64>(1)).unwrap_err();
            assert!(matches!(refused, BudgetError::Frames { given } if given == frames));
        }
        assert!(matches!(heap.reconfigure(&AudioBudget::new(48_000.0, 64)), Err(BudgetError::Empty)));
        assert!(matches!(
            heap.reconfigure(&fine.clone().slices::<f64>(usize::MAX, 1)),
            Err(BudgetError::TooLarge { what: "[f64]", bytes: None })
        ));
        assert!(matches!(
            heap.reconfigure(&fine.clone().slices::<u8>(1 << 40, 1)),
            Err(BudgetError::TooLarge { bytes: Some(_), .. })
        ));
        assert!(matches!(
            heap.reconfigure(&fine.clone().objects::<u64>(usize::MAX)),
            Err(BudgetError::Pools(_))
        ));
        #[repr(align(8192))]
        struct Page;
        assert!(matches!(
            heap.reconfigure(&fine.clone().objects::<Page>(1)),
            Err(BudgetError::Alignment { align_bytes: 8192, .. })
        ));
        assert_eq!(heap.config(), Some(&fine.config().unwrap()));
        assert!(heap.enter(|rt| rt.boxed(1_u64)).is_ok());
    }

    #[test]
    fn the_same_one_again_changes_nothing() {
        let mut heap = heap_for(|budget| budget.objects::<u64>(4));
        let kept = heap.enter(|rt| rt.boxed(7_u64)).unwrap();
        heap.reconfigure(&AudioBudget::new(96_000.0, 128).objects::<u64>(4)).unwrap();
        assert_eq!(heap.meter().unwrap().snapshot().pools()[0].used, 1);
        assert_eq!(*kept, 7);
    }

    #[test]
    fn another_one_leaves_old_handles_valid() {
        let mut heap = heap_for(|budget| budget.objects::<u64>(4));
        let mut kept = heap.enter(|rt| rt.boxed(7_u64)).unwrap();
        heap.reconfigure(&AudioBudget::new(48_000.0, 64).objects::<[u64; 9]>(4)).unwrap();
        assert_eq!(heap.meter().unwrap().snapshot().used_bytes(), 0);
        *kept += 1;
        assert_eq!(*kept, 8);
        heap.enter(|_| drop(kept));
    }

    #[test]
    fn headroom_and_whole_audio_buffers_are_counted_in() {
        let heap = heap_for(|budget| budget.audio_buffers(2).headroom_percent(25));
        let pools = heap.config().unwrap().pools();
        assert_eq!((pools[0].block_bytes, pools[0].blocks), (256, 3));
    }
}

mod allocating {
    use super::*;

    #[test]
    fn a_heap_without_memory_refuses_and_gives_the_value_back() {
        let mut heap = RtHeap::new();
        let value = String::from("kept");
        let refused = heap.enter(|rt| rt.boxed(value)).unwrap_err();
        assert_eq!(refused.refusal, Refusal::Unconfigured);
        assert_eq!(refused.into_value(), "kept");
        assert!(heap.meter().is_none());
    }

    #[test]
    fn an_exhausted_pool_gives_the_value_back_and_counts_it() {
        let mut heap = heap_for(|budget| budget.objects::<[u64; 4]>(2));
        let meter = heap.meter().unwrap();
        heap.enter(|rt| {
            let _first = rt.boxed([1_u64; 4]).unwrap();
            let _second = rt.boxed([2_u64; 4]).unwrap();
            let refused = rt.boxed([3_u64; 4]).unwrap_err();
            assert_eq!(refused.refusal, Refusal::Pools(AllocError::Exhausted { block_bytes: 32 }));
            assert_eq!(refused.value, [3; 4]);
        });
        let stats = meter.snapshot();
        assert_eq!((stats.refused, stats.pools()[0].peak, stats.pools()[0].used), (1, 2, 0));
    }

    #[test]
    fn what_is_dropped_in_the_callback_is_free_again_in_the_same_callback() {
        let mut heap = heap_for(|budget| budget.objects::<u64>(1));
        heap.enter(|rt| (0..1000_u64).for_each(|i| assert_eq!(*rt.boxed(i).unwrap(), i)));
    }

    #[test]
    fn a_head_and_its_tail_share_one_block() {
        let mut heap = heap_for(|budget| budget.tailed::<(u8, u64), f32>(100, 1));
        heap.enter(|rt| {
            let mut grain = rt.tailed((1_u8, 2_u64), 100, 0.5_f32).unwrap();
            assert_eq!((grain.head, grain.tail.len()), ((1, 2), 100));
            grain.tail[99] = 1.0;
            assert_eq!(grain.tail.iter().sum::<f32>(), 99.0 * 0.5 + 1.0);
            assert_eq!(rt.tailed(9_u8, 1, 0_u64).unwrap_err().value, 9);
            assert_eq!(rt.tailed(9_u8, usize::MAX, 0_u64).unwrap_err().refusal, Refusal::TooLarge);
        });
        assert_eq!(heap.meter().unwrap().snapshot().pools()[0].block_bytes, 416);
    }

    #[test]
    fn a_vector_keeps_to_its_capacity() {
        let mut heap = heap_for(|budget| budget.slices::<u32>(4, 1).objects::<()>(1));
        heap.enter(|rt| {
            let mut vec = rt.vec::<u32>(4).unwrap();
            for value in 0..4 {
                vec.try_push(value).unwrap();
            }
            let refused = vec.try_push(4).unwrap_err();
            assert_eq!((refused.value, refused.refusal), (4, Refusal::Full { capacity: 4 }));
            assert_eq!((vec.remove(1), vec.remove(9)), (Some(1), None));
            assert_eq!((vec.swap_remove(0), vec.swap_remove(2), &vec[..]), (Some(0), None, &[3, 2][..]));
            assert_eq!((vec.pop(), vec.pop(), vec.pop()), (Some(2), Some(3), None));
            (0..4).for_each(|value| vec.try_push(value).unwrap());
            vec.retain_mut(|value| *value % 2 == 1);
            assert_eq!(&vec[..], [1, 3]);
            vec.clear();
            assert!(vec.is_empty() && !vec.is_full());
            assert!(rt.vec::<u64>(usize::MAX).is_err());
        });
        assert!(RtVec::new().try_push(1).is_err());
    }
}

mod dropping {
    use super::*;

    #[test]
    fn a_destructor_runs_on_the_reaper_and_the_block_comes_home() {
        let dropped = Arc::new(AtomicUsize::new(0));
        let mut heap = heap_for(|budget| budget.objects::<Counted>(8));
        let values: Vec<_> = (0..8).map(|_| Counted::new(&dropped)).collect();
        let mut values = values.into_iter();
        heap.enter(|rt| {
            for value in values.by_ref() {
                drop(rt.boxed(value).unwrap());
            }
        });
        eventually("the reaper runs every destructor", || dropped.load(Ordering::SeqCst) == 8);
        // Twice as many callbacks as blocks: each finds the blocks that came home.
        eventually("every block comes home", || {
            heap.enter(|_| ());
            heap.meter().unwrap().snapshot().used_bytes() == 0
        });
    }

    #[test]
    fn a_vector_of_values_with_destructors_goes_as_one() {
        let dropped = Arc::new(AtomicUsize::new(0));
        let mut heap = heap_for(|budget| budget.slices::<Counted>(5, 1));
        let mut vec = heap.enter(|rt| rt.vec::<Counted>(5)).unwrap();
        for _ in 0..5 {
            vec.try_push(Counted::new(&dropped)).unwrap();
        }
        heap.enter(|_| drop(vec));
        eventually("the reaper runs every destructor", || dropped.load(Ordering::SeqCst) == 5);
    }

    #[test]
    fn outside_of_the_callback_a_destructor_runs_at_once() {
        let dropped = Arc::new(AtomicUsize::new(0));
        let mut heap = heap_for(|budget| budget.objects::<Counted>(2));
        let value = Counted::new(&dropped);
        let boxed = heap.enter(|rt| rt.boxed(value)).unwrap();
        drop(boxed);
        assert_eq!(dropped.load(Ordering::SeqCst), 1);
        let value = Counted::new(&dropped);
        let inner = RtBox::into_inner(heap.enter(|rt| rt.boxed(value)).unwrap());
        assert_eq!(dropped.load(Ordering::SeqCst), 1);
        drop(inner);
        assert_eq!(dropped.load(Ordering::SeqCst), 2);
        heap.enter(|_| ());
        assert_eq!(heap.meter().unwrap().snapshot().used_bytes(), 0);
    }

    #[test]
    fn a_destructor_that_panics_takes_nothing_with_it() {
        struct Panics;
        impl Drop for Panics {
            fn drop(&mut self) {
                std::panic::resume_unwind(Box::new(()));
            }
        }
        let dropped = Arc::new(AtomicUsize::new(0));
        let mut heap = heap_for(|budget| budget.objects::<Panics>(1).objects::<Counted>(1));
        let value = Counted::new(&dropped);
        heap.enter(|rt| {
            drop(rt.boxed(Panics).unwrap());
            drop(rt.boxed(value).unwrap());
        });
        eventually("the reaper goes on", || dropped.load(Ordering::SeqCst) == 1);
        eventually("both blocks come home", || {
            heap.enter(|_| ());
            heap.meter().unwrap().snapshot().used_bytes() == 0
        });
    }

    #[test]
    fn nor_does_one_that_panics_with_something_that_panics() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                std::panic::resume_unwind(Box::new(()));
            }
        }
        struct Panics;
        impl Drop for Panics {
            fn drop(&mut self) {
                std::panic::resume_unwind(Box::new(Bomb));
            }
        }
        let dropped = Arc::new(AtomicUsize::new(0));
        let mut heap = heap_for(|budget| budget.objects::<Panics>(1).objects::<Counted>(1));
        let value = Counted::new(&dropped);
        heap.enter(|rt| {
            drop(rt.boxed(Panics).unwrap());
            drop(rt.boxed(value).unwrap());
        });
        eventually("the reaper goes on", || dropped.load(Ordering::SeqCst) == 1);
    }

    #[test]
    fn a_handle_from_before_another_budget_still_goes_to_the_reaper() {
        let dropped = Arc::new(AtomicUsize::new(0));
        let mut heap = heap_for(|budget| budget.objects::<Counted>(1));
        let value = Counted::new(&dropped);
        let kept = heap.enter(|rt| rt.boxed(value)).unwrap();
        heap.reconfigure(&AudioBudget::new(96_000.0, 64).objects::<Counted>(2)).unwrap();
        // `AllocDisabler` would abort if the destructor ran here.
        heap.enter(|_| drop(kept));
        eventually("the reaper runs the destructor", || dropped.load(Ordering::SeqCst) == 1);
    }

    #[test]
    fn a_handle_of_a_heap_that_has_gone_may_be_dropped_in_the_callback_of_another() {
        let mut gone = heap_for(|budget| budget.objects::<u64>(1));
        let kept = gone.enter(|rt| rt.boxed(1_u64)).unwrap();
        let mut heap = heap_for(|budget| budget.objects::<u64>(1));
        drop(gone);
        // `AllocDisabler` would abort if the region were freed here.
        heap.enter(|_| drop(kept));
    }

    #[test]
    fn the_lane_holds_a_drop_of_every_block_at_once() {
        let dropped = Arc::new(AtomicUsize::new(0));
        let mut heap = heap_for(|budget| budget.objects::<Counted>(700));
        let mut values: Vec<_> = (0..700).map(|_| Counted::new(&dropped)).collect();
        heap.enter(|rt| {
            let mut all = [const { None::<RtBox<Counted>> }; 700];
            all.iter_mut().for_each(|place| *place = values.pop().and_then(|value| rt.boxed(value).ok()));
            assert!(all.iter().all(Option::is_some));
        });
        eventually("the reaper runs every destructor", || dropped.load(Ordering::SeqCst) == 700);
    }
}

mod lifetimes {
    use super::*;

    #[test]
    fn handles_outlive_their_heap() {
        let dropped = Arc::new(AtomicUsize::new(0));
        let mut heap = heap_for(|budget| budget.objects::<Counted>(3));
        let mut values: Vec<_> = (0..3).map(|_| Counted::new(&dropped)).collect();
        let mut boxes: Vec<_> = Vec::with_capacity(3);
        heap.enter(|rt| {
            while let Some(value) = values.pop() {
                boxes.push(rt.boxed(value).unwrap());
            }
        });
        drop(heap);
        drop(boxes.pop());
        thread::spawn(move || drop(boxes)).join().unwrap();
        assert_eq!(dropped.load(Ordering::SeqCst), 3);
    }

    #[test]
    fn what_is_still_in_the_lane_when_the_heap_goes_is_destroyed() {
        let dropped = Arc::new(AtomicUsize::new(0));
        let mut heap = heap_for(|budget| budget.objects::<Counted>(1));
        let value = Counted::new(&dropped);
        heap.enter(|rt| drop(rt.boxed(value).unwrap()));
        drop(heap);
        eventually("the reaper empties the lane", || dropped.load(Ordering::SeqCst) == 1);
    }

    #[test]
    fn a_panic_in_the_callback_gives_the_ownership_back() {
        let mut heap = heap_for(|budget| budget.objects::<u64>(1));
        let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            heap.enter(|rt| {
                let _live = rt.boxed(1_u64);
                // The panic itself needs the system heap, which is not what is tested here.
                assert_no_alloc::permit_alloc(|| std::panic::resume_unwind(Box::new(())));
            });
        }));
        assert!(unwound.is_err());
        let boxed = heap.enter(|rt| rt.boxed(2_u64)).unwrap();
        // Were this thread still the owner, this would be a local free.
        drop(boxed);
        let before = heap.meter().unwrap().snapshot().pools()[0];
        assert_eq!((before.used, before.freed_remotely), (1, 0));
        heap.enter(|_| ());
        let after = heap.meter().unwrap().snapshot().pools()[0];
        assert_eq!((after.used, after.freed_remotely), (0, 1));
    }

    #[test]
    fn callbacks_may_move_between_threads_while_others_free() {
        let dropped = Arc::new(AtomicUsize::new(0));
        let mut heap = heap_for(|budget| budget.objects::<Counted>(64).slices::<u32>(16, 64));
        let (send, receive) = mpsc::channel::<(Option<RtBox<Counted>>, RtVec<u32>)>();
        let freeing = thread::spawn(move || receive.into_iter().count());
        let mut made = 0;
        let callbacks = if cfg!(miri) { 10 } else { 400 };
        for callback in 0..callbacks {
            let values: Vec<_> = (0..4).map(|_| Counted::new(&dropped)).collect();
            made += values.len();
            let send = send.clone();
            heap = thread::spawn(move || {
                let mut values = values.into_iter();
                let mut away = Vec::with_capacity(4);
                let mut refused = Vec::with_capacity(4);
                heap.enter(|rt| {
                    for value in values.by_ref() {
                        let vec = rt.vec::<u32>(16);
                        match rt.boxed(value) {
                            // Every other one is dropped here, the rest on the other thread.
                            Ok(boxed) if callback % 2 == 0 => drop(boxed),
                            Ok(boxed) => away.extend(vec.map(|vec| (Some(boxed), vec))),
                            // Callbacks as fast as they go outrun a reaper that looks every few milliseconds.
                            Err(back) => refused.push(back.into_value()),
                        }
                    }
                });
                away.into_iter().for_each(|pair| send.send(pair).unwrap());
                heap
            })
            .join()
            .unwrap();
        }
        drop(send);
        freeing.join().unwrap();
        eventually("every destructor runs once", || dropped.load(Ordering::SeqCst) == made);
        eventually("every block comes home", || {
            heap.enter(|_| ());
            heap.meter().unwrap().snapshot().used_bytes() == 0
        });
    }
}
