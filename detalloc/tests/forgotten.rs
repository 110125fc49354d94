//! Whatever is forgotten (`mem::forget`), what was its is not had again; everything else goes on.
#![expect(clippy::forget_non_drop, reason = "some have nothing to drop today, and may come to have it")]

use core::{alloc::Layout, mem, mem::MaybeUninit};
use detalloc::{
    Allocate, Arena, Config, Heap, Local, Observed, Pool, PoolConfig, RingError, SharedHeap, Spin,
    guard::Guarded, memory::StaticRegion, ring,
};

const CONFIG: Config = Config::constant(&[PoolConfig::new(64, 4)]);

fn region() -> Vec<MaybeUninit<u8>> {
    vec![MaybeUninit::uninit(); CONFIG.with_guards().bytes_needed().max(SharedHeap::bytes_needed(&CONFIG))]
}

fn all_blocks(mut heap: impl Allocate) -> usize {
    core::iter::from_fn(|| heap.allocate(Layout::new::<[u64; 8]>()).ok()).count()
}

#[test]
fn heaps_of_any_kind_leave_their_region_to_the_next() {
    let mut memory = region();
    let mut heap = Heap::new(&mut memory, &CONFIG).unwrap();
    let block = heap.allocate(Layout::new::<u64>()).unwrap();
    let (remote, meter) = (heap.remote(), heap.meter());
    mem::forget(heap);
    // What other threads have goes on as long as the region is borrowed.
    // SAFETY: a live block.
    assert_eq!((unsafe { remote.free(block) }, meter.snapshot().refused()), (Ok(()), 0));

    let shared = SharedHeap::new(&mut memory, &CONFIG).unwrap();
    assert_eq!(all_blocks(&shared), 4);
    mem::forget(shared);
    let lock = Spin::new(Heap::new(&mut memory, &CONFIG).unwrap());
    assert_eq!(all_blocks(&lock), 4);
    mem::forget(lock);
    let local = Local::new(Heap::new(&mut memory, &CONFIG).unwrap());
    assert_eq!(all_blocks(&local), 4);
    mem::forget(local);
    let observed = Observed::new(Heap::new(&mut memory, &CONFIG).unwrap(), ());
    mem::forget(observed);
    assert_eq!(all_blocks(Heap::new(&mut memory, &CONFIG).unwrap()), 4);
}

/// AddressSanitizer goes on to keep everybody from its region, as it was told.
#[test]
#[cfg(not(asan))]
fn guarded_heaps_leave_their_region_to_the_next() {
    let mut memory = region();
    for _ in 0..2 {
        let mut heap = Guarded::<Heap>::new(&mut memory, &CONFIG.with_guards()).unwrap();
        heap.allocate(Layout::new::<u64>()).unwrap();
        assert_eq!(heap.damages(), 0);
        mem::forget(heap);
    }
}

#[test]
fn what_an_arena_handed_out_is_taken_back_all_the_same() {
    let mut memory = region();
    let mut arena = Arena::new(&mut memory);
    for _ in 0..3 {
        let value: &mut u64 = arena.value(1).unwrap();
        #[expect(forgetting_references, reason = "that it does nothing is the point")]
        mem::forget(value);
        arena.reset();
        assert_eq!(arena.used_bytes(), 0);
    }
    mem::forget(arena);
    assert_eq!(Arena::new(&mut memory).used_bytes(), 0);
}

#[test]
fn handles_of_a_typed_pool_keep_their_slots_and_nothing_else() {
    let pool = Pool::<String, 3>::new();
    mem::forget(pool.insert(String::new()).unwrap());
    assert_eq!(pool.used(), 1);
    // It may move now, for nobody can reach the value any more.
    let moved = pool;
    let others = [(); 2].map(|()| moved.insert(String::from("another")).unwrap());
    assert!(moved.insert(String::new()).is_err());
    drop(others);
    assert_eq!((moved.used(), moved.high_water()), (1, 3));
    mem::forget(moved);
}

#[test]
fn a_claim_is_never_had_again() {
    detalloc::static_pool! { static VALUES: [u8; 2]; }
    let values = VALUES.claim().unwrap();
    mem::forget(values.insert(1).unwrap());
    drop(values);
    let again = VALUES.claim().unwrap();
    assert_eq!(again.used(), 1, "the slot of a handle stays taken");
    mem::forget(again);
    assert!(VALUES.claim().is_none());
}

#[test]
fn a_region_of_the_linker_is_never_had_again() {
    static REGION: StaticRegion<64> = StaticRegion::new();
    mem::forget(REGION.take());
    assert!(REGION.take().is_none());
}

mod rings {
    use super::*;

    #[test]
    fn a_grant_was_never_made() {
        let mut memory = region();
        let (mut producer, mut consumer) = ring(&mut memory).unwrap();
        for _ in 0..1_000 {
            mem::forget(producer.grant(32).unwrap());
        }
        assert!(consumer.read().is_none());
        producer.grant(1).unwrap().commit(1);
        assert_eq!(consumer.read().unwrap().len(), 1);
    }

    #[test]
    fn a_message_is_read_again() {
        let mut memory = region();
        let (mut producer, mut consumer) = ring(&mut memory).unwrap();
        producer.grant(3).unwrap().commit(3);
        mem::forget(consumer.read().unwrap());
        assert_eq!(consumer.read().unwrap().len(), 3);
        assert!(consumer.read().is_none());
    }

    #[test]
    fn a_writing_end_leaves_what_it_published() {
        let mut memory = region();
        let (mut producer, mut consumer) = ring(&mut memory).unwrap();
        producer.grant(3).unwrap().commit(3);
        mem::forget(producer);
        assert_eq!(consumer.read().unwrap().len(), 3);
        assert!(consumer.read().is_none());
    }

    #[test]
    fn a_reading_end_leaves_the_ring_full() {
        let mut memory = region();
        let (mut producer, consumer) = ring(&mut memory).unwrap();
        mem::forget(consumer);
        let full = loop {
            match producer.grant(16) {
                Ok(grant) => grant.commit(16),
                Err(full) => break full,
            }
        };
        assert!(matches!(full, RingError::Full { .. }), "{full}");
    }
}

#[cfg(feature = "alloc")]
mod owned {
    use super::*;
    use detalloc::memory::OwnedHeap;

    #[test]
    fn a_heap_keeps_its_region() {
        let mut heap = OwnedHeap::new(&CONFIG).unwrap();
        let block = heap.allocate(Layout::new::<u64>()).unwrap();
        let handle = heap.handle();
        mem::forget(heap);
        // SAFETY: a live block.
        assert_eq!(unsafe { handle.remote().free(block) }, Ok(()));
    }

    #[test]
    fn a_handle_keeps_the_region_of_a_heap_that_is_gone() {
        let heap = OwnedHeap::new(&CONFIG).unwrap();
        let handle = heap.handle();
        mem::forget(handle.clone());
        drop(heap);
        assert_eq!(handle.meter().snapshot().refused(), 0);
    }

    #[test]
    #[cfg(all(feature = "os", any(target_os = "linux", target_os = "macos"), not(miri)))]
    fn a_mapping_stays() {
        let options = detalloc::memory::Options { lock: false, huge_pages: false };
        mem::forget(detalloc::memory::MappedRegion::new(1, options).unwrap());
        let other = detalloc::memory::MappedRegion::new(CONFIG.bytes_needed(), options).unwrap();
        assert_eq!(all_blocks(OwnedHeap::in_mapped(other, &CONFIG).unwrap()), 4);
    }
}
