//! What an allocation and its free cost, beside the system heap: `cargo bench -p detalloc-benches --bench operations`.
#![allow(missing_docs, reason = "criterion's macros make items of their own")]

use core::{alloc::Layout, hint::black_box, mem::MaybeUninit, ptr::NonNull};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use detalloc::{Allocate, Heap};
use detalloc_audio::{AudioBudget, RtHeap};
use detalloc_benches::{config_for, grain_sizes};

/// One block at a time: the best case of every allocator.
fn pair(c: &mut Criterion) {
    let mut group = c.benchmark_group("one block of 64 bytes, allocated and freed");
    let layout = Layout::from_size_align(64, 16).expect("a valid layout");

    let config = config_for(&[64; 256]);
    let mut region = vec![MaybeUninit::uninit(); config.bytes_needed()];
    let mut heap = Heap::new(&mut region, &config).expect("the region has the size it needs");
    group.bench_function("detalloc", |b| {
        b.iter(|| {
            let block = heap.allocate(black_box(layout)).expect("one of 256 blocks");
            // SAFETY: just allocated, and not used afterwards.
            unsafe { heap.free(black_box(block)) }
        });
    });
    let mut rt_heap = RtHeap::new();
    let budget = AudioBudget::new(48_000.0, 64).objects::<[u64; 8]>(256);
    rt_heap.reconfigure(&budget).expect("a small budget");
    group.bench_function("detalloc-audio, RtBox in a callback", |b| {
        rt_heap.enter(|rt| b.iter(|| rt.boxed(black_box([0_u64; 8])).is_ok()));
    });
    group.bench_function("detalloc-audio, an empty callback", |b| {
        b.iter(|| rt_heap.enter(|rt| black_box(rt).vec::<u8>(usize::MAX).is_err()));
    });
    group.bench_function("system", |b| {
        // SAFETY: the layout is not empty, and the block is freed with the layout it was allocated with.
        b.iter(|| unsafe { std::alloc::dealloc(black_box(std::alloc::alloc(black_box(layout))), layout) });
    });
    group.finish();
}

/// A thousand blocks of the sizes of grains, then all of them back: what a dense cloud does.
fn cloud(c: &mut Criterion) {
    const GRAINS: usize = 1000;
    let sizes = grain_sizes(GRAINS);
    let layout = |size: usize| Layout::from_size_align(size, 16).expect("a valid layout");
    let mut group = c.benchmark_group("1000 blocks of 64 B to 16 KiB, allocated and freed");
    group.throughput(Throughput::Elements(u64::try_from(GRAINS).unwrap_or(0)));

    let config = config_for(&sizes);
    let mut region = vec![MaybeUninit::uninit(); config.bytes_needed()];
    let mut heap = Heap::new(&mut region, &config).expect("the region has the size it needs");
    let room = || Vec::<NonNull<u8>>::with_capacity(GRAINS);
    group.bench_function("detalloc", |b| {
        b.iter_batched_ref(
            room,
            |blocks| {
                blocks.extend(sizes.iter().filter_map(|&size| heap.allocate(layout(size)).ok()));
                // SAFETY: each was just allocated, is freed once, and is not used afterwards.
                blocks.drain(..).for_each(|block| unsafe { heap.free(block) }.expect("a live block"));
            },
            BatchSize::SmallInput,
        );
    });
    group.bench_function("system", |b| {
        b.iter_batched_ref(
            room,
            |blocks| {
                // SAFETY: no layout is empty, and each block is freed with the layout it was allocated with.
                unsafe {
                    blocks.extend(
                        sizes.iter().filter_map(|&size| NonNull::new(std::alloc::alloc(layout(size)))),
                    );
                    blocks.drain(..).zip(&sizes).for_each(|(block, &size)| {
                        std::alloc::dealloc(block.as_ptr(), layout(size));
                    });
                }
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(benches, pair, cloud);
criterion_main!(benches);
