//! A callback of 64 allocations after 64 blocks were freed by so many other threads; by the owner itself where there is none.

use super::Point;
use crate::Line;
use core::{alloc::Layout, ptr};
use detalloc_audio::{AudioBudget, RtHeap};
use detalloc_benches::{
    allocators::{ALL, Room},
    replay::Request,
    traces::{Demand, Operation, layout},
};
use std::{error::Error, thread};
use step_count::Stepper;

/// How many blocks are freed, and then allocated.
const BLOCKS: usize = 64;

/// Samples in a block.
const SAMPLES: usize = 256;

/// How often that is counted.
const CALLBACKS: usize = 20;

/// The most threads.
const THREADS: usize = 8;

pub(super) fn print(stepper: &mut Stepper) -> Result<(), Box<dyn Error>> {
    for threads in 0..=THREADS {
        let show = |engine, counts: Vec<u64>| {
            Line::Growth(Point {
                axis: "threads",
                x: threads,
                engine,
                operation: "callback",
                instructions: counts.iter().max().copied().unwrap_or(0),
                fewest: counts.iter().min().copied().unwrap_or(0),
                instance: None,
            })
            .print()
        };
        let mut heap = heap()?;
        let handles =
            |live: &mut Vec<_>| heap.enter(|rt| live.extend((0..BLOCKS).map(|_| rt.vec::<f32>(SAMPLES))));
        show("detalloc", rounds(threads, stepper, handles, Result::is_ok))?;
        let mut heap = self::heap()?;
        let vectors = |live: &mut Vec<_>| {
            heap.enter(|_| live.extend((0..BLOCKS).map(|_| Vec::<f32>::with_capacity(SAMPLES))));
        };
        show("detalloc-routed", rounds(threads, stepper, vectors, |vector| vector.capacity() > 0))?;
        for (engine, name) in [("system", "glibc"), ("mimalloc", "mimalloc"), ("jemalloc", "jemalloc")] {
            let Some((_, build)) = ALL.iter().find(|(known, _)| *known == name) else { continue };
            let layout = layout(SAMPLES * size_of::<f32>());
            let mut subject = build(&room(layout));
            let request = Request { calls: subject.calls(layout), block: ptr::null_mut(), layout };
            let block = || {
                // SAFETY: these heaps are always there.
                let block = unsafe { request.perform() };
                Owned(Request { block, ..request })
            };
            let blocks = |live: &mut Vec<_>| live.extend((0..BLOCKS).map(|_| block()));
            show(engine, rounds(threads, stepper, blocks, |block| !block.0.block.is_null()))?;
        }
    }
    Ok(())
}

/// What each callback takes. It puts its blocks where there is room for them: a copy of all of them would be one of the
/// system's, which takes another number of instructions on another processor.
fn rounds<T: Send>(
    threads: usize,
    stepper: &mut Stepper,
    mut callback: impl FnMut(&mut Vec<T>),
    is_served: impl Fn(&T) -> bool,
) -> Vec<u64> {
    let mut counts = Vec::with_capacity(CALLBACKS);
    let mut live = Vec::with_capacity(BLOCKS);
    callback(&mut live);
    for _ in 0..CALLBACKS {
        thread::scope(|scope| {
            let mut freeing = Vec::with_capacity(threads);
            for left in (1..=threads).rev() {
                let share: Vec<T> = live.drain(live.len() - live.len() / left..).collect();
                freeing.push(scope.spawn(|| drop(share)));
            }
            // A scope does not wait until they have ended, and one that ends frees: it would meet the stepper's breakpoint
            // under the lock that the callback waits for.
            for thread in freeing {
                thread.join().expect("dropping does not panic");
            }
        });
        // What is left is the owner's to free.
        live.clear();
        let ((), count) = stepper.step(|| callback(&mut live));
        assert!(live.iter().all(&is_served), "a request that is refused takes another number");
        counts.push(count);
    }
    counts
}

fn heap() -> Result<RtHeap, Box<dyn Error>> {
    let mut heap = RtHeap::reaped_by_task();
    heap.reconfigure(&AudioBudget::new(48_000.0, 64).slices::<f32>(SAMPLES, BLOCKS))?;
    Ok(heap)
}

fn room(layout: Layout) -> Room {
    Room::ample(&Demand::of([Operation::Allocate { slot: 0, layout }].into_iter()))
}

/// A block of a heap of the whole process, by the request that will free it.
struct Owned(Request);

// SAFETY: the block is this one's alone, and any thread may free it.
unsafe impl Send for Owned {}

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: these heaps are always there, and the block is live until now.
        unsafe { self.0.perform() };
    }
}
