//! Before a refusal: stealing at low water, and memory that the reaper adds.

use detalloc_audio::{AudioBudget, Pressure, ReapTask, Refusal, RtBox, RtHeap, RtVec};
use std::alloc::Layout;

#[cfg(debug_assertions)]
#[global_allocator]
static GLOBAL: detalloc_audio::AllocDisabler = detalloc_audio::AllocDisabler;

fn heap_for(budget: AudioBudget) -> RtHeap {
    let mut heap = RtHeap::reaped_by_task();
    heap.reconfigure(&budget).unwrap();
    heap
}

struct Voice(#[expect(dead_code, reason = "only its size matters")] [f32; 20]);

mod low_water {
    use super::*;

    #[test]
    fn lets_the_plugin_steal_before_a_refusal() {
        let budget = AudioBudget::new(48_000.0, 64).low_water_percent(25);
        let mut heap = heap_for(budget.objects::<Voice>(8).slices::<Option<RtBox<Voice>>>(8, 1));
        let mut steals = 0;
        heap.enter(|rt| {
            let mut voices: RtVec<RtBox<Voice>> = rt.vec(8).unwrap();
            for _ in 0..100 {
                let voice = rt.boxed_relieving(Voice([0.0; 20]), |pressure| {
                    assert_eq!(pressure, Pressure { free_blocks: 2, blocks: 8 });
                    drop(voices.remove(0));
                    steals += 1;
                });
                voices.try_push(voice.unwrap()).unwrap();
            }
            assert_eq!(voices.len(), 6);
        });
        assert_eq!((steals, heap.meter().unwrap().snapshot().refused), (94, 0));
    }

    #[test]
    fn says_nothing_while_there_is_enough_or_no_class() {
        let mut heap = heap_for(AudioBudget::new(48_000.0, 64).objects::<Voice>(64));
        heap.enter(|rt| {
            assert_eq!(rt.pressure(Layout::new::<Voice>()), None);
            assert_eq!(
                rt.pressure(Layout::new::<[u8; 100_000]>()),
                Some(Pressure { free_blocks: 0, blocks: 0 })
            );
        });
        assert_eq!(RtHeap::new().enter(|rt| rt.pressure(Layout::new::<Voice>())), None);
    }
}

mod top_up {
    use super::*;

    #[test]
    fn is_off_unless_asked_for() {
        let mut heap = heap_for(AudioBudget::new(48_000.0, 64).objects::<Voice>(4));
        let mut kept: Vec<_> = Vec::with_capacity(8);
        heap.enter(|rt| kept.extend((0..4).filter_map(|_| rt.boxed(Voice([0.0; 20])).ok())));
        ReapTask.run();
        assert!(heap.enter(|rt| rt.boxed(Voice([0.0; 20]))).is_err());
    }

    #[test]
    fn serves_more_than_the_budget_said_and_all_of_it_comes_home() {
        let budget = AudioBudget::new(48_000.0, 64).objects::<Voice>(16).top_up(1 << 20);
        let mut heap = heap_for(budget);
        let mut kept: Vec<RtBox<Voice>> = Vec::with_capacity(80);
        while kept.len() < 80 {
            heap.enter(|rt| kept.extend((0..4).filter_map(|_| rt.boxed(Voice([0.0; 20])).ok())));
            ReapTask.run();
        }
        let counts = heap.meter().unwrap().snapshot();
        assert_eq!((counts.topped_up, counts.refused), (64, 0));
        // Doubled three times.
        assert_eq!((counts.pools()[0].blocks, counts.pools()[0].used), (128, 80));
        // What comes home to memory that was added is taken over when it is needed.
        for _ in 0..3 {
            heap.enter(|rt| {
                kept.clear();
                kept.extend((0..80).filter_map(|_| rt.boxed(Voice([0.0; 20])).ok()));
            });
            assert_eq!(kept.len(), 80);
        }
        assert_eq!(heap.meter().unwrap().snapshot().refused, 0);
    }

    #[test]
    fn is_not_wasted_on_a_block_that_is_in_use_all_the_time() {
        let budget =
            AudioBudget::new(48_000.0, 64).objects::<Voice>(16).slices::<u8>(1_000, 1).top_up(1 << 20);
        let mut heap = heap_for(budget);
        let _vec = heap.enter(|rt| rt.vec::<u8>(1_000)).unwrap();
        (0..10).for_each(|_| ReapTask.run());
        let blocks: usize = heap.meter().unwrap().snapshot().pools().iter().map(|pool| pool.blocks).sum();
        assert_eq!(blocks, 17);
    }

    #[test]
    fn keeps_to_its_limit() {
        let budget = AudioBudget::new(48_000.0, 64).objects::<Voice>(16).top_up(100);
        let mut heap = heap_for(budget);
        let mut kept: Vec<RtBox<Voice>> = Vec::with_capacity(20);
        heap.enter(|rt| kept.extend((0..16).filter_map(|_| rt.boxed(Voice([0.0; 20])).ok())));
        ReapTask.run();
        let refused = heap.enter(|rt| rt.boxed(Voice([0.0; 20]))).err().unwrap();
        assert!(matches!(refused.refusal, Refusal::Pools(_)));
    }

    #[test]
    fn memory_that_was_added_outlives_the_heap_while_a_handle_is_held() {
        let mut heap =
            heap_for(AudioBudget::new(48_000.0, 64).objects::<u64>(2).low_water_percent(50).top_up(1 << 20));
        let mut kept: Vec<RtBox<u64>> = Vec::with_capacity(4);
        heap.enter(|rt| kept.extend((0..2).filter_map(|n| rt.boxed(n).ok())));
        ReapTask.run();
        heap.enter(|rt| kept.push(rt.boxed(2).unwrap()));
        drop(heap);
        assert!(kept.iter().map(|value| **value).eq(0..3));
        std::thread::spawn(move || drop(kept)).join().unwrap();
    }
}
