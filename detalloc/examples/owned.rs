//! A heap that owns its memory: pages of the system, locked and on huge pages as far as it allows. The owner allocates,
//! another thread frees.
//!
//! `cargo run -p detalloc --example owned --features os`

use core::{alloc::Layout, ptr, ptr::NonNull};
use detalloc::{
    Allocate, Config, PoolConfig,
    memory::{MappedRegion, Options, OwnedHeap},
};
use std::{sync::mpsc, thread};

const CONFIG: Config = Config::constant(&[PoolConfig::new(64, 4096), PoolConfig::new(4096, 1024)]);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let region = MappedRegion::new(CONFIG.bytes_needed(), Options { lock: true, huge_pages: true })?;
    println!("region: {}", region.got());
    let mut heap = OwnedHeap::in_mapped(region, &CONFIG)?;

    // The handle keeps the region alive, so a thread may have it whose end nobody waits for.
    let handle = heap.handle();
    let (to_freer, blocks) = mpsc::channel();
    let freer = thread::spawn(move || {
        blocks.into_iter().filter_map(|address| NonNull::new(ptr::with_exposed_provenance_mut(address))).all(
            |block: NonNull<u8>| {
                // SAFETY: the owner has given the block up.
                unsafe { handle.remote().free(block) }.is_ok()
            },
        )
    });
    for _ in 0..4096 {
        let block = heap.allocate(Layout::new::<[f32; 16]>())?;
        to_freer.send(block.as_ptr().expose_provenance())?;
    }
    drop(to_freer);
    println!("all freed by another thread: {}", freer.join().is_ok_and(|all| all));
    heap.adopt_remote_frees(usize::MAX);
    println!("live blocks: {}", heap.heap().live_blocks());
    Ok(())
}
