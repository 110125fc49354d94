//! Constant time, counted: the instructions of allocate and free do not depend on history, on the number of pools, on
//! the number of live blocks or on the size that is asked for. Counted exactly, by stepping.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use core::{alloc::Layout, hint::black_box, mem::MaybeUninit, ptr::NonNull};
use detalloc::{Allocate, Borrow, Config, Heap, PoolConfig, class::class_bytes};
use std::collections::BTreeSet;

/// Stepping makes some 10^5 instructions a second, so this is what seconds allow.
const COUNTED: usize = 400;

/// How many instructions allocations and frees took.
struct Costs {
    allocate: BTreeSet<u64>,
    free: BTreeSet<u64>,
}

/// A seeded history of `COUNTED` operations on `config`, stepped through after `before` operations at full speed.
fn costs(config: &Config, before: usize) -> Costs {
    let mut region = vec![MaybeUninit::uninit(); config.bytes_needed()];
    let mut heap = Heap::new(&mut region, config).unwrap();
    let largest = config.pools().last().unwrap().block_bytes;
    let mut live: Vec<NonNull<u8>> = Vec::with_capacity(4096);
    let mut state = 0x5EED_u64;
    let mut random = move |limit: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % limit
    };
    // Which of the counted operations were allocations that succeeded, and which were frees.
    let mut kinds = Vec::with_capacity(COUNTED);
    let mut operation = |counted: Option<&mut step_count::Stepper>| {
        let run = |stepper: Option<&mut step_count::Stepper>, work: &mut dyn FnMut()| match stepper {
            Some(stepper) => stepper.step(work),
            None => work(),
        };
        if live.len() < 40 || random(2) == 0 {
            let layout = Layout::from_size_align(1 + random(largest), 1 << random(5)).unwrap();
            let mut result = None;
            run(counted, &mut || result = heap.allocate(black_box(layout)).ok());
            live.extend(result);
            result.map(|_| true)
        } else {
            let block = live.swap_remove(random(live.len()));
            // SAFETY: the block is live, and not used afterwards.
            run(counted, &mut || unsafe { heap.free(black_box(block)) }.unwrap());
            Some(false)
        }
    };
    for _ in 0..before {
        operation(None);
    }
    // The child's knowledge of what it did is lost with it, so the parent repeats the same history afterwards.
    let counts = step_count::count(|stepper| {
        for _ in 0..COUNTED {
            operation(Some(stepper));
        }
    })
    .unwrap();
    kinds.extend((0..COUNTED).map(|_| operation(None)));
    let of = |kind: bool| {
        counts.iter().zip(&kinds).filter(|(_, k)| **k == Some(kind)).map(|(count, _)| *count).collect()
    };
    Costs { allocate: of(true), free: of(false) }
}

fn config(pools: usize, blocks: usize) -> Config {
    let pools: Vec<_> = (0..pools).map(|class| PoolConfig::new(class_bytes(class), blocks)).collect();
    Config::new(&pools).unwrap().with_borrow(Borrow::Never)
}

#[test]
fn every_allocation_costs_the_same_and_every_free_does() {
    let reference = costs(&config(8, 1000), 0);
    assert_eq!((reference.allocate.len(), reference.free.len()), (1, 1), "one count each");
    println!(
        "allocate: {:?} instructions, free: {:?}, the calling closure included",
        reference.allocate, reference.free
    );
    for (pools, blocks, before) in [(8, 1000, 100_000), (1, 3000, 0), (60, 70, 0), (40, 4096, 1_000_000)] {
        let costs = costs(&config(pools, blocks), before);
        assert_eq!(
            costs.allocate, reference.allocate,
            "{pools} pools of {blocks}, after {before} operations"
        );
        assert_eq!(costs.free, reference.free, "{pools} pools of {blocks}, after {before} operations");
    }
}

#[test]
fn a_third_level_adds_the_same_to_every_operation() {
    let deep = costs(&config(3, 4097), 50_000);
    assert_eq!((deep.allocate.len(), deep.free.len()), (1, 1));
}
