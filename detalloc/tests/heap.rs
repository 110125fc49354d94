//! The promises of the single-owner heap, arranged by promise.

#[path = "common/random.rs"]
mod random;

use core::{alloc::Layout, mem::MaybeUninit, ptr::NonNull};
use detalloc::{AllocError, Allocate, Borrow, Config, FreeError, Heap, PoolConfig, ResizeError, StillLive};
use random::Random;
use std::collections::BTreeMap;

const SMALL: Config = Config::constant(&[
    PoolConfig::new(16, 3),
    PoolConfig::new(64, 70),
    PoolConfig::new(1088, 5),
    PoolConfig::new(4096, 2),
]);

fn region(bytes: usize) -> Vec<MaybeUninit<u8>> {
    vec![MaybeUninit::uninit(); bytes]
}

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

fn free(heap: &mut Heap, block: NonNull<u8>) -> Result<(), FreeError> {
    // SAFETY: the tests never use a block after this.
    unsafe { heap.free(block) }
}

mod allocating {
    use super::*;

    #[test]
    fn blocks_are_aligned_distinct_and_inside_the_region() {
        let mut memory = region(SMALL.bytes_needed() + 3);
        let memory = &mut memory[3..];
        let (start, end) = (memory.as_ptr().addr(), memory.as_ptr_range().end.addr());
        let mut heap = Heap::new(memory, &SMALL).unwrap();
        let mut taken = BTreeMap::new();
        for size in [0, 1, 16, 17, 63, 64, 65, 1000, 4096] {
            for align in [1, 16, 64, 1024, 4096] {
                let Ok(block) = heap.allocate(layout(size, align)) else { continue };
                let at = block.as_ptr().addr();
                assert_eq!(at % align, 0);
                let bytes = heap.usable_bytes(block).unwrap();
                assert!(bytes >= size && at >= start && at + bytes <= end);
                taken.insert(at, at + bytes);
            }
        }
        assert!(taken.len() > 10);
        assert!(taken.iter().zip(taken.iter().skip(1)).all(|((_, end), (next, _))| end <= next));
        assert_eq!(heap.validate(), Ok(()));
    }

    #[test]
    fn a_size_or_alignment_that_no_pool_has_is_unsupported() {
        let mut memory = region(SMALL.bytes_needed());
        let mut heap = Heap::new(&mut memory, &SMALL).unwrap();
        let largest = isize::MAX as usize;
        for (size, align) in [(4097, 1), (16, 8192), (1 << 30, 1), (largest - 15, 16), (largest, 1)] {
            let refused = heap.allocate(layout(size, align)).unwrap_err();
            assert_eq!(refused, AllocError::Unsupported { size_bytes: size, align_bytes: align });
        }
        assert_eq!(heap.meter().snapshot().unsupported, 5);
        assert_eq!(heap.live_blocks(), 0);
    }

    #[test]
    fn every_power_of_two_give_or_take_one_gets_a_block_or_a_reason() {
        let mut memory = region(SMALL.bytes_needed());
        let mut heap = Heap::new(&mut memory, &SMALL).unwrap();
        for size in (0..usize::BITS - 2).flat_map(|bits| [(1_usize << bits) - 1, 1 << bits, (1 << bits) + 1])
        {
            match heap.allocate(layout(size, 1)) {
                Ok(block) => {
                    assert!(heap.usable_bytes(block).unwrap() >= size);
                    free(&mut heap, block).unwrap();
                }
                Err(_) => assert!(size > 4096),
            }
        }
        assert_eq!(heap.validate(), Ok(()));
    }

    #[test]
    fn an_empty_class_borrows_from_the_next_larger_and_then_refuses() {
        let mut memory = region(SMALL.bytes_needed());
        let mut heap = Heap::new(&mut memory, &SMALL).unwrap();
        let blocks: Vec<_> = (0..80).map(|_| heap.allocate(layout(16, 1)).unwrap()).collect();
        assert_eq!(heap.allocate(layout(16, 1)), Err(AllocError::Exhausted { block_bytes: 16 }));
        let stats = heap.meter().snapshot();
        assert_eq!((stats.pools()[0].borrowed, stats.pools()[0].refused), (77, 1));
        assert_eq!(stats.pools().iter().map(|p| p.used).collect::<Vec<_>>(), [3, 70, 5, 2]);
        assert!((0..5).map_while(|number| heap.meter().pool(number)).eq(stats.pools().iter().copied()));
        for block in blocks {
            // SAFETY: not used afterwards. By layout, although most of them were borrowed.
            unsafe { heap.free_layout(block, layout(16, 1)).unwrap() };
        }
        assert_eq!(heap.meter().snapshot().used_bytes(), 0);
        assert_eq!(heap.validate(), Ok(()));
    }

    #[test]
    fn without_borrowing_an_empty_class_refuses() {
        let config = SMALL.with_borrow(Borrow::Never);
        let mut memory = region(config.bytes_needed());
        let mut heap = Heap::new(&mut memory, &config).unwrap();
        let first: Vec<_> = (0..3).map(|_| heap.allocate(layout(1, 1)).unwrap()).collect();
        assert_eq!(heap.allocate(layout(1, 1)), Err(AllocError::Exhausted { block_bytes: 16 }));
        free(&mut heap, first[1]).unwrap();
        assert_eq!(heap.allocate(layout(1, 1)), Ok(first[1]));
        // A stricter alignment is served by the first class that has it: that is not borrowing.
        assert!(heap.allocate(layout(16, 64)).is_ok());
    }

    #[test]
    fn pools_of_any_depth_hand_out_every_block_once_lowest_first() {
        const BITS: usize = usize::BITS as usize;
        for blocks in [1, BITS, BITS + 1, BITS * BITS, BITS * BITS + 1, BITS * BITS * BITS + 1] {
            if cfg!(miri) && blocks > BITS + 1 {
                continue;
            }
            let config = Config::new(&[PoolConfig::new(16, blocks)]).unwrap();
            let mut memory = region(config.bytes_needed());
            let mut heap = Heap::new(&mut memory, &config).unwrap();
            let first = heap.allocate(layout(16, 16)).unwrap();
            for number in 1..blocks {
                let expected = first.as_ptr().wrapping_add(16 * number);
                assert_eq!(heap.allocate(layout(16, 16)).unwrap().as_ptr(), expected);
            }
            assert_eq!(heap.allocate(layout(1, 1)), Err(AllocError::Exhausted { block_bytes: 16 }));
            assert_eq!(heap.validate(), Ok(()), "{blocks} blocks");
            // Two thirds of them go home, some by way of another thread's handle.
            for number in (0..blocks).filter(|number| number % 3 != 0) {
                let block = NonNull::new(first.as_ptr().wrapping_add(16 * number)).unwrap();
                // SAFETY: not used afterwards.
                unsafe { if number % 3 == 1 { heap.free(block) } else { heap.remote().free(block) } }
                    .unwrap();
                assert_eq!(free(&mut heap, block), Err(FreeError::DoubleFree));
            }
            let adopted = heap.adopt_remote_frees(usize::MAX);
            assert_eq!(adopted, blocks / 3, "{blocks} blocks");
            assert_eq!(heap.live_blocks(), blocks.div_ceil(3));
            assert_eq!(heap.meter().snapshot().pools()[0].peak, blocks);
            assert_eq!(heap.validate(), Ok(()), "{blocks} blocks");
            if blocks > 1 {
                assert_eq!(heap.allocate(layout(16, 16)).unwrap().as_ptr(), first.as_ptr().wrapping_add(16));
            }
        }
    }

    #[test]
    fn no_bytes_get_a_block_of_their_own() {
        let mut memory = region(SMALL.bytes_needed());
        let mut heap = Heap::new(&mut memory, &SMALL).unwrap();
        let (one, other) = (heap.allocate(layout(0, 1)).unwrap(), heap.allocate(layout(0, 64)).unwrap());
        assert_eq!((heap.usable_bytes(one), heap.usable_bytes(other)), (Ok(16), Ok(64)));
        assert_eq!(other.as_ptr().addr() % 64, 0);
    }

    #[test]
    fn an_alignment_that_the_class_lacks_is_served_by_the_next_pool_that_has_it() {
        let config =
            Config::constant(&[PoolConfig::new(80, 2), PoolConfig::new(128, 1), PoolConfig::new(4096, 1)]);
        let mut memory = region(config.bytes_needed());
        let mut heap = Heap::new(&mut memory, &config).unwrap();
        let sizes: Vec<_> = [(64, 64), (64, 32), (1, 4096), (80, 16)]
            .map(|(size, align)| {
                let block = heap.allocate(layout(size, align));
                block.map(|block| {
                    assert_eq!(block.as_ptr().addr() % align, 0);
                    heap.usable_bytes(block).unwrap()
                })
            })
            .into();
        // The second had to borrow, and so the third finds nothing.
        let refused = AllocError::Exhausted { block_bytes: 4096 };
        assert_eq!(sizes, [Ok(128), Ok(4096), Err(refused), Ok(80)]);
        let stats = heap.meter().snapshot();
        assert!(stats.pools().iter().map(|p| p.borrowed).eq([0, 1, 0]));
    }

    #[test]
    fn a_hint_changes_nothing() {
        let mut memory = region(SMALL.bytes_needed());
        let mut heap = Heap::new(&mut memory, &SMALL).unwrap();
        let before = heap.meter().snapshot();
        for size in [0, 1, 16, 1088, 4096, 4097, isize::MAX as usize] {
            heap.prefetch(layout(size, 1));
        }
        while heap.allocate(layout(16, 16)).is_ok() {}
        heap.prefetch(layout(16, 16));
        assert_eq!(heap.validate(), Ok(()));
        assert!(before.pools().iter().all(|pool| pool.used == 0));
    }

    #[test]
    fn a_heap_that_checks_nothing_serves_the_same() {
        let (mut memory, mut other) = (region(SMALL.bytes_needed()), region(SMALL.bytes_needed()));
        let mut heap = Heap::new(&mut memory, &SMALL).unwrap();
        // SAFETY: only live blocks are freed below.
        let mut unchecked = unsafe { Heap::unchecked(&mut other, &SMALL) }.unwrap();
        let mut random = Random(11);
        let mut live: Vec<(NonNull<u8>, NonNull<u8>)> = Vec::new();
        let rounds = if cfg!(miri) { 300 } else { 10_000 };
        for _ in 0..rounds {
            if random.below(2) == 0 {
                let size = random.below(4200);
                let blocks = (heap.allocate(layout(size, 8)), unchecked.allocate(layout(size, 8)));
                match blocks {
                    (Ok(one), Ok(other)) => live.push((one, other)),
                    (one, other) => assert_eq!(one, other),
                }
            } else if !live.is_empty() {
                let (one, other) = live.swap_remove(random.below(live.len()));
                free(&mut heap, one).unwrap();
                // SAFETY: live, and not used afterwards.
                unsafe { unchecked.free(other) }.unwrap();
            }
            assert_eq!(heap.meter().snapshot().used_bytes(), unchecked.meter().snapshot().used_bytes());
        }
        assert_eq!(unchecked.validate(), Ok(()));
    }
}

mod the_whole_heap {
    use super::*;

    #[test]
    fn a_reset_takes_every_block_back_and_the_counts_go_on() {
        let mut memory = region(SMALL.bytes_needed());
        let mut heap = Heap::new(&mut memory, &SMALL).unwrap();
        let blocks: Vec<_> = (0..50).map(|_| heap.allocate(layout(64, 8)).unwrap()).collect();
        // SAFETY: not used afterwards.
        unsafe { heap.remote().free(blocks[7]) }.unwrap();
        // SAFETY: no block is used afterwards.
        unsafe { heap.reset() };
        assert_eq!((heap.live_blocks(), heap.validate()), (0, Ok(())));
        assert_eq!(heap.meter().snapshot().pools()[1].peak, 50);
        assert_eq!(heap.allocate(layout(64, 8)), Ok(blocks[0]));
        assert_eq!(heap.adopt_remote_frees(usize::MAX), 0);
    }

    #[test]
    fn destroying_says_what_is_still_live() {
        let mut memory = region(SMALL.bytes_needed());
        let mut heap = Heap::new(&mut memory, &SMALL).unwrap();
        let home = heap.allocate(layout(64, 8)).unwrap();
        // SAFETY: not used afterwards.
        unsafe { heap.remote().free(home) }.unwrap();
        assert_eq!(heap.destroy(), Ok(()));

        let mut heap = Heap::new(&mut memory, &SMALL).unwrap();
        heap.allocate(layout(64, 8)).unwrap();
        heap.allocate(layout(1000, 8)).unwrap();
        let left = heap.destroy().unwrap_err();
        assert_eq!(left, StillLive { blocks: 2, bytes: 64 + 1088 });
        assert_eq!(left.to_string(), "2 blocks of 1152 bytes together were still in use");
    }
}

mod freeing {
    use super::*;

    fn unsupported(size_bytes: usize) -> AllocError {
        AllocError::Unsupported { size_bytes, align_bytes: 8 }
    }

    #[test]
    fn wrong_pointers_are_named_and_change_nothing() {
        let mut memory = region(SMALL.bytes_needed());
        let before = NonNull::from(&mut memory[0]).cast::<u8>();
        let mut heap = Heap::new(&mut memory, &SMALL).unwrap();
        let block = heap.allocate(layout(1000, 16)).unwrap();
        let stats = heap.meter().snapshot();
        // SAFETY: all of these lie in the block, which has 1088 bytes.
        let (odd, granule, last) = unsafe { (block.add(8), block.add(16), block.add(1072)) };
        let mut elsewhere = [0_u8; 64];
        for _ in 0..2 {
            assert_eq!(free(&mut heap, odd), Err(FreeError::Misaligned));
            assert_eq!(free(&mut heap, granule), Err(FreeError::Interior));
            assert_eq!(free(&mut heap, last), Err(FreeError::Interior));
            assert_eq!(free(&mut heap, before), Err(FreeError::Foreign));
            assert_eq!(free(&mut heap, NonNull::from(&mut elsewhere[0])), Err(FreeError::Foreign));
            assert_eq!(free(&mut heap, NonNull::dangling()), Err(FreeError::Foreign));
            assert_eq!(heap.meter().snapshot(), stats);
        }
        assert_eq!(free(&mut heap, block), Ok(()));
        assert_eq!(free(&mut heap, block), Err(FreeError::DoubleFree));
        assert_eq!(heap.usable_bytes(block), Err(FreeError::DoubleFree));
        assert_eq!(heap.validate(), Ok(()));
    }

    #[test]
    fn a_random_history_agrees_with_a_plain_model() {
        let mut random = Random(0x5EED_0001);
        let mut memory = region(SMALL.bytes_needed());
        let mut heap = Heap::new(&mut memory, &SMALL).unwrap();
        let remote = heap.remote();
        let sizes = SMALL.pools();
        // The model: how many blocks of each pool are live, and which blocks were given out.
        let (mut used, mut peak, mut refused, mut borrowed) = ([0; 4], [0; 4], [0; 4], [0; 4]);
        let mut live: Vec<(NonNull<u8>, usize)> = Vec::new();
        let rounds = if cfg!(miri) { 300 } else { 40_000 };
        for _ in 0..rounds {
            if random.below(100) < 52 {
                let size = random.below(4200);
                let wanted = (0..4).find(|&p| sizes[p].block_bytes >= size);
                let fitting = wanted.and_then(|wanted| (wanted..4).find(|&p| used[p] < sizes[p].blocks));
                match heap.allocate(layout(size, 8)) {
                    Ok(block) => {
                        let pool = fitting.expect("the model says that nothing is free");
                        assert_eq!(heap.usable_bytes(block), Ok(sizes[pool].block_bytes));
                        assert!(live.iter().all(|&(other, _)| other != block));
                        // SAFETY: the block is live and at least this large.
                        unsafe { block.write_bytes(0xA5, size) };
                        used[pool] += 1;
                        peak[pool] = peak[pool].max(used[pool]);
                        borrowed[wanted.unwrap()] += usize::from(wanted != fitting);
                        live.push((block, pool));
                    }
                    Err(AllocError::Exhausted { block_bytes }) => {
                        assert_eq!((fitting, block_bytes), (None, sizes[wanted.unwrap()].block_bytes));
                        refused[wanted.unwrap()] += 1;
                    }
                    Err(error) => assert_eq!((wanted, error), (None, unsupported(size))),
                }
            } else if !live.is_empty() {
                let (block, pool) = live.swap_remove(random.below(live.len()));
                used[pool] -= 1;
                if random.below(4) == 0 {
                    // SAFETY: not used afterwards.
                    unsafe { remote.free(block) }.unwrap();
                    assert_eq!(free(&mut heap, block), Err(FreeError::DoubleFree));
                    assert_eq!(heap.usable_bytes(block), Err(FreeError::DoubleFree));
                    heap.adopt_remote_frees(1);
                } else {
                    free(&mut heap, block).unwrap();
                    // SAFETY: refused, as it must be.
                    assert_eq!(unsafe { remote.free(block) }, Err(FreeError::DoubleFree));
                }
            }
            let stats = heap.meter().snapshot();
            assert!(stats.pools().iter().map(|p| p.used).eq(used));
            assert!(stats.pools().iter().map(|p| p.peak).eq(peak));
            assert!(stats.pools().iter().map(|p| p.refused).eq(refused));
            assert!(stats.pools().iter().map(|p| p.borrowed).eq(borrowed));
            assert_eq!(heap.validate(), Ok(()));
        }
    }
}

mod resizing {
    use super::*;

    /// As `Heap::reallocate`, for blocks that the tests do not use under their old address afterwards.
    fn resize(
        heap: &mut Heap,
        block: NonNull<u8>,
        old: Layout,
        new_bytes: usize,
    ) -> Result<NonNull<u8>, ResizeError> {
        // SAFETY: the tests pass the layout of the block, and give it up.
        unsafe { heap.reallocate(block, old, new_bytes) }
    }

    #[test]
    fn a_block_stays_where_it_has_room_and_moves_with_its_contents_where_not() {
        let mut memory = region(SMALL.bytes_needed());
        let mut heap = Heap::new(&mut memory, &SMALL).unwrap();
        let block = heap.allocate_zeroed(layout(40, 8)).unwrap();
        assert_eq!(resize(&mut heap, block, layout(40, 8), 64), Ok(block));
        assert_eq!(resize(&mut heap, block, layout(64, 8), 1), Ok(block));
        // SAFETY: the block has 64 bytes.
        unsafe { block.write_bytes(7, 64) };
        let moved = resize(&mut heap, block, layout(64, 8), 65).unwrap();
        assert_ne!(moved, block);
        // SAFETY: 64 bytes were moved.
        assert!((0..64).all(|at| unsafe { moved.add(at).read() } == 7));
        assert_eq!(free(&mut heap, block), Err(FreeError::DoubleFree));
        assert_eq!(heap.live_blocks(), 1);
        assert_eq!(heap.validate(), Ok(()));
    }

    #[test]
    fn a_block_that_cannot_change_is_as_it_was() {
        let mut memory = region(SMALL.bytes_needed());
        let mut heap = Heap::new(&mut memory, &SMALL).unwrap();
        let block = heap.allocate(layout(16, 8)).unwrap();
        let unsupported =
            |size_bytes| Err(ResizeError::Memory(AllocError::Unsupported { size_bytes, align_bytes: 8 }));
        assert_eq!(resize(&mut heap, block, layout(16, 8), 4097), unsupported(4097));
        assert_eq!(resize(&mut heap, block, layout(16, 8), usize::MAX), unsupported(usize::MAX));
        free(&mut heap, block).unwrap();
        assert_eq!(
            resize(&mut heap, block, layout(16, 8), 32),
            Err(ResizeError::Block(FreeError::DoubleFree))
        );
    }

    #[test]
    fn zeroed_blocks_are_zero_and_arrays_do_not_overflow() {
        let mut memory = region(SMALL.bytes_needed());
        let mut heap = Heap::new(&mut memory, &SMALL).unwrap();
        let block = heap.allocate(layout(1000, 1)).unwrap();
        // SAFETY: the block has 1000 bytes.
        unsafe { block.write_bytes(0xFF, 1000) };
        free(&mut heap, block).unwrap();
        let again = heap.allocate_zeroed(layout(1000, 1)).unwrap();
        assert_eq!(again, block);
        // SAFETY: the block has 1000 bytes, all of them written.
        assert!((0..1000).all(|at| unsafe { again.add(at).read() } == 0));
        assert_eq!(heap.allocate_array::<u64>(128).unwrap().len(), 128);
        for len in [usize::MAX, usize::MAX / 8 + 1, 513] {
            assert!(matches!(heap.allocate_array::<u64>(len), Err(AllocError::Unsupported { .. })));
        }
    }
}

mod corruption {
    use super::*;
    use detalloc::Broken;

    #[test]
    #[cfg_attr(
        miri,
        ignore = "it writes where references read, as a broken program does; Miri rightly minds"
    )]
    fn any_word_of_the_metadata_that_is_overwritten_is_reported_and_not_followed() {
        let config =
            Config::constant(&[PoolConfig::new(16, 3), PoolConfig::new(64, 70), PoolConfig::new(1088, 5)]);
        let mut reported = 0;
        let mut memory = region(config.bytes_needed());
        let begin = memory.as_ptr().addr().next_multiple_of(64);
        let mut heap = Heap::new(&mut memory, &config).unwrap();
        // The largest pool's blocks come first, so that all before them is metadata.
        let first = heap.allocate(layout(1088, 64)).unwrap();
        for back in (8..=first.as_ptr().addr() - begin).step_by(8) {
            let word = first.as_ptr().wrapping_sub(back).cast::<u64>();
            let kept = word.cast::<MaybeUninit<u64>>();
            // SAFETY: within the region, in front of the blocks; pointers and padding are kept as what they are.
            let before = unsafe { kept.read() };
            for forged in [u64::MAX, 0] {
                // SAFETY: as above.
                unsafe { word.write(forged) };
                reported += usize::from(heap.validate().is_err());
            }
            // SAFETY: as above.
            unsafe { kept.write(before) };
            assert_eq!(heap.validate(), Ok(()), "{back}");
        }
        // Each of the 5 header lines' and 3 pools' words, but padding and counts of refusals.
        assert!(reported > 60, "only {reported}");
    }

    #[test]
    fn a_forged_bit_is_named() {
        let config = Config::constant(&[PoolConfig::new(64, 3)]);
        let mut memory = region(config.bytes_needed());
        let mut heap = Heap::new(&mut memory, &config).unwrap();
        let block = heap.allocate(layout(64, 64)).unwrap();
        // The free words lie before the page table and the padding in front of the first block.
        let words = (1..50).map(|back| block.as_ptr().cast::<usize>().wrapping_sub(back));
        // SAFETY: within the region, in front of the blocks.
        let leaf = words.clone().find(|word| unsafe { word.read() } == 0b110).unwrap();
        // SAFETY: as above.
        unsafe { leaf.write(0b1110) };
        assert_eq!(heap.validate().unwrap_err().broken, Broken::NoSuchBlock);
        // SAFETY: as above.
        unsafe { leaf.write(0b010) };
        assert_eq!(heap.validate().unwrap_err().broken, Broken::FreeCount);
        // SAFETY: as above.
        unsafe { leaf.write(0) };
        assert_eq!(heap.validate().unwrap_err().broken, Broken::Summary);
    }
}

mod other_threads {
    use super::*;
    use std::{
        sync::{
            atomic::{AtomicUsize, Ordering},
            mpsc,
        },
        thread,
    };

    struct Block(NonNull<u8>);
    // SAFETY: the block is used by one thread at a time: whoever has received it.
    unsafe impl Send for Block {}

    #[test]
    fn blocks_freed_on_other_threads_come_home_and_none_is_lost() {
        const BLOCKS: usize = if cfg!(miri) { 100 } else { 5000 };
        const CONFIG: Config = Config::constant(&[PoolConfig::new(32, 100), PoolConfig::new(64, BLOCKS)]);
        let mut memory = region(CONFIG.bytes_needed());
        let mut heap = Heap::new(&mut memory, &CONFIG).unwrap();
        let remote = heap.remote();
        thread::scope(|scope| {
            let freeing: Vec<_> = (0..3)
                .map(|_| {
                    let (send, receive) = mpsc::channel::<Block>();
                    scope.spawn(move || {
                        for Block(block) in receive {
                            // SAFETY: this thread has the block now and does not use it afterwards.
                            unsafe { remote.free(block) }.unwrap();
                        }
                    });
                    send
                })
                .collect();
            let mut sent = 0;
            for round in 0..12 * BLOCKS {
                if let Ok(block) = heap.allocate(layout(32 + round % 32, 8)) {
                    // SAFETY: live, and at least this large.
                    unsafe { block.write_bytes(0x5A, 32) };
                    freeing[round % 3].send(Block(block)).unwrap();
                    sent += 1;
                }
            }
            assert!(sent >= 100 + BLOCKS);
        });
        heap.adopt_remote_frees(usize::MAX);
        assert_eq!(heap.live_blocks(), 0);
        assert_eq!(heap.validate(), Ok(()));
        let stats = heap.meter().snapshot();
        assert!(stats.pools().iter().map(|p| p.freed_remotely).sum::<usize>() >= 100 + BLOCKS);
    }

    #[test]
    fn a_block_that_was_given_back_before_the_request_is_there_for_it() {
        const CONFIG: Config = Config::constant(&[PoolConfig::new(64, 128)]);
        let mut memory = region(CONFIG.bytes_needed());
        let mut heap = Heap::new(&mut memory, &CONFIG).unwrap();
        let remote = heap.remote();
        let acknowledged = AtomicUsize::new(0);
        thread::scope(|scope| {
            let freeing: Vec<_> = (0..3)
                .map(|_| {
                    let (send, receive) = mpsc::sync_channel::<Block>(1);
                    let acknowledged = &acknowledged;
                    scope.spawn(move || {
                        for Block(block) in receive {
                            // SAFETY: this thread has the block now and does not use it afterwards.
                            unsafe { remote.free(block) }.unwrap();
                            acknowledged.fetch_add(1, Ordering::Release);
                        }
                    });
                    send
                })
                .collect();
            let mut held: Vec<_> = (0..128).map(|_| heap.allocate(layout(64, 8)).unwrap()).collect();
            let mut taken = 128;
            let rounds = if cfg!(miri) { 500 } else { 300_000 };
            for round in 0..rounds {
                if let Some(block) = held.pop() {
                    if let Err(refused) = freeing[round % 3].try_send(Block(block)) {
                        let (mpsc::TrySendError::Full(back) | mpsc::TrySendError::Disconnected(back)) =
                            refused;
                        held.push(back.0);
                    }
                }
                // A block may be taken between its return and the acknowledgement.
                let given_back = (acknowledged.load(Ordering::Acquire) + 128).saturating_sub(taken);
                match heap.allocate(layout(64, 8)) {
                    Ok(block) => {
                        taken += 1;
                        held.push(block);
                    }
                    Err(_) => assert_eq!(given_back, 0),
                }
            }
        });
    }
}
