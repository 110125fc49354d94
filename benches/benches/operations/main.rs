//! What allocations and frees cost in time, ours beside rivals: `cargo bench -p detalloc-benches --bench operations`, with
//! `--features c-rivals` for those in C and C++ too, and `-- --quick` for a first look.
//!
//! First the denoised latencies of single operations, then the throughput of a thousand blocks, then every single operation of
//! core and integration, each beside its peers. `cargo xtask bench` puts all of this on a page.
#![allow(missing_docs, reason = "criterion's macros make items of their own")]

#[cfg(target_arch = "x86_64")]
mod denoised;

use core::{alloc::Layout, ptr};
use criterion::{BatchSize, Criterion, Throughput, criterion_group};
use detalloc_benches::{
    allocators::{ALL, Room},
    cases,
    replay::Request,
    traces::{Demand, Operation, Random, grain_bytes, layout},
};
use std::time::{Duration, Instant};

/// One operation at a time. Where each has to be prepared, reading the clock twice is in it.
fn single(c: &mut Criterion) {
    for mut case in cases::all() {
        let name = format!("{}, {}", case.operation, case.engine);
        case.measure(&mut |repeated| {
            c.bench_function(&name, |b| {
                if repeated.needs_preparing() {
                    b.iter_custom(|times| {
                        let mut took = Duration::ZERO;
                        for _ in 0..times {
                            repeated.prepare();
                            let start = Instant::now();
                            repeated.run();
                            took += start.elapsed();
                        }
                        took
                    });
                } else {
                    b.iter(|| repeated.run());
                }
            });
        });
    }
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

criterion_group!(benches, cloud, single);

fn main() {
    let has = |wanted: &str| std::env::args().any(|argument| argument == wanted);
    #[cfg(target_arch = "x86_64")]
    if !has("--list") && !has("--test") {
        denoised::print(if has("--quick") { 20 } else { 100 });
    }
    benches();
    Criterion::default().configure_from_args().final_summary();
}
