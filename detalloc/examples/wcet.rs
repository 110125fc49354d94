//! How long every operation took, in the heap's own report: `cargo run --release -p detalloc --example wcet`.

use core::{alloc::Layout, mem::MaybeUninit};
use detalloc::{Allocate, Clock, Config, Heap, Observed, PoolConfig, Wcet, debug_print};

const CONFIG: Config =
    Config::constant(&[PoolConfig::new(64, 512), PoolConfig::new(512, 64), PoolConfig::new(4096, 16)]);

/// The processor's counter where it has one.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn clock() -> impl Clock {
    detalloc::Cycles
}

/// The system's clock elsewhere, in nanoseconds.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn clock() -> impl Clock {
    let epoch = std::time::Instant::now();
    move || u64::try_from(epoch.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut region = vec![MaybeUninit::uninit(); CONFIG.bytes_needed()];
    let mut heap = Observed::new(Heap::new(&mut region, &CONFIG)?, Wcet::new(clock()));
    let mut live = Vec::with_capacity(16);
    for round in 0..10_000_usize {
        // The first rounds meet cold caches; to see a warm heap alone, forget them.
        if round == 1000 {
            heap.observer_mut().reset();
        }
        for size in [48, 300, 4000, 17] {
            live.push(heap.allocate(Layout::from_size_align(size, 8)?)?);
        }
        for block in live.drain(..) {
            // SAFETY: the block is live, and not used afterwards.
            unsafe { heap.free(block)? };
        }
    }
    let mut text = String::new();
    debug_print(&mut text, &heap.heap().meter().snapshot(), Some(&heap.observer().snapshot()))?;
    print!("{text}");
    Ok(())
}
