//! What allocations and frees cost in time, ours beside rivals: `cargo bench -p detalloc-benches --bench operations`, with
//! `--features c-rivals` for those in C and C++ too, and `-- --quick` for a first look.
//!
//! First the denoised latencies of single operations, then the throughput of a pair and of a thousand.
#![allow(missing_docs, reason = "criterion's macros make items of their own")]

#[cfg(target_arch = "x86_64")]
mod denoised;

use core::{alloc::Layout, hint::black_box, ptr};
use criterion::{BatchSize, Criterion, Throughput, criterion_group};
use detalloc_audio::{AudioBudget, RtHeap};
use detalloc_benches::{
    allocators::{ALL, Room},
    replay::Request,
    traces::{Demand, Operation, Random, grain_bytes, layout},
};

/// One block at a time: the best case of every allocator.
fn pair(c: &mut Criterion) {
    let mut group = c.benchmark_group("one block of 64 bytes, allocated and freed");
    let (layout, room) = (layout(64), room(&[64; 256]));
    for (name, build) in ALL {
        let mut subject = build(&room);
        let calls = subject.calls(layout);
        let allocate = Request { calls, block: ptr::null_mut(), layout };
        group.bench_function(*name, |b| {
            b.iter(|| {
                // SAFETY: the subject is there, and frees what it just allocated.
                unsafe {
                    let block = black_box(allocate).perform();
                    black_box(Request { block, ..allocate }).perform()
                }
            });
        });
    }
    let mut rt_heap = RtHeap::new();
    let budget = AudioBudget::new(48_000.0, 64).objects::<[u64; 8]>(256);
    rt_heap.reconfigure(&budget).expect("a small budget");
    group.bench_function("detalloc-audio, RtBox in a callback", |b| {
        rt_heap.enter(|rt| b.iter(|| rt.boxed(black_box([0_u64; 8])).is_ok()));
    });
    group.bench_function("detalloc-audio, an empty callback", |b| {
        b.iter(|| rt_heap.enter(|rt| black_box(rt).vec::<u8>(usize::MAX).is_err()));
    });
    group.finish();
}

/// A thousand blocks of the sizes of grains, then all of them back: what a dense cloud does.
fn cloud(c: &mut Criterion) {
    const GRAINS: usize = 1000;
    let mut random = Random::new();
    let sizes: Vec<usize> = (0..GRAINS).map(|_| grain_bytes(&mut random)).collect();
    let room = room(&sizes);
    let mut group = c.benchmark_group("1000 blocks of 64 B to 16 KiB, allocated and freed");
    group.throughput(Throughput::Elements(u64::try_from(GRAINS).unwrap_or(0)));
    for (name, build) in ALL {
        let mut subject = build(&room);
        let mut request = |&size: &usize| {
            let layout: Layout = layout(size);
            Request { calls: subject.calls(layout), block: ptr::null_mut(), layout }
        };
        let requests: Vec<_> = sizes.iter().map(&mut request).collect();
        group.bench_function(*name, |b| {
            b.iter_batched_ref(
                || requests.clone(),
                |requests| {
                    // SAFETY: the subject is there, and frees what it just allocated.
                    unsafe {
                        requests.iter_mut().for_each(|request| request.block = request.perform());
                        requests.iter().for_each(|request| _ = request.perform());
                    }
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

/// Room for blocks of all of these sizes at once.
fn room(sizes: &[usize]) -> Room {
    let allocate = |(slot, &size)| Operation::Allocate { slot, layout: layout(size) };
    Room::ample(&Demand::of(sizes.iter().enumerate().map(allocate)))
}

criterion_group!(benches, pair, cloud);

fn main() {
    let has = |wanted: &str| std::env::args().any(|argument| argument == wanted);
    #[cfg(target_arch = "x86_64")]
    if !has("--list") && !has("--test") {
        denoised::print(if has("--quick") { 20 } else { 100 });
    }
    benches();
    Criterion::default().configure_from_args().final_summary();
}
