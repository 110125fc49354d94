//! The handles beside boxes and vectors: shared values, trait objects, strings, queues, maps, buffers.

use detalloc_audio::{
    AudioBudget, ReapTask, Refusal, RtArc, RtBox, RtHeap, RtMap, RtQueue, RtString, RtVec, unsize,
};
use std::{
    collections::{HashMap, VecDeque},
    fmt::Write,
    hash::{Hash, Hasher},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

#[cfg(debug_assertions)]
#[global_allocator]
static GLOBAL: detalloc_audio::AllocDisabler = detalloc_audio::AllocDisabler;

fn heap_for(budget: impl FnOnce(AudioBudget) -> AudioBudget) -> RtHeap {
    let mut heap = RtHeap::reaped_by_task();
    heap.reconfigure(&budget(AudioBudget::new(48_000.0, 64))).unwrap();
    heap
}

fn nothing_is_out(heap: &mut RtHeap) {
    ReapTask.run();
    heap.enter(|_| ());
    assert_eq!(heap.meter().unwrap().snapshot().used_bytes(), 0);
}

/// Counts its own destructions, and frees memory meanwhile.
#[derive(Clone)]
struct Counted(Arc<AtomicUsize>, #[expect(dead_code, reason = "its drop frees memory")] Box<u64>);

impl Counted {
    fn new(dropped: &Arc<AtomicUsize>) -> Self {
        Self(Arc::clone(dropped), Box::new(1))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

trait Name: Send + Sync {
    fn name(&self) -> u64;
}

impl Name for Counted {
    fn name(&self) -> u64 {
        7
    }
}

#[test]
fn handles_are_send_and_sync_where_their_contents_are() {
    fn both<T: Send + Sync>() {}
    both::<(RtArc<u8>, RtBox<dyn Name>, RtVec<u8>, RtString, RtQueue<u8>, RtMap<u8, u8>)>();
    fn send<T: Send>() {}
    send::<(RtQueue<std::cell::Cell<u8>>, RtMap<u8, std::cell::Cell<u8>>)>();
}

mod shared_values {
    use super::*;

    #[test]
    fn the_last_handle_in_a_callback_leaves_the_destructor_to_the_reaper() {
        let dropped = Arc::new(AtomicUsize::new(0));
        let mut heap = heap_for(|budget| budget.shared::<Counted>(1));
        let value = Counted::new(&dropped);
        let first = heap.enter(|rt| rt.arc(value)).unwrap();
        let second = first.clone();
        assert!(RtArc::ptr_eq(&first, &second) && RtArc::strong_count(&first) == 2);
        heap.enter(|_| drop((first, second)));
        assert_eq!(dropped.load(Ordering::SeqCst), 0);
        nothing_is_out(&mut heap);
        assert_eq!(dropped.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn only_a_single_handle_gives_the_value_to_change() {
        let mut heap = heap_for(|budget| budget.shared::<u64>(1));
        let mut one = heap.enter(|rt| rt.arc(1_u64)).unwrap();
        *RtArc::get_mut(&mut one).unwrap() = 2;
        let mut other = one.clone();
        assert!(RtArc::get_mut(&mut one).is_none() && RtArc::get_mut(&mut other).is_none());
        drop(one);
        assert_eq!(RtArc::get_mut(&mut other), Some(&mut 2));
    }

    #[test]
    fn handles_on_four_threads_destroy_the_value_once() {
        for _ in 0..50 {
            let dropped = Arc::new(AtomicUsize::new(0));
            let mut heap = heap_for(|budget| budget.shared::<Counted>(1));
            let value = Counted::new(&dropped);
            let handle = heap.enter(|rt| rt.arc(value)).unwrap();
            thread::scope(|scope| {
                for _ in 0..4 {
                    let mine = handle.clone();
                    scope.spawn(move || (0..100).for_each(|_| drop(mine.clone())));
                }
                heap.enter(|_| drop(handle));
            });
            nothing_is_out(&mut heap);
            assert_eq!(dropped.load(Ordering::SeqCst), 1);
        }
    }
}

mod trait_objects {
    use super::*;

    #[test]
    fn are_boxed_and_shared_and_destroyed_as_what_they_are() {
        let dropped = Arc::new(AtomicUsize::new(0));
        let mut heap = heap_for(|budget| budget.objects::<Counted>(1).shared::<Counted>(1));
        let (one, two) = (Counted::new(&dropped), Counted::new(&dropped));
        let (boxed, arc): (RtBox<dyn Name>, RtArc<dyn Name>) = heap.enter(|rt| {
            let boxed = rt.boxed(one).ok().unwrap();
            let arc = rt.arc(two).ok().unwrap();
            (unsize!(boxed => dyn Name), unsize!(arc => dyn Name))
        });
        assert_eq!((boxed.name(), arc.clone().name()), (7, 7));
        heap.enter(|_| drop((boxed, arc)));
        assert_eq!(dropped.load(Ordering::SeqCst), 0);
        nothing_is_out(&mut heap);
        assert_eq!(dropped.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn arrays_become_slices() {
        let mut heap = heap_for(|budget| budget.objects::<[u8; 3]>(1));
        let slice: RtBox<[u8]> =
            heap.enter(|rt| rt.boxed([1, 2, 3]).map(|array| unsize!(array => [u8]))).unwrap();
        assert_eq!(&*slice, [1, 2, 3]);
    }
}

mod strings {
    use super::*;

    #[test]
    fn take_what_fits_whole_and_nothing_of_what_does_not() {
        let mut heap = heap_for(|budget| budget.slices::<u8>(8, 1));
        let mut text = heap.enter(|rt| rt.string(8)).unwrap();
        text.try_push_str("größe").unwrap();
        assert_eq!(text.try_push_str("xx"), Err(Refusal::Full { capacity: 8 }));
        assert_eq!(text.try_push('ß').unwrap_err().into_value(), 'ß');
        text.try_push('!').unwrap();
        assert!(write!(text, "{}", 1).is_err());
        assert_eq!(&*text, "größe!");
        text.clear();
        write!(text, "{:>4}", 42).unwrap();
        assert_eq!(&*text, "  42");
        assert!(RtString::new().try_push('x').is_err());
    }
}

mod vectors {
    use super::*;

    #[test]
    fn insert_and_extend_or_change_nothing() {
        let mut heap = heap_for(|budget| budget.slices::<u8>(4, 1));
        let mut vec = heap.enter(|rt| rt.vec(4)).unwrap();
        vec.try_extend_from_slice(&[1, 3]).unwrap();
        vec.try_insert(1, 2).unwrap();
        assert_eq!(vec.try_insert(4, 9).unwrap_err().refusal, Refusal::OutOfBounds { len: 3 });
        assert_eq!(vec.try_extend_from_slice(&[4, 5]), Err(Refusal::Full { capacity: 4 }));
        vec.try_insert(0, 0).unwrap();
        assert_eq!(vec.try_insert(0, 9).unwrap_err().into_value(), 9);
        assert_eq!(&*vec, [0, 1, 2, 3]);
    }
}

mod queues {
    use super::*;

    #[test]
    fn do_what_a_plain_queue_does() {
        const CAPACITY: usize = 5;
        let mut heap = heap_for(|budget| budget.events::<u32>(CAPACITY));
        let mut ours = heap.enter(|rt| rt.queue(CAPACITY)).unwrap();
        let mut plain = VecDeque::new();
        let mut random = 1_u32;
        let steps = if cfg!(miri) { 300 } else { 10_000 };
        for step in 0..steps {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            match random >> 30 {
                0 => assert_eq!(
                    ours.try_push_back(step).is_ok(),
                    plain.len() < CAPACITY && {
                        plain.push_back(step);
                        true
                    }
                ),
                1 => assert_eq!(
                    ours.try_push_front(step).is_ok(),
                    plain.len() < CAPACITY && {
                        plain.push_front(step);
                        true
                    }
                ),
                2 => assert_eq!(ours.pop_front(), plain.pop_front()),
                _ => assert_eq!(ours.pop_back(), plain.pop_back()),
            }
            assert!(ours.iter().eq(&plain));
            assert_eq!((ours.len(), ours.is_full()), (plain.len(), plain.len() == CAPACITY));
        }
        assert!(RtQueue::new().try_push_back(1).is_err());
    }

    #[test]
    fn go_to_the_reaper_as_a_whole_and_at_once_without_destructors() {
        let dropped = Arc::new(AtomicUsize::new(0));
        let mut heap = heap_for(|budget| budget.events::<Counted>(3).events::<u8>(100));
        let values = [Counted::new(&dropped), Counted::new(&dropped)];
        heap.enter(|rt| {
            let mut queue = rt.queue(3).unwrap();
            for value in values {
                assert!(queue.try_push_back(value).is_ok());
            }
            drop(queue);
            drop(rt.queue::<u8>(100).unwrap());
            assert!(rt.queue::<u8>(100).is_ok(), "its block is free again");
        });
        assert_eq!(dropped.load(Ordering::SeqCst), 0);
        nothing_is_out(&mut heap);
        assert_eq!(dropped.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn hold_values_without_bytes_and_absurd_capacities_are_refused() {
        let mut heap = heap_for(|budget| budget.events::<()>(1_000));
        heap.enter(|rt| {
            let mut queue = rt.queue(1_000).unwrap();
            assert!((0..1_000).all(|_| queue.try_push_front(()).is_ok()) && queue.is_full());
            assert_eq!(rt.queue::<u64>(usize::MAX).unwrap_err(), Refusal::TooLarge);
        });
    }
}

mod maps {
    use super::*;

    #[test]
    fn do_what_a_plain_map_does_and_never_grow() {
        const CAPACITY: usize = 100;
        let mut heap = heap_for(|budget| budget.map::<u32, u32>(CAPACITY));
        let mut plain = HashMap::with_capacity(CAPACITY);
        let mut ours = heap.enter(|rt| rt.map(CAPACITY)).unwrap();
        let mut random = 1_u32;
        let steps = if cfg!(miri) { 300 } else { 200_000 };
        for step in 0..steps {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let key = (random >> 8) % 150;
            // Inside, where a table that grew would abort.
            if random >> 31 == 0 {
                let fits = plain.len() < CAPACITY || plain.contains_key(&key);
                match heap.enter(|_| ours.try_insert(key, step)) {
                    Ok(old) => assert!(fits && plain.insert(key, step) == old),
                    Err(refused) => assert!(!fits && refused.into_value() == (key, step)),
                }
            } else {
                assert_eq!(heap.enter(|_| ours.remove(&key)), plain.remove(&key));
            }
            assert_eq!((ours.len(), ours.get(&key)), (plain.len(), plain.get(&key)));
        }
        assert!(ours.iter().all(|(key, value)| plain.get(key) == Some(value)));
    }

    #[test]
    fn fit_their_budget_whatever_the_capacity() {
        let many = if cfg!(miri) { 0..5 } else { 0..200 };
        let large: &[usize] = if cfg!(miri) { &[] } else { &[1_000, 1_023, 1_024, 4_000] };
        for capacity in many.chain(large.iter().copied()) {
            let mut heap =
                heap_for(|budget| budget.map::<u16, [u8; 13]>(capacity).map::<u64, u128>(capacity));
            heap.enter(|rt| {
                let mut map = rt.map::<u16, [u8; 13]>(capacity).unwrap();
                assert!((0..).take(capacity).all(|key| map.try_insert(key, [0; 13]).is_ok()));
                assert!(map.try_insert(u16::MAX, [0; 13]).is_err());
                assert!(rt.map::<u64, u128>(capacity).is_ok());
            });
        }
    }

    #[test]
    fn go_to_the_reaper_as_a_whole() {
        let dropped = Arc::new(AtomicUsize::new(0));
        let mut heap = heap_for(|budget| budget.map::<u8, Counted>(4));
        let value = Counted::new(&dropped);
        heap.enter(|rt| {
            let mut map = rt.map(4).unwrap();
            assert!(map.try_insert(1_u8, value).is_ok());
        });
        assert_eq!(dropped.load(Ordering::SeqCst), 0);
        nothing_is_out(&mut heap);
        assert_eq!(dropped.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn without_memory_for_both_blocks_none_is_kept() {
        let mut heap = heap_for(|budget| budget.slices::<u8>(512, 1));
        assert!(heap.enter(|rt| rt.map::<u8, u8>(4)).is_err());
        nothing_is_out(&mut heap);
        assert!(RtHeap::new().enter(|rt| rt.map::<u8, u8>(4)).is_err());
    }

    #[test]
    fn survive_a_key_that_panics() {
        #[derive(PartialEq, Eq)]
        struct Key(u8);
        impl Hash for Key {
            fn hash<H: Hasher>(&self, state: &mut H) {
                if self.0 == 200 {
                    std::panic::resume_unwind(Box::new(()));
                }
                self.0.hash(state);
            }
        }
        let mut heap = heap_for(|budget| budget.map::<Key, i32>(8));
        let mut map = heap.enter(|rt| rt.map(8)).unwrap();
        assert!(map.try_insert(Key(1), 1).is_ok());
        let panicked =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| map.try_insert(Key(200), 2).is_ok()));
        assert!(panicked.is_err());
        assert_eq!((map.get(&Key(1)), map.len()), (Some(&1), 1));
    }
}

mod scratch {
    use super::*;

    #[test]
    fn buffers_are_aligned_filled_and_apart() {
        let mut heap = heap_for(|budget| budget.objects::<u8>(1).scratch::<f32>(100).scratch::<u8>(3));
        for _ in 0..3 {
            heap.enter(|rt| {
                let left = rt.scratch(100, 1.0_f32).unwrap();
                let right = rt.scratch(3, 2_u8).unwrap();
                assert!(left.as_ptr().addr() % 64 == 0 && right.as_ptr().addr() % 64 == 0);
                left.fill(5.0);
                assert!(right.iter().all(|&byte| byte == 2));
                assert!(matches!(rt.scratch(100, 0.0_f32), Err(Refusal::Scratch(_))));
            });
        }
    }

    #[test]
    fn there_is_none_without_a_budget_for_it() {
        let mut heap = heap_for(|budget| budget.objects::<u8>(1));
        heap.enter(|rt| assert!(rt.scratch(64, 0_u8).is_err() && rt.scratch(usize::MAX, 0_u64).is_err()));
        assert_eq!(RtHeap::new().enter(|rt| rt.scratch(1, 0_u8).err()), Some(Refusal::Unconfigured));
    }
}
