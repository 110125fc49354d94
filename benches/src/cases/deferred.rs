//! Drops that happen elsewhere, frees on other threads, and large objects that are replaced.

use super::{Case, On, Plain};
use basedrop::{Collector, Owned, Shared, SharedCell};
use core::{cell::RefCell, hint::black_box};
use detalloc_audio::{AudioBudget, Foreign, Publish, ReapTask, RtHeap};
use std::sync::Arc;

/// A value that needs its destructor.
struct Owner(#[expect(dead_code, reason = "its drop is what counts")] Arc<u64>);

const DROP: &str = "drop a value with a destructor";
const READ: &str = "read what another thread publishes";

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new(DROP, "detalloc-audio", |measure| {
            let heap = RefCell::new(heap());
            // Each in a callback of its own, which is measured too: between two of them the reaper's work is done.
            let make = || {
                ReapTask.run();
                heap.borrow_mut().enter(|rt| rt.boxed(Owner(Arc::new(1))).ok())
            };
            measure(&mut On::new(make, |owner| heap.borrow_mut().enter(|_| drop(black_box(owner)))));
        }),
        Case::new(DROP, "detalloc-audio, foreign", |measure| {
            let heap = RefCell::new(heap());
            let make = || {
                ReapTask.run();
                Foreign::new(Arc::new(1_u64))
            };
            measure(&mut On::new(make, |value| heap.borrow_mut().enter(|_| drop(black_box(value)))));
        }),
        Case::new(DROP, "basedrop", |measure| {
            let mut collector = Collector::new();
            let handle = collector.handle();
            let make = || {
                collector.collect();
                Owned::new(&handle, Owner(Arc::new(1)))
            };
            measure(&mut On::new(make, |owner| drop(black_box(owner))));
            collector.collect();
        }),
        Case::new("free a block on another thread", "detalloc-audio", |measure| {
            // Outside of callbacks every thread is another one.
            let mut heap = heap();
            measure(&mut On::new(
                || heap.enter(|rt| rt.boxed([0_u64; 8]).ok()),
                |block| drop(black_box(block)),
            ));
        }),
        Case::new(READ, "detalloc-audio", |measure| {
            let published = Publish::new([0_u64; 8]).expect("the reaper's thread");
            let reader = published.reader();
            measure(&mut Plain(|| drop(black_box(reader.read()))));
        }),
        Case::new(READ, "basedrop", |measure| {
            let collector = Collector::new();
            let cell = SharedCell::new(Shared::new(&collector.handle(), [0_u64; 8]));
            measure(&mut Plain(|| drop(black_box(cell.get()))));
        }),
    ]
}

fn heap() -> RtHeap {
    let mut heap = RtHeap::reaped_by_task();
    let budget = AudioBudget::new(48_000.0, 64).objects::<[u64; 8]>(64).objects::<Owner>(64);
    heap.reconfigure(&budget).expect("a small budget");
    heap
}
