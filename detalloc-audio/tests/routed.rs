//! The routing global allocator in contain mode: what ordinary code does in a callback stays with the pools, in debug builds
//! (over `assert_no_alloc`, which would abort) and in release builds.
// Miri has no window of addresses that would contain ordinary code.
#![cfg(all(target_os = "linux", target_pointer_width = "64", not(miri)))]

use detalloc_audio::{AudioBudget, Inner, OnViolation, Routed, RtHeap, Snapshot};
use std::{collections::HashMap, thread, time::Duration};

/// What cannot be contained is counted, so that it can be tested.
#[global_allocator]
static GLOBAL: Routed = Routed::contain(Inner).on_violation(OnViolation::Count);

fn heap_for(budget: impl FnOnce(AudioBudget) -> AudioBudget) -> RtHeap {
    let mut heap = RtHeap::new();
    heap.reconfigure(&budget(AudioBudget::new(48_000.0, 64))).unwrap();
    heap
}

fn snapshot(heap: &RtHeap) -> Snapshot {
    heap.meter().unwrap().snapshot()
}

/// Everything that came home is home at the next callback but one.
fn settle(heap: &mut RtHeap) {
    for _ in 0..1000 {
        heap.enter(|_| ());
        if snapshot(heap).used_bytes() == 0 {
            return;
        }
        thread::sleep(Duration::from_millis(1));
    }
    panic!("blocks are still out: {:?}", snapshot(heap).pools());
}

#[test]
fn collections_of_ordinary_code_live_in_the_pools() {
    let mut heap = heap_for(|budget| budget.slices::<u8>(2_000, 64).slices::<u8>(64, 64));
    let (text, map) = heap.enter(|_| {
        let mut map = HashMap::with_capacity(4);
        for note in 0..20_u32 {
            map.insert(note, format!("note {note}"));
        }
        (map[&7].clone(), map)
    });
    let counts = snapshot(&heap);
    assert!(counts.contained >= 22 && counts.used_bytes() > 0, "{counts:?}");
    assert_eq!((counts.uncontained, counts.refused), (0, 0));
    assert_eq!((text.as_str(), map.len()), ("note 7", 20));
    drop((text, map));
    settle(&mut heap);
}

#[test]
fn a_vector_grows_within_its_block_and_then_moves() {
    let mut heap = heap_for(|budget| budget.slices::<u8>(256, 4).slices::<u8>(1024, 4));
    heap.enter(|_| {
        let mut bytes: Vec<u8> = (0..200).collect();
        bytes.extend((0..=255).cycle().take(600));
        assert!(bytes.iter().take(200).copied().eq(0..200));
        bytes.truncate(10);
        bytes.shrink_to_fit();
        assert!(bytes.iter().copied().eq(0..10));
    });
    assert_eq!((snapshot(&heap).uncontained, snapshot(&heap).used_bytes()), (0, 0));
}

#[test]
fn zeroed_memory_is_zero_although_the_block_was_used() {
    let mut heap = heap_for(|budget| budget.slices::<u8>(512, 1));
    heap.enter(|_| {
        drop(vec![0xff_u8; 512]);
        assert!(vec![0_u8; 512].iter().all(|&byte| byte == 0));
    });
    assert_eq!(snapshot(&heap).contained, 2);
}

#[test]
fn what_was_made_inside_may_be_freed_and_resized_outside_and_on_other_threads() {
    let mut heap = heap_for(|budget| budget.slices::<u8>(256, 16));
    for _ in 0..100 {
        let mut made: Vec<Vec<u8>> = heap.enter(|_| (0..8_u8).map(|n| vec![n; 200]).collect());
        made[0].extend([9; 1_000]);
        assert_eq!((made[0][199], made[0][1_199]), (0, 9));
        thread::spawn(move || drop(made)).join().unwrap();
    }
    assert_eq!((snapshot(&heap).uncontained, snapshot(&heap).refused), (0, 0));
    settle(&mut heap);
}

#[test]
fn blocks_of_the_system_heap_are_buried_and_freed_by_the_reaper() {
    let mut heap = heap_for(|budget| budget.slices::<u8>(64, 8));
    for _ in 0..50 {
        let small: Vec<Box<u8>> = (0..100).map(Box::new).collect();
        let aligned: Vec<Box<Aligned>> = (0..10).map(|_| Box::new(Aligned([1; 128]))).collect();
        heap.enter(|_| drop((small, aligned)));
    }
    let counts = snapshot(&heap);
    assert_eq!((counts.buried, counts.contained, counts.uncontained), (50 * 112, 0, 0));
}

#[repr(align(128))]
struct Aligned(#[expect(dead_code, reason = "only its place matters")] [u8; 128]);

#[test]
fn a_block_of_the_system_heap_that_grows_inside_moves_to_the_pools() {
    let mut heap = heap_for(|budget| budget.slices::<u8>(4_096, 2));
    let mut bytes: Vec<u8> = vec![7; 1_000];
    heap.enter(|_| bytes.extend([8; 1_000]));
    assert_eq!((bytes[999], bytes[1_000], bytes.len()), (7, 8, 2_000));
    assert_eq!((snapshot(&heap).contained, snapshot(&heap).buried), (1, 1));
}

#[test]
fn what_the_pools_cannot_serve_reaches_the_system_heap_and_is_counted() {
    let mut heap = heap_for(|budget| budget.slices::<u8>(64, 1));
    let large = heap.enter(|_| vec![1_u8; 100_000]);
    assert_eq!(large.len(), 100_000);
    let counts = snapshot(&heap);
    assert_eq!((counts.uncontained, counts.refused), (1, 1));
}

#[test]
fn other_threads_and_this_one_outside_use_the_system_heap() {
    let mut heap = heap_for(|budget| budget.slices::<u8>(64, 8));
    heap.enter(|_| ());
    drop(vec![1_u8; 64]);
    heap.enter(|_| {
        thread::scope(|scope| {
            // Starting a thread allocates here and there; only what this thread asks for is contained.
            scope.spawn(|| drop(vec![1_u8; 48])).join().unwrap();
        });
    });
    let contained = snapshot(&heap).contained;
    thread::spawn(|| drop(vec![1_u8; 64])).join().unwrap();
    assert_eq!(snapshot(&heap).contained, contained);
}

#[test]
fn a_panic_in_a_callback_leaves_in_order_with_its_payload_in_the_pools() {
    let mut heap = heap_for(|budget| budget.slices::<u8>(64, 8));
    let payload = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        heap.enter(|_| std::panic::resume_unwind(Box::new(String::from("on purpose"))));
    }))
    .unwrap_err();
    assert!(snapshot(&heap).contained > 0);
    assert_eq!(payload.downcast_ref::<String>().unwrap(), "on purpose");
    drop(payload);
    let contained = snapshot(&heap).contained;
    drop(Box::new(1_u64));
    assert_eq!(snapshot(&heap).contained, contained, "this thread is outside again");
    settle(&mut heap);
}

#[test]
fn memory_outlives_the_heap_it_came_from() {
    let mut heap = heap_for(|budget| budget.slices::<u8>(64, 8));
    let text = heap.enter(|_| String::from("still here"));
    drop(heap);
    let mut other = heap_for(|budget| budget.slices::<u8>(64, 8));
    assert_eq!(text, "still here");
    other.enter(|_| drop(text));
}

#[test]
fn callbacks_of_several_heaps_at_once_keep_to_their_own() {
    thread::scope(|scope| {
        for voice in 0..8_u8 {
            scope.spawn(move || {
                let mut heap = heap_for(|budget| budget.slices::<u8>(256, 32));
                for _ in 0..2_000 {
                    let made = heap.enter(|_| vec![voice; 200]);
                    assert!(made.iter().all(|&byte| byte == voice));
                }
                assert_eq!((snapshot(&heap).contained, snapshot(&heap).uncontained), (2_000, 0));
            });
        }
    });
}
