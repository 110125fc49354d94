//! The promises of regions that are not simply borrowed, arranged by where they come from.

use core::alloc::Layout;
use detalloc::{Allocate, Config, Heap, PoolConfig, memory::StaticRegion};

const CONFIG: Config = Config::constant(&[PoolConfig::new(64, 40), PoolConfig::new(4096, 1000)]);

fn layout(size: usize) -> Layout {
    Layout::from_size_align(size, 1).unwrap()
}

mod a_static_region {
    use super::*;

    #[test]
    fn is_handed_out_once_however_many_ask() {
        static REGION: StaticRegion<64> = StaticRegion::new();
        let threads: Vec<_> = (0..8).map(|_| std::thread::spawn(|| REGION.take().is_some())).collect();
        let taken = threads.into_iter().map(|thread| thread.join().unwrap());
        assert_eq!(taken.filter(|&taken| taken).count(), 1);
    }

    #[test]
    fn holds_a_heap_for_good() {
        static REGION: StaticRegion<{ CONFIG.bytes_needed() }> = StaticRegion::new();
        let region = REGION.take().unwrap();
        assert_eq!(region.len(), CONFIG.bytes_needed());
        let mut heap: Heap<'static> = Heap::new(region, &CONFIG).unwrap();
        let block = heap.allocate(layout(64)).unwrap();
        // SAFETY: a live block of 64 bytes.
        unsafe { block.write_bytes(1, 64) };
        assert_eq!(heap.validate(), Ok(()));
    }

    #[test]
    fn of_no_bytes_is_one_too() {
        static REGION: StaticRegion<0> = StaticRegion::new();
        assert_eq!(REGION.take().map(|region| region.len()), Some(0));
        assert!(REGION.take().is_none());
    }
}

#[cfg(feature = "alloc")]
mod an_owned_heap {
    use super::*;
    use core::ptr::NonNull;
    use detalloc::{
        FreeError, InitError, StillLive,
        guard::Guarded,
        memory::{HeapHandle, Owned, OwnedHeap},
    };
    use std::{
        alloc::{GlobalAlloc, System},
        sync::atomic::{AtomicUsize, Ordering::Relaxed},
    };

    // Configurations whose regions have sizes that nothing else asks for.
    const COUNTED: Config = Config::constant(&[PoolConfig::new(48, 1237)]);
    const REFUSED: Config = Config::constant(&[PoolConfig::new(48, 1231)]);

    static HELD: AtomicUsize = AtomicUsize::new(0);

    /// The system's, which counts regions of `COUNTED` and refuses those of `REFUSED`.
    struct Watching;

    // SAFETY: the system's allocator, or null.
    unsafe impl GlobalAlloc for Watching {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            if layout.size() == REFUSED.layout().size() {
                return core::ptr::null_mut();
            }
            HELD.fetch_add(usize::from(layout == COUNTED.layout()), Relaxed);
            // SAFETY: the caller's promise is the same.
            unsafe { System.alloc(layout) }
        }

        unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
            HELD.fetch_sub(usize::from(layout == COUNTED.layout()), Relaxed);
            // SAFETY: as above.
            unsafe { System.dealloc(start, layout) }
        }
    }

    #[global_allocator]
    static GLOBAL: Watching = Watching;

    #[test]
    fn keeps_its_blocks_wherever_it_moves() {
        let mut heap = OwnedHeap::new(&CONFIG).unwrap();
        let block = heap.allocate(layout(64)).unwrap();
        // SAFETY: a live block of 64 bytes.
        unsafe { block.write_bytes(7, 64) };
        let address = block.as_ptr().expose_provenance();
        let boxed = Box::new(heap);
        let mut heap = std::thread::spawn(move || {
            let mut heap = *boxed;
            heap.allocate(layout(64)).unwrap();
            heap
        })
        .join()
        .unwrap();
        assert_eq!(block.as_ptr().addr(), address);
        // SAFETY: a live block of 64 bytes.
        assert!(unsafe { block.cast::<[u8; 64]>().read() }.iter().all(|&byte| byte == 7));
        assert_eq!(heap.heap().live_blocks(), 2);
        // SAFETY: nothing uses the block after this.
        assert_eq!(unsafe { heap.free_layout(block, layout(64)) }, Ok(()));
        assert_eq!(heap.heap().validate(), Ok(()));
    }

    #[test]
    fn gives_its_region_back_once_the_last_handle_is_gone() {
        let mut heap = OwnedHeap::new(&COUNTED).unwrap();
        assert_eq!((HELD.load(Relaxed), heap.region_bytes()), (1, COUNTED.layout().size()));
        let block = heap.allocate(layout(48)).unwrap();
        let handle = heap.handle();
        let copy = handle.clone();
        drop(heap);
        drop(handle);
        assert_eq!(HELD.load(Relaxed), 1);
        assert_eq!(copy.meter().snapshot().used_bytes(), 48);
        // SAFETY: nothing uses the block after this.
        unsafe {
            assert_eq!(copy.remote().free(block), Ok(()));
            assert_eq!(copy.remote().free(block), Err(FreeError::DoubleFree));
        }
        drop(copy);
        assert_eq!(HELD.load(Relaxed), 0);
        // However the heap ends, and without a handle too.
        drop(Owned::<Guarded<Heap<'static>>>::new(&COUNTED).unwrap());
        assert_eq!(OwnedHeap::new(&COUNTED).unwrap().destroy(), Ok(()));
        assert_eq!(HELD.load(Relaxed), 0);
    }

    #[test]
    fn is_refused_as_a_value_when_there_is_no_memory() {
        let refused = OwnedHeap::new(&REFUSED).unwrap_err();
        assert_eq!(refused, InitError::OutOfMemory { needed: REFUSED.layout().size() });
    }

    #[test]
    fn takes_frees_from_other_threads_while_its_owner_allocates() {
        let mut heap = OwnedHeap::new(&CONFIG).unwrap();
        let handle = heap.handle();
        let (to_freer, blocks) = std::sync::mpsc::channel::<usize>();
        let freer = std::thread::spawn(move || {
            for address in blocks {
                let block = NonNull::new(core::ptr::with_exposed_provenance_mut(address)).unwrap();
                // SAFETY: the owner gave the block up.
                assert_eq!(unsafe { handle.remote().free(block) }, Ok(()));
            }
        });
        let rounds = if cfg!(miri) { 200 } else { 10_000 };
        for _ in 0..rounds {
            if let Ok(block) = heap.allocate(layout(64)) {
                to_freer.send(block.as_ptr().expose_provenance()).unwrap();
            }
        }
        drop(to_freer);
        freer.join().unwrap();
        heap.adopt_remote_frees(usize::MAX);
        assert_eq!(heap.heap().live_blocks(), 0);
        assert_eq!(heap.heap().validate(), Ok(()));
    }

    #[test]
    fn is_reset_and_says_what_was_live_when_it_ends() {
        let mut heap = OwnedHeap::new(&CONFIG).unwrap();
        heap.allocate(layout(64)).unwrap();
        // SAFETY: nothing uses a block after this.
        unsafe { heap.reset() };
        assert_eq!(heap.heap().live_blocks(), 0);
        let kept = heap.handle();
        assert_eq!(heap.destroy(), Ok(()));
        drop(kept);
        let mut heap = OwnedHeap::new(&CONFIG).unwrap();
        heap.allocate(layout(64)).unwrap();
        assert_eq!(heap.destroy(), Err(StillLive { blocks: 1, bytes: 64 }));
    }

    // AddressSanitizer ends the program at the damage.
    #[cfg(not(asan))]
    #[test]
    fn with_guards_reports_damage() {
        const SMALL: Config = Config::constant(&[PoolConfig::new(64, 3)]).with_guards();
        let mut heap = Owned::<Guarded<Heap<'static>>>::new(&SMALL).unwrap();
        let block = heap.allocate(layout(10)).unwrap();
        // SAFETY: inside of the block underneath, past what was asked for.
        unsafe { block.add(10).write(0) };
        // SAFETY: nothing uses the block after this.
        assert_eq!(unsafe { heap.free(block) }, Err(FreeError::Overrun { at_bytes: 10 }));
        assert_eq!(heap.heap().damages(), 1);
    }

    #[test]
    fn may_be_sent_and_its_handles_be_shared() {
        fn send<T: Send>() {}
        fn shared<T: Send + Sync + Clone>() {}
        send::<OwnedHeap>();
        send::<Owned<Guarded<Heap<'static>>>>();
        shared::<HeapHandle>();
    }
}
