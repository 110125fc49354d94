//! One heap behind a lock, for threads without a deadline: `cargo run --release -p detalloc --example spin`.

use core::{alloc::Layout, mem::MaybeUninit};
use detalloc::{Allocate, Config, Heap, PoolConfig, Spin};
use std::thread;

const CONFIG: Config = Config::constant(&[PoolConfig::new(64, 64), PoolConfig::new(1024, 16)]);
const ROUNDS: usize = 10_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut region = vec![MaybeUninit::uninit(); CONFIG.bytes_needed()];
    let heap = Spin::new(Heap::new(&mut region, &CONFIG)?);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                // A reference to the lock allocates as the heap itself does.
                let mut heap = &heap;
                for _ in 0..ROUNDS {
                    let block =
                        heap.allocate(Layout::new::<[f32; 16]>()).expect("64 blocks for three threads");
                    // SAFETY: the block is live, and not used afterwards.
                    unsafe { heap.free(block) }.expect("a live block of this heap");
                }
            });
        }
    });
    // Who must not wait looks whether the lock is free.
    match heap.try_lock(|heap| heap.meter().snapshot()) {
        Some(stats) => {
            println!("at most {} of {} blocks live", stats.pools()[0].peak, stats.pools()[0].blocks)
        }
        None => println!("somebody else has the heap"),
    }
    Ok(heap.into_inner().destroy()?)
}
