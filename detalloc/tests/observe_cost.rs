//! What observers cost, counted in instructions by stepping: nobody watching costs nothing, and a recorder
//! never costs more the longer it records.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use core::{alloc::Layout, hint::black_box, mem::MaybeUninit};
use detalloc::{Allocate, Config, Heap, Observed, PoolConfig, trace::Recorder};
use step_count::Stepper;

const CONFIG: Config = Config::constant(&[PoolConfig::new(64, 64), PoolConfig::new(1024, 64)]);

/// The instructions of an allocation and of its free, 20 times, after as many pairs as `before` says.
fn costs<H: Allocate>(layer: impl FnOnce(Heap<'static>) -> H, before: usize) -> Vec<u64> {
    #[inline(never)]
    fn pair(heap: &mut impl Allocate, layout: Layout) {
        if let Ok(block) = heap.allocate(layout) {
            // SAFETY: the block is live, and not used afterwards.
            _ = unsafe { heap.free(block) };
        }
    }
    let region = Box::leak(vec![MaybeUninit::uninit(); CONFIG.bytes_needed()].into_boxed_slice());
    let mut heap = layer(Heap::new(region, &CONFIG).unwrap());
    let layout = Layout::new::<[u64; 7]>();
    for _ in 0..before {
        pair(&mut heap, layout);
    }
    let mut stepper = Stepper::new().unwrap();
    (0..20).map(|_| stepper.step(|| pair(black_box(&mut heap), black_box(layout))).1).collect()
}

/// A heap that is recorded into so much memory.
fn recorded<'h>(bytes: usize) -> impl FnOnce(Heap<'h>) -> Observed<Heap<'h>, Recorder<'static>> {
    let memory = Box::leak(vec![0; bytes].into_boxed_slice());
    move |heap| Observed::new(heap, Recorder::new(memory).unwrap())
}

#[test]
#[cfg_attr(miri, ignore = "there are no instructions to count")]
fn a_heap_that_nobody_watches_costs_what_the_heap_alone_costs() {
    assert_eq!(costs(|heap| Observed::new(heap, ()), 0), costs(|heap| heap, 0));
}

#[test]
#[cfg_attr(miri, ignore = "there are no instructions to count")]
fn recording_costs_the_same_after_a_hundred_thousand_records() {
    let at_first = costs(recorded(2_000_000), 0);
    assert!(at_first.iter().all(|count| *count == at_first[0]), "{at_first:?}");
    assert_eq!(costs(recorded(2_000_000), 50_000), at_first);
}

#[test]
#[cfg_attr(miri, ignore = "there are no instructions to count")]
fn recording_costs_less_when_the_memory_is_full() {
    assert!(costs(recorded(1000), 1000)[0] < costs(recorded(1000), 0)[0]);
}
