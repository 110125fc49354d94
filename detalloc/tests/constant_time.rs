//! Constant time, counted: the instructions of allocate and free do not depend on history, on the number of pools, on
//! the number of live blocks or on the size that is asked for. Counted exactly, by stepping.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use core::{alloc::Layout, mem::MaybeUninit, ptr, ptr::NonNull};
use detalloc::{Allocate, Borrow, Config, Heap, PoolConfig, class::class_bytes};
use std::collections::BTreeSet;
use step_count::Stepper;

/// How many operations are counted in a row.
const COUNTED: usize = 2000;

/// How many instructions allocations and frees took.
#[derive(Debug, Default, PartialEq)]
struct Costs {
    allocate: BTreeSet<u64>,
    free: BTreeSet<u64>,
}

/// # Safety
/// The heap is one, and the alignment a power of two.
#[inline(never)]
unsafe extern "C-unwind" fn allocate(heap: *mut (), _: *mut u8, size: usize, align: usize) -> *mut u8 {
    // SAFETY: the caller's promise.
    let (heap, layout) =
        unsafe { (&mut *heap.cast::<Heap>(), Layout::from_size_align_unchecked(size, align)) };
    heap.allocate(layout).map_or(ptr::null_mut(), NonNull::as_ptr)
}

/// # Safety
/// The heap is one, and the block is live.
#[inline(never)]
unsafe extern "C-unwind" fn free(heap: *mut (), block: *mut u8, _: usize, _: usize) {
    // SAFETY: the caller's promise.
    _ = unsafe { (*heap.cast::<Heap>()).free(NonNull::new_unchecked(block)) };
}

/// A seeded history on `config`: `before` operations at full speed, and then `COUNTED` that are counted.
fn costs(config: &Config, before: usize) -> Costs {
    let mut region = vec![MaybeUninit::uninit(); config.bytes_needed()];
    let mut heap = Heap::new(&mut region, config).unwrap();
    let largest = config.pools().last().unwrap().block_bytes;
    let mut live: Vec<*mut u8> = Vec::new();
    let mut state = 0x5EED_u64;
    let mut random = move |limit: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % limit
    };
    let mut costs = Costs::default();
    let mut stepper = Stepper::new().unwrap();
    let heap = (&raw mut heap).cast();
    for operation in 0..before + COUNTED {
        let counted = operation >= before;
        if live.len() < 40 || random(2) == 0 {
            let (size, align) = (1 + random(largest), 1 << random(5));
            // SAFETY: the heap, and a power of two.
            let (block, cost) = unsafe {
                match counted {
                    true => stepper.call(allocate, heap, ptr::null_mut(), size, align),
                    false => (allocate(heap, ptr::null_mut(), size, align), 0),
                }
            };
            if !block.is_null() {
                live.push(block);
                costs.allocate.extend(counted.then_some(cost));
            }
        } else {
            let block = live.swap_remove(random(live.len()));
            // SAFETY: the heap, and a block that is live and not used afterwards.
            unsafe {
                if counted {
                    costs.free.insert(stepper.call(free, heap, block, 0, 0).1);
                } else {
                    free(heap, block, 0, 0);
                }
            }
        }
    }
    costs
}

fn config(pools: usize, blocks: usize) -> Config {
    let pools: Vec<_> = (0..pools).map(|class| PoolConfig::new(class_bytes(class), blocks)).collect();
    Config::new(&pools).unwrap().with_borrow(Borrow::Never)
}

#[test]
#[cfg_attr(miri, ignore = "there are no instructions to count")]
fn every_allocation_costs_the_same_and_every_free_does() {
    let reference = costs(&config(8, 1000), 0);
    assert_eq!((reference.allocate.len(), reference.free.len()), (1, 1), "one count each: {reference:?}");
    for (pools, blocks, before) in [(8, 1000, 100_000), (1, 3000, 0), (60, 70, 0), (40, 4096, 1_000_000)] {
        let costs = costs(&config(pools, blocks), before);
        assert_eq!(costs, reference, "{pools} pools of {blocks}, after {before} operations");
    }
}

#[test]
#[cfg_attr(miri, ignore = "there are no instructions to count")]
fn a_pool_of_another_depth_costs_the_same_at_every_operation() {
    for blocks in [4097, 300_000] {
        let deep = costs(&config(3, blocks), 50_000);
        assert_eq!((deep.allocate.len(), deep.free.len()), (1, 1), "{blocks}: {deep:?}");
    }
}
