//! The promises of the shared heap, one after the other.

#[path = "common/random.rs"]
mod random;

use core::{alloc::Layout, mem::MaybeUninit, ptr::NonNull};
use detalloc::{
    AllocError, Allocate, Borrow, Config, FreeError, InitError, PoolConfig, SharedHeap, StillLive,
    class::MAX_BLOCK_BYTES,
};
use random::Random;
use std::{
    collections::BTreeSet,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

const SMALL: Config = Config::constant(&[
    PoolConfig::new(16, 3),
    PoolConfig::new(80, 2),
    PoolConfig::new(128, 100),
    PoolConfig::new(4096, 2),
]);

fn region(bytes: usize) -> Vec<MaybeUninit<u8>> {
    vec![MaybeUninit::new(0xA5); bytes]
}

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

fn with_heap(config: &Config, test: impl FnOnce(&SharedHeap<'_>)) {
    let mut memory = region(SharedHeap::bytes_needed(config));
    let heap = SharedHeap::new(&mut memory, config).unwrap();
    test(&heap);
    assert_eq!(heap.validate(), Ok(()));
}

fn free(heap: &SharedHeap<'_>, block: NonNull<u8>) -> Result<(), FreeError> {
    // SAFETY: the tests use no block that they have freed.
    unsafe { heap.free(block) }
}

mod the_region {
    use super::*;

    #[test]
    fn may_start_at_any_address() {
        let needed = SharedHeap::bytes_needed(&SMALL);
        let mut memory = region(needed + 130);
        for start in (0..64).step_by(if cfg!(miri) { 9 } else { 1 }).chain([127, 128, 129]) {
            let heap = SharedHeap::new(&mut memory[start..start + needed], &SMALL).unwrap();
            for (size, align) in [(1, 1), (80, 16), (128, 128), (4096, 4096)] {
                let block = heap.allocate(layout(size, align)).unwrap();
                assert_eq!(block.as_ptr().addr() % align, 0);
                // SAFETY: live, and this large.
                unsafe { block.write_bytes(0xFF, size) };
            }
            assert_eq!(heap.validate(), Ok(()));
        }
    }

    #[test]
    fn that_is_too_small_is_refused_with_what_it_lacks() {
        let mut memory = region(SharedHeap::bytes_needed(&SMALL));
        for bytes in [0, 1, 127, SharedHeap::layout(&SMALL).size() - 1] {
            let InitError::TooSmall { needed, given } =
                SharedHeap::new(&mut memory[..bytes], &SMALL).unwrap_err()
            else {
                panic!("another error");
            };
            assert_eq!(given, bytes);
            assert!(SharedHeap::new(&mut memory[..needed], &SMALL).is_ok());
        }
    }

    #[test]
    fn of_an_aligned_layout_needs_no_slack() {
        let layout = SharedHeap::layout(&SMALL);
        let mut memory = region(SharedHeap::bytes_needed(&SMALL));
        let start = memory.as_ptr().align_offset(layout.align());
        assert!(SharedHeap::new(&mut memory[start..start + layout.size()], &SMALL).is_ok());
    }

    #[test]
    fn holds_every_byte_of_every_block_and_nothing_twice() {
        with_heap(&SMALL, |heap| {
            let mut bytes = BTreeSet::new();
            for &PoolConfig { block_bytes, blocks } in SMALL.pools() {
                for _ in 0..blocks {
                    let start = heap.allocate(layout(block_bytes, 1)).unwrap().as_ptr().addr();
                    assert!((start..start + block_bytes).all(|byte| bytes.insert(byte)));
                }
            }
            assert!(heap.allocate(layout(1, 1)).is_err());
            let pools = (0..).map_while(|number| heap.pool(number));
            assert!(pools.eq(heap.snapshot().pools().iter().copied()));
        });
    }

    #[test]
    fn metadata_is_out_of_reach_of_writes_past_a_block() {
        let config = Config::constant(&[PoolConfig::new(64, 8)]);
        with_heap(&config, |heap| {
            let blocks: Vec<_> = (0..8).map(|_| heap.allocate(layout(64, 1)).unwrap()).collect();
            let lowest = blocks.iter().min().unwrap();
            // SAFETY: all blocks are live, and they lie behind each other.
            unsafe { lowest.write_bytes(0xFF, 8 * 64) };
            blocks.iter().for_each(|&block| free(heap, block).unwrap());
        });
    }
}

mod requests {
    use super::*;

    #[test]
    fn are_served_by_the_smallest_pool_that_fits() {
        with_heap(&SMALL, |heap| {
            for (size, align, block_bytes) in [
                (0, 1, 16),
                (16, 1, 16),
                (17, 1, 80),
                (64, 16, 80),
                (64, 32, 128),
                (129, 1, 4096),
                (0, 64, 128),
            ] {
                let block = heap.allocate(layout(size, align)).unwrap();
                assert_eq!(heap.usable_bytes(block), Ok(block_bytes), "{size} at {align}");
            }
        });
    }

    #[test]
    fn that_no_pool_can_serve_are_unsupported_and_counted() {
        with_heap(&SMALL, |heap| {
            let absurd = [
                (4097, 1),
                (1, 8192),
                (4096, 1 << 20),
                (MAX_BLOCK_BYTES, 1),
                (MAX_BLOCK_BYTES + 1, 1),
                (isize::MAX as usize, 1),
                (0, 1 << (usize::BITS - 2)),
            ];
            for (size_bytes, align_bytes) in absurd {
                let refused = heap.allocate(layout(size_bytes, align_bytes));
                assert_eq!(refused, Err(AllocError::Unsupported { size_bytes, align_bytes }));
            }
            assert_eq!((heap.snapshot().unsupported, heap.live_blocks()), (absurd.len(), 0));
        });
    }

    #[test]
    fn borrow_from_larger_pools_and_go_home_by_address() {
        with_heap(&SMALL, |heap| {
            let blocks: Vec<_> = (0..107).map(|_| heap.allocate(layout(16, 16)).unwrap()).collect();
            assert_eq!(heap.allocate(layout(16, 16)), Err(AllocError::Exhausted { block_bytes: 16 }));
            assert!(heap.snapshot().pools().iter().map(|pool| pool.used).eq([3, 2, 100, 2]));
            assert!(heap.snapshot().pools().iter().map(|pool| pool.borrowed).eq([104, 0, 0, 0]));
            blocks.into_iter().for_each(|block| free(heap, block).unwrap());
            assert!(heap.snapshot().pools().iter().all(|pool| pool.used == 0));
        });
    }

    #[test]
    fn that_may_not_borrow_are_refused() {
        with_heap(&SMALL.with_borrow(Borrow::Never), |heap| {
            while heap.allocate(layout(16, 1)).is_ok() {}
            assert!(heap.snapshot().pools().iter().map(|pool| (pool.used, pool.refused)).eq([
                (3, 1),
                (0, 0),
                (0, 0),
                (0, 0)
            ]));
        });
    }

    #[test]
    fn find_every_block_of_a_pool_whatever_is_free() {
        for blocks in [1, 63, 64, 65, 4095, 4096, 4097, 70_000] {
            if cfg!(miri) && blocks > 65 {
                continue;
            }
            let config = Config::new(&[PoolConfig::new(16, blocks)]).unwrap();
            with_heap(&config, |heap| {
                let all: Vec<_> = (0..blocks).map(|_| heap.allocate(layout(16, 1)).unwrap()).collect();
                assert!(heap.allocate(layout(16, 1)).is_err());
                for &block in [all[0], all[blocks / 2], all[blocks - 1]].iter() {
                    free(heap, block).unwrap();
                    assert_eq!(heap.validate(), Ok(()));
                    assert_eq!(heap.allocate(layout(16, 1)), Ok(block));
                }
            });
        }
    }
}

mod frees {
    use super::*;

    #[test]
    fn of_what_is_no_block_are_named_and_change_nothing() {
        let mut memory = region(SharedHeap::bytes_needed(&SMALL));
        let ends = memory.as_mut_ptr_range();
        let (first, past) = (ends.start.cast(), ends.end.cast::<u8>());
        let heap = SharedHeap::new(&mut memory, &SMALL).unwrap();
        let block = heap.allocate(layout(128, 1)).unwrap();
        let at = |offset| block.map_addr(|address| address.checked_add(offset).unwrap());
        let mut elsewhere = 0_u8;
        let wrong = [
            (at(16), FreeError::Interior),
            (at(112), FreeError::Interior),
            (at(1), FreeError::Misaligned),
            (at(127), FreeError::Misaligned),
            (NonNull::from(&mut elsewhere), FreeError::Foreign),
            (NonNull::dangling(), FreeError::Foreign),
            (NonNull::new(core::ptr::without_provenance_mut(usize::MAX)).unwrap(), FreeError::Foreign),
            (
                NonNull::new(core::ptr::without_provenance_mut(1 << (usize::BITS - 1))).unwrap(),
                FreeError::Foreign,
            ),
            (NonNull::new(first).unwrap(), FreeError::Foreign),
            (NonNull::new(past).unwrap(), FreeError::Foreign),
        ];
        for (pointer, error) in wrong {
            assert_eq!(free(&heap, pointer), Err(error), "{pointer:?}");
            assert_eq!(heap.usable_bytes(pointer), Err(error), "{pointer:?}");
        }
        assert_eq!((heap.live_blocks(), heap.validate()), (1, Ok(())));
    }

    #[test]
    fn of_a_free_block_are_double_frees() {
        with_heap(&SMALL, |heap| {
            let block = heap.allocate(layout(128, 1)).unwrap();
            assert_eq!(free(heap, block), Ok(()));
            for _ in 0..2 {
                assert_eq!(free(heap, block), Err(FreeError::DoubleFree));
            }
            let never_live = block.map_addr(|address| address.checked_add(128).unwrap());
            assert_eq!(free(heap, never_live), Err(FreeError::DoubleFree));
            assert_eq!(heap.usable_bytes(block), Err(FreeError::DoubleFree));
            assert_eq!(heap.live_blocks(), 0);
        });
    }

    #[test]
    fn of_one_block_by_two_threads_succeed_once() {
        with_heap(&SMALL, |heap| {
            let rounds = if cfg!(miri) { 10 } else { 500 };
            for _ in 0..rounds {
                let block = heap.allocate(layout(128, 1)).unwrap().as_ptr().expose_provenance();
                let accepted = AtomicUsize::new(0);
                let race = || {
                    let block = NonNull::new(core::ptr::with_exposed_provenance_mut(block)).unwrap();
                    match free(heap, block) {
                        Ok(()) => accepted.fetch_add(1, Ordering::Relaxed),
                        Err(error) => {
                            assert_eq!(error, FreeError::DoubleFree);
                            0
                        }
                    };
                };
                thread::scope(|scope| {
                    scope.spawn(race);
                    race();
                });
                assert_eq!(accepted.into_inner(), 1);
            }
            assert_eq!(heap.live_blocks(), 0);
        });
    }
}

mod the_whole_heap {
    use super::*;

    #[test]
    fn counts_what_a_plain_model_counts() {
        with_heap(&SMALL, |heap| {
            let mut random = Random(3);
            let mut live: Vec<(NonNull<u8>, usize)> = Vec::new();
            let mut peak = [0; 4];
            let rounds = if cfg!(miri) { 300 } else { 20_000 };
            for _ in 0..rounds {
                if random.below(2) == 0 {
                    if let Ok(block) = heap.allocate(layout(random.below(200), 1 << random.below(6))) {
                        assert!(live.iter().all(|(other, _)| *other != block));
                        live.push((block, heap.usable_bytes(block).unwrap()));
                    }
                } else if !live.is_empty() {
                    free(heap, live.swap_remove(random.below(live.len())).0).unwrap();
                }
                let used = [16, 80, 128, 4096].map(|bytes| live.iter().filter(|it| it.1 == bytes).count());
                peak.iter_mut().zip(used).for_each(|(peak, used)| *peak = used.max(*peak));
                assert!(heap.snapshot().pools().iter().map(|pool| pool.used).eq(used));
                assert!(heap.snapshot().pools().iter().map(|pool| pool.peak).eq(peak));
                assert_eq!(heap.validate(), Ok(()));
            }
            assert!(
                heap.snapshot()
                    .pools()
                    .iter()
                    .all(|pool| pool.borrowed + pool.refused > 0 || pool.block_bytes > 16)
            );
        });
    }

    #[test]
    fn says_on_its_end_what_is_still_live() {
        let mut memory = region(SharedHeap::bytes_needed(&SMALL));
        let heap = SharedHeap::new(&mut memory, &SMALL).unwrap();
        let block = heap.allocate(layout(100, 1)).unwrap();
        heap.allocate(layout(4096, 1)).unwrap();
        free(&heap, block).unwrap();
        assert_eq!(heap.destroy(), Err(StillLive { blocks: 1, bytes: 4096 }));
        assert_eq!(SharedHeap::new(&mut memory, &SMALL).unwrap().destroy(), Ok(()));
    }

    #[test]
    fn serves_layers_by_reference() {
        with_heap(&SMALL, |heap| {
            let mut handle = heap;
            let block = Allocate::allocate_zeroed(&mut handle, layout(100, 8)).unwrap();
            // SAFETY: live, and of this layout.
            let moved = unsafe { handle.reallocate(block, layout(100, 8), 3000) }.unwrap();
            // SAFETY: live, and initialised.
            assert!((0..100).all(|byte| unsafe { moved.add(byte).read() } == 0));
            // SAFETY: live, and not used afterwards.
            assert_eq!(unsafe { Allocate::free(&mut handle, moved) }, Ok(()));
            assert_eq!(heap.live_blocks(), 0);
        });
    }
}

mod corruption {
    use super::*;
    use detalloc::Broken;

    const CONFIG: Config =
        Config::constant(&[PoolConfig::new(16, 3), PoolConfig::new(64, 70), PoolConfig::new(1088, 5)]);

    /// Overwrites each word in front of the blocks with each of a few values, and calls `test`.
    fn with_every_word_forged(mut test: impl FnMut(&SharedHeap<'_>, &[NonNull<u8>])) {
        let mut memory = region(SharedHeap::bytes_needed(&CONFIG));
        let begin = memory.as_ptr().addr().next_multiple_of(SharedHeap::layout(&CONFIG).align());
        let heap = SharedHeap::new(&mut memory, &CONFIG).unwrap();
        // The largest pool's blocks come first, so that all before them is metadata.
        let first = heap.allocate(layout(1088, 64)).unwrap();
        let live = [first, heap.allocate(layout(16, 1)).unwrap(), heap.allocate(layout(64, 1)).unwrap()];
        let metadata = first.as_ptr().addr() - begin;
        // SAFETY: the metadata, in the region.
        let words = |word: usize| unsafe { first.as_ptr().sub(metadata).cast::<usize>().add(word) };
        let words: Vec<_> = (0..metadata / size_of::<usize>()).map(words).collect();
        let kept = |word: *mut usize| word.cast::<MaybeUninit<usize>>();
        // SAFETY: as above; pointers and padding are kept as what they are.
        let intact: Vec<_> = words.iter().map(|&word| unsafe { kept(word).read() }).collect();
        for &word in &words {
            for forged in [0, 1, 63, 1 << 20, isize::MAX as usize, usize::MAX - 15, usize::MAX] {
                // SAFETY: as above.
                unsafe { word.write(forged) };
                test(&heap, &live);
                for (&word, &intact) in words.iter().zip(&intact) {
                    // SAFETY: as above.
                    unsafe { kept(word).write(intact) };
                }
            }
        }
        assert_eq!(heap.validate(), Ok(()));
    }

    #[test]
    #[cfg_attr(
        miri,
        ignore = "it writes where references read, as a broken program does; Miri rightly minds"
    )]
    fn leads_no_operation_out_of_the_region() {
        with_every_word_forged(|heap, live| {
            let begin = live[0].as_ptr().addr() - 4096;
            for _ in 0..3 {
                for size in [1, 64, 1000] {
                    if let Ok(block) = heap.allocate(layout(size, 8)) {
                        let start = block.as_ptr().addr();
                        assert!(begin < start && start + size <= begin + 4096 + 12 * 1088);
                    }
                }
            }
            for &block in live {
                _ = heap.usable_bytes(block);
                _ = free(heap, block);
            }
            assert!(heap.snapshot().pools().len() == 3 && heap.live_blocks() > 0);
        });
    }

    #[test]
    #[cfg_attr(
        miri,
        ignore = "it writes where references read, as a broken program does; Miri rightly minds"
    )]
    fn is_reported() {
        let (mut forged, mut reported) = (0, 0);
        with_every_word_forged(|heap, _| {
            forged += 1;
            reported += usize::from(heap.validate().is_err());
        });
        // Seven values each for four words of shape, the count and the peak of 3 pools, and their 4 leaves,
        // but for those that were there or could be. Of the other words little can be told: hints, counts of
        // refusals, padding.
        assert!(reported > 3 * 6 * 7 + 4 * 6, "only {reported} of {forged}");
    }

    #[test]
    fn of_what_changes_with_every_operation_is_named() {
        let config = Config::constant(&[PoolConfig::new(64, 3)]);
        let mut memory = region(SharedHeap::bytes_needed(&config));
        let heap = SharedHeap::new(&mut memory, &config).unwrap();
        let block = heap.allocate(layout(64, 64)).unwrap();
        // The only leaf lies in front of the first block, and says that the other two are free.
        let mut words = (1..=16).map(|distance| block.as_ptr().cast::<usize>().wrapping_sub(distance));
        // SAFETY: in the region, in the heap's own part, which is longer.
        let leaf = words.find(|word| unsafe { word.read() } == 0b110).unwrap();
        for (word, broken) in
            [(0b1110, Broken::NoSuchBlock), (0b010, Broken::FreeCount), (0, Broken::FreeCount)]
        {
            // SAFETY: as above.
            unsafe { leaf.write(word) };
            assert_eq!(heap.validate().unwrap_err().broken, broken);
        }
        // Two blocks are counted and none is there: refused, and nothing is left hanging.
        assert_eq!(heap.allocate(layout(64, 64)), Err(AllocError::Corrupt));
        assert_eq!(heap.live_blocks(), 1);
    }
}

mod threads {
    use super::*;

    const THREADS: usize = 4;

    const OPERATIONS: usize = if cfg!(miri) { 150 } else { 40_000 };

    /// A block as others may have it: its address and what its owner wrote into it.
    struct Sent(NonNull<u8>, usize);

    // SAFETY: whoever has it owns the block.
    unsafe impl Send for Sent {}

    /// Writes a mark over a block.
    fn mark(block: NonNull<u8>, mark: usize) -> Sent {
        // SAFETY: the block is live, the caller's, and at least two words.
        unsafe { block.cast::<[usize; 2]>().write([mark, !mark]) };
        Sent(block, mark)
    }

    /// Frees a block that still has its mark.
    fn check_and_free(heap: &SharedHeap<'_>, Sent(block, mark): Sent) {
        // SAFETY: the block is live, and was marked.
        assert_eq!(unsafe { block.cast::<[usize; 2]>().read() }, [mark, !mark], "two had the same block");
        free(heap, block).unwrap();
    }

    /// Threads allocate, exchange blocks and free each other's.
    fn stress(config: &Config) {
        with_heap(config, |heap| {
            let exchange = Mutex::new(Vec::new());
            thread::scope(|scope| {
                for number in 0..THREADS {
                    let exchange = &exchange;
                    scope.spawn(move || {
                        let mut random = Random(u64::try_from(number).unwrap());
                        let mut own = Vec::new();
                        for operation in 0..OPERATIONS {
                            match random.below(5) {
                                0 | 1 => {
                                    let block = heap.allocate(layout(1 + random.below(130), 8));
                                    own.extend(block.map(|block| mark(block, operation * THREADS + number)));
                                }
                                2 => exchange.lock().unwrap().extend(own.pop()),
                                3 => {
                                    let other = exchange.lock().unwrap().pop();
                                    other.into_iter().for_each(|block| check_and_free(heap, block));
                                }
                                _ if own.is_empty() => {}
                                _ => check_and_free(heap, own.swap_remove(random.below(own.len()))),
                            }
                        }
                        own.into_iter().for_each(|block| check_and_free(heap, block));
                    });
                }
            });
            exchange.into_inner().unwrap().into_iter().for_each(|block| check_and_free(heap, block));
            assert_eq!(heap.live_blocks(), 0);
        });
    }

    #[test]
    fn never_have_the_same_block() {
        stress(&SMALL);
    }

    #[test]
    fn never_have_the_same_block_of_a_pool_with_many_leaves() {
        stress(&Config::constant(&[PoolConfig::new(144, 5000)]));
    }

    #[test]
    fn that_need_no_more_than_there_is_are_never_refused() {
        let blocks = 2 * usize::BITS as usize;
        let config = Config::new(&[PoolConfig::new(16, blocks)]).unwrap();
        with_heap(&config, |heap| {
            thread::scope(|scope| {
                for _ in 0..THREADS {
                    scope.spawn(move || {
                        let rounds = if cfg!(miri) { 3 } else { 500 };
                        for _ in 0..rounds {
                            let blocks: Vec<_> = (0..blocks / THREADS)
                                .map(|_| heap.allocate(layout(16, 1)).expect("each has its share"))
                                .collect();
                            blocks.into_iter().for_each(|block| free(heap, block).unwrap());
                        }
                    });
                }
            });
            let peak = heap.snapshot().pools()[0].peak;
            assert!((blocks / THREADS..=blocks).contains(&peak), "{peak}");
        });
    }
}
