//! The promises of guards, arranged by promise.

#![cfg_attr(asan, allow(dead_code, unused_imports, reason = "only tests that do damage need them"))]

use core::{alloc::Layout, mem::MaybeUninit, ptr::NonNull, slice};
use detalloc::{
    AllocError, Allocate, Borrow, Config, FreeError, Heap, MAX_ALIGN_BYTES, PoolConfig, ResizeError,
    class::{CLASSES, MAX_BLOCK_BYTES, class_bytes},
    guard::{ALLOCATED, CANARY, Damage, DebugGuarded, FREED, Guarded, Harm},
};
use std::collections::BTreeMap;

const CONFIG: Config =
    Config::constant(&[PoolConfig::new(16, 3), PoolConfig::new(64, 20), PoolConfig::new(4096, 2)]);
const WITH_GUARDS: Config = CONFIG.with_guards();

fn region() -> Vec<MaybeUninit<u8>> {
    vec![MaybeUninit::new(0xA5); WITH_GUARDS.bytes_needed()]
}

fn guarded(region: &mut [MaybeUninit<u8>]) -> Guarded<Heap<'_>> {
    Guarded::<Heap>::new(region, &WITH_GUARDS).unwrap()
}

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

fn free<H: Allocate>(heap: &mut H, block: NonNull<u8>) -> Result<(), FreeError> {
    // SAFETY: the tests never use a block after this, but to damage it.
    unsafe { heap.free(block) }
}

fn reallocate<H: Allocate>(
    heap: &mut H,
    block: NonNull<u8>,
    old: Layout,
    new: usize,
) -> Result<NonNull<u8>, ResizeError> {
    // SAFETY: the tests use the result only.
    unsafe { heap.reallocate(block, old, new) }
}

/// Writes inside the region, where it does not belong.
fn damage(block: NonNull<u8>, at: usize) {
    // SAFETY: still inside of the region, by the tests' choice of `at`.
    unsafe { block.add(at).write(!block.add(at).read()) };
}

fn contents<'a>(block: NonNull<u8>, bytes: usize) -> &'a [u8] {
    // SAFETY: the tests read initialised bytes inside the region only, and drop the slice before they change them.
    unsafe { slice::from_raw_parts(block.as_ptr(), bytes) }
}

mod correct_use {
    use super::*;

    #[test]
    fn is_never_taken_for_damage_whatever_the_history() {
        let mut memory = region();
        let mut heap = guarded(&mut memory);
        let mut state = 0x5EED_u64;
        let mut below = |limit: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).unwrap() % limit
        };
        // Start, size and contents of every live block.
        let mut live: BTreeMap<NonNull<u8>, (usize, u8)> = BTreeMap::new();
        let steps = if cfg!(miri) { 200 } else { 30_000 };
        for step in 0..steps {
            let fill = u8::try_from(step % 251).unwrap();
            let write = |block: NonNull<u8>, size: usize| {
                // SAFETY: a live block of this size.
                unsafe { block.write_bytes(fill, size) };
            };
            let some = live.keys().nth(below(live.len().max(1))).copied();
            match (below(5), some) {
                (0 | 1, _) | (_, None) => {
                    let size = [0, 1, 15, 16, 17, 40, 63, 64, 65, 4000, 4096][below(11)];
                    if let Ok(block) = heap.allocate(layout(size, 1 << below(7))) {
                        write(block, size);
                        assert_eq!(live.insert(block, (size, fill)), None);
                    }
                }
                (2, Some(block)) => {
                    let (size, old_fill) = live[&block];
                    let new = below(100);
                    if let Ok(moved) = reallocate(&mut heap, block, layout(size, 1), new) {
                        live.remove(&block);
                        assert!(contents(moved, size.min(new)).iter().all(|&byte| byte == old_fill));
                        write(moved, new);
                        live.insert(moved, (new, fill));
                    }
                }
                (3, Some(block)) => {
                    live.remove(&block);
                    // SAFETY: nothing uses the block after this.
                    assert_eq!(unsafe { heap.remote().free(block) }, Ok(()));
                }
                (_, Some(block)) => {
                    live.remove(&block);
                    assert_eq!(free(&mut heap, block), Ok(()));
                }
            }
            for (&block, &(size, fill)) in &live {
                assert_eq!(heap.usable_bytes(block), Ok(size));
                assert!(contents(block, size).iter().all(|&byte| byte == fill));
            }
        }
        assert_eq!((heap.damages(), heap.damage()), (0, None));
        assert_eq!(heap.validate(), Ok(()));
    }

    #[test]
    fn includes_taking_everything_back_at_once() {
        let mut memory = region();
        let mut heap = guarded(&mut memory);
        for _ in 0..3 {
            while let Ok(block) = heap.allocate(layout(40, 1)) {
                // SAFETY: a live block of this size.
                unsafe { block.write_bytes(1, 40) };
            }
            // SAFETY: nothing uses a block after this.
            unsafe { heap.reset() };
        }
        assert_eq!((heap.damages(), heap.live_blocks()), (0, 0));
        assert_eq!(heap.destroy(), Ok(()));
    }

    #[test]
    fn includes_writing_every_byte_at_every_alignment() {
        let mut memory = region();
        let mut heap = guarded(&mut memory);
        for align in (0..=12).map(|bits| 1 << bits) {
            for size in [0, 1, 7, 63, 64, 4095, 4096] {
                let block = heap.allocate(layout(size, align)).unwrap();
                assert_eq!(block.as_ptr().addr() % align, 0);
                // SAFETY: a live block of this size.
                unsafe { block.write_bytes(0xFF, size) };
                assert_eq!(free(&mut heap, block), Ok(()));
            }
        }
        assert_eq!(heap.damages(), 0);
    }

    #[test]
    fn a_new_block_is_filled_and_a_zeroed_one_is_zero() {
        let mut memory = region();
        let mut heap = guarded(&mut memory);
        let block = heap.allocate(layout(40, 1)).unwrap();
        assert!(contents(block, 40).iter().all(|&byte| byte == ALLOCATED));
        let zeroed = heap.allocate_zeroed(layout(40, 1)).unwrap();
        assert!(contents(zeroed, 40).iter().all(|&byte| byte == 0));
        assert_eq!(heap.check(zeroed), Ok(()));
    }

    #[test]
    fn a_block_may_be_used_up_to_the_size_that_was_asked_for() {
        let mut memory = region();
        let mut heap = guarded(&mut memory);
        for size in [0, 1, 40, 64, 4096] {
            let block = heap.allocate(layout(size, 1)).unwrap();
            assert_eq!(heap.usable_bytes(block), Ok(size));
        }
    }
}

// AddressSanitizer ends the program at the damage that these do.
#[cfg(not(asan))]
mod an_overrun {
    use super::*;

    #[test]
    fn by_any_byte_up_to_the_end_of_the_block_is_found_when_it_is_freed() {
        for size in [0, 1, 40, 64] {
            for at in size..96 {
                let mut memory = region();
                let mut heap = guarded(&mut memory);
                let block = heap.allocate(layout(size, 1)).unwrap();
                let end = Heap::usable_bytes(&heap, block).unwrap();
                if at >= end {
                    break;
                }
                damage(block, at);
                let Err(FreeError::Overrun { at_bytes }) = free(&mut heap, block) else {
                    panic!("byte {at} of {size}");
                };
                assert!(at_bytes == at || at_bytes == end - 2 * size_of::<usize>(), "{at_bytes} for {at}");
            }
        }
    }

    #[test]
    fn with_zeros_is_found_and_one_with_the_canary_itself_cannot_be() {
        let mut memory = region();
        let mut heap = guarded(&mut memory);
        let block = heap.allocate(layout(5, 1)).unwrap();
        // SAFETY: inside the region.
        unsafe { block.add(5).write(CANARY) };
        assert_eq!(heap.check(block), Ok(()));
        // SAFETY: inside the region.
        unsafe { block.add(5).write(0) };
        assert_eq!(heap.check(block), Err(FreeError::Overrun { at_bytes: 5 }));
    }

    #[test]
    fn leaves_the_block_live_and_is_reported_as_a_value() {
        let mut memory = region();
        let mut heap = guarded(&mut memory);
        let block = heap.allocate(layout(40, 1)).unwrap();
        damage(block, 43);
        assert_eq!(free(&mut heap, block), Err(FreeError::Overrun { at_bytes: 43 }));
        assert_eq!(heap.live_blocks(), 1);
        let found = Damage {
            harm: Harm::Overrun { requested_bytes: Some(40) },
            block_addr: block.as_ptr().addr(),
            at_bytes: 43,
        };
        assert_eq!((heap.damage(), heap.damages()), (Some(found), 1));
        assert!(found.to_string().starts_with("byte 43 of the block at 0x"), "{found}");
        // Repaired, it can be freed: nothing had changed.
        damage(block, 43);
        assert_eq!(free(&mut heap, block), Ok(()));
    }

    #[test]
    fn is_remembered_if_it_was_the_first_and_counted_every_time() {
        let mut memory = region();
        let mut heap = guarded(&mut memory);
        let blocks = [40, 41].map(|size| heap.allocate(layout(size, 1)).unwrap());
        for block in blocks {
            damage(block, 45);
            assert_eq!(free(&mut heap, block), Err(FreeError::Overrun { at_bytes: 45 }));
        }
        assert_eq!(heap.damage().unwrap().block_addr, blocks[0].as_ptr().addr());
        assert_eq!(heap.damages(), 2);
    }

    #[test]
    fn is_found_by_every_operation_on_the_block() {
        let mut memory = region();
        let mut heap = guarded(&mut memory);
        let block = heap.allocate(layout(40, 1)).unwrap();
        damage(block, 40);
        let overrun = FreeError::Overrun { at_bytes: 40 };
        assert_eq!(heap.check(block), Err(overrun));
        assert_eq!(heap.usable_bytes(block), Err(overrun));
        assert_eq!(reallocate(&mut heap, block, layout(40, 1), 41), Err(ResizeError::Block(overrun)));
        // SAFETY: nothing uses the block after this.
        assert_eq!(unsafe { heap.free_layout(block, layout(40, 1)) }, Err(overrun));
    }

    #[test]
    fn past_a_size_that_was_grown_or_shrunk_in_place_is_found() {
        let mut memory = region();
        let mut heap = guarded(&mut memory);
        for new in [0, 3, 9, 16] {
            let block = heap.allocate(layout(8, 1)).unwrap();
            assert_eq!(reallocate(&mut heap, block, layout(8, 1), new), Ok(block));
            assert_eq!(heap.usable_bytes(block), Ok(new));
            damage(block, new);
            assert_eq!(heap.check(block), Err(FreeError::Overrun { at_bytes: new }));
            damage(block, new);
            assert_eq!(free(&mut heap, block), Ok(()));
        }
    }

    #[test]
    fn of_a_block_that_another_thread_freed_is_found_when_it_is_handed_out_again() {
        let mut memory = region();
        let mut heap = guarded(&mut memory);
        let block = heap.allocate(layout(40, 1)).unwrap();
        damage(block, 40);
        // SAFETY: nothing uses the block after this.
        assert_eq!(unsafe { heap.remote().free(block) }, Ok(()));
        assert_eq!(heap.adopt_remote_frees(1), 1);
        while heap.allocate(layout(64, 1)).is_ok() {}
        let harm = Harm::Overrun { requested_bytes: Some(40) };
        assert_eq!(heap.damage(), Some(Damage { harm, block_addr: block.as_ptr().addr(), at_bytes: 40 }));
        assert_eq!(heap.damages(), 1);
    }
}

// AddressSanitizer ends the program at the damage that these do.
#[cfg(not(asan))]
mod a_write_to_a_free_block {
    use super::*;

    #[test]
    fn at_any_byte_is_found_when_the_block_is_handed_out_again() {
        for at in (0..80).step_by(if cfg!(miri) { 13 } else { 1 }) {
            let mut memory = region();
            let mut heap = guarded(&mut memory);
            let block = heap.allocate(layout(40, 1)).unwrap();
            assert_eq!(free(&mut heap, block), Ok(()));
            damage(block, at);
            while heap.allocate(layout(40, 1)).is_ok() {}
            let found = heap.damage().unwrap_or_else(|| panic!("byte {at}"));
            assert_eq!((found.harm, found.block_addr), (Harm::WriteToFree, block.as_ptr().addr()));
            assert!(found.at_bytes <= at || found.at_bytes == 64, "{} for {at}", found.at_bytes);
            assert_eq!(heap.damages(), 1);
        }
    }

    #[test]
    fn that_was_never_allocated_is_found_too() {
        let mut memory = region();
        let mut heap = guarded(&mut memory);
        let first = heap.allocate(layout(64, 1)).unwrap();
        let second = heap.allocate(layout(64, 1)).unwrap();
        let next = second.as_ptr().addr() - first.as_ptr().addr() + second.as_ptr().addr();
        damage(first, next - first.as_ptr().addr() + 11);
        let third = heap.allocate(layout(64, 1)).unwrap();
        assert_eq!(third.as_ptr().addr(), next);
        assert_eq!(heap.damage(), Some(Damage { harm: Harm::WriteToFree, block_addr: next, at_bytes: 11 }));
    }

    #[test]
    fn is_noted_once_and_the_block_serves_again() {
        let mut memory = region();
        let mut heap = guarded(&mut memory);
        let block = heap.allocate(layout(4096, 1)).unwrap();
        assert_eq!(free(&mut heap, block), Ok(()));
        assert!(contents(block, 4096).iter().all(|&byte| byte == FREED));
        damage(block, 100);
        for _ in 0..3 {
            assert_eq!(heap.allocate(layout(4096, 1)), Ok(block));
            assert_eq!(heap.check(block), Ok(()));
            assert_eq!(free(&mut heap, block), Ok(()));
        }
        assert_eq!(heap.damages(), 1);
    }
}

mod bad_input {
    use super::*;

    #[test]
    fn is_refused_as_by_the_heap_underneath() {
        let mut memory = region();
        let mut heap = guarded(&mut memory);
        let block = heap.allocate(layout(40, 1)).unwrap();
        let mut elsewhere = 0_u64;
        let inside = |bytes: usize| NonNull::new(block.as_ptr().wrapping_add(bytes)).unwrap();
        assert_eq!(free(&mut heap, NonNull::from(&mut elsewhere).cast()), Err(FreeError::Foreign));
        assert_eq!(free(&mut heap, NonNull::dangling()), Err(FreeError::Foreign));
        assert_eq!(free(&mut heap, inside(16)), Err(FreeError::Interior));
        assert_eq!(free(&mut heap, inside(1)), Err(FreeError::Misaligned));
        assert_eq!(free(&mut heap, block), Ok(()));
        assert_eq!(free(&mut heap, block), Err(FreeError::DoubleFree));
        assert_eq!(heap.check(block), Err(FreeError::DoubleFree));
        assert_eq!(heap.damages(), 0);
    }

    #[test]
    fn sizes_that_do_not_fit_are_unsupported_as_they_were_asked_for() {
        let mut memory = region();
        let mut heap = guarded(&mut memory);
        let largest = isize::MAX as usize;
        for (size, align) in [(largest, 1), (largest - 15, 16), (largest - 23, 1), (1 << 28, 1), (16, 8192)] {
            let refused = heap.allocate(layout(size, align)).unwrap_err();
            assert_eq!(refused, AllocError::Unsupported { size_bytes: size, align_bytes: align });
        }
        let block = heap.allocate(layout(16, 1)).unwrap();
        for new in [usize::MAX, usize::MAX - 24, largest, largest - 24] {
            let refused = reallocate(&mut heap, block, layout(16, 1), new).unwrap_err();
            let unsupported = AllocError::Unsupported { size_bytes: new, align_bytes: 1 };
            assert_eq!(refused, ResizeError::Memory(unsupported));
        }
        assert_eq!(free(&mut heap, block), Ok(()));
        assert!(heap.allocate_array::<u64>(usize::MAX).is_err());
    }
}

mod configurations {
    use super::*;

    fn refused_with_guards(config: &Config, demand: &[Layout]) -> usize {
        let with_guards = config.with_guards();
        let mut memory = vec![MaybeUninit::uninit(); with_guards.bytes_needed()];
        let mut heap = Guarded::<Heap>::new(&mut memory, &with_guards).unwrap();
        demand.iter().filter(|&&layout| heap.allocate(layout).is_err()).count()
    }

    #[test]
    fn with_guards_every_pool_still_holds_what_it_did() {
        for class in (0..CLASSES).filter(|class| class_bytes(*class) <= 2 * MAX_ALIGN_BYTES) {
            let bytes = class_bytes(class);
            let config = Config::new(&[PoolConfig::new(bytes, 2)]).unwrap();
            let natural = layout(bytes, (1 << bytes.trailing_zeros()).min(MAX_ALIGN_BYTES));
            assert_eq!(refused_with_guards(&config, &[natural, natural]), 0, "{bytes}");
        }
    }

    #[test]
    fn with_guards_the_closest_neighbours_hold_together_what_they_did() {
        for class in (0..CLASSES - 1).filter(|class| class_bytes(*class) <= 2 * MAX_ALIGN_BYTES) {
            let (small, large) = (class_bytes(class), class_bytes(class + 1));
            let config = Config::new(&[PoolConfig::new(small, 2), PoolConfig::new(large, 2)]).unwrap();
            let (small, large) = (layout(small, 1), layout(large, 1));
            for demand in [[small, small, large, large], [large, large, small, small]] {
                assert_eq!(refused_with_guards(&config, &demand), 0, "{demand:?}");
            }
        }
    }

    #[test]
    fn with_guards_the_answer_to_a_dry_pool_stays() {
        let never = CONFIG.with_borrow(Borrow::Never);
        assert_eq!(never.with_guards().borrow(), Borrow::Never);
        assert_eq!(CONFIG.with_guards().borrow(), Borrow::Larger);
    }

    #[test]
    fn that_cannot_grow_stay_as_they_are() {
        let largest = Config::new(&[PoolConfig::new(MAX_BLOCK_BYTES, 1)]).unwrap();
        assert_eq!(largest.with_guards(), largest);
    }

    #[test]
    fn debug_guards_are_there_in_debug_builds_and_only_there() {
        const DEBUG: Config = CONFIG.with_debug_guards();
        let mut memory = vec![MaybeUninit::uninit(); DEBUG.bytes_needed()];
        let mut heap = DebugGuarded::<Heap>::new(&mut memory, &DEBUG).unwrap();
        let block = heap.allocate(layout(40, 1)).unwrap();
        let usable = heap.usable_bytes(block).unwrap();
        assert_eq!(usable == 40, cfg!(debug_assertions));
        assert_eq!(DEBUG == CONFIG, cfg!(not(debug_assertions)));
    }
}
