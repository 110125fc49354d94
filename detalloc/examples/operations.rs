//! Every operation of a heap: what it gives, and what a wrong pointer or an impossible size gets instead.
//!
//! `cargo run -p detalloc --example operations`

use core::{alloc::Layout, mem::MaybeUninit, ptr::NonNull};
use detalloc::{Allocate, Borrow, Config, FreeError, Heap, PoolConfig};
use std::error::Error;

const CONFIG: Config = Config::constant(&[
    PoolConfig::new(64, 4),
    PoolConfig::new(256, 2),
    PoolConfig::holding(Layout::new::<[f32; 1024]>(), 1),
])
.with_borrow(Borrow::Larger);

/// Gives back what nothing uses afterwards.
fn free(heap: &mut Heap<'_>, block: NonNull<u8>) -> Result<(), FreeError> {
    // SAFETY: the example uses no block after this.
    unsafe { heap.free(block) }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut region = [MaybeUninit::uninit(); CONFIG.bytes_needed()];
    let mut heap = Heap::new(&mut region, &CONFIG)?;

    let voice = Layout::new::<[f32; 12]>();
    heap.prefetch(voice);
    let block = heap.allocate(voice)?;
    println!("{} bytes were asked for, the block holds {}", voice.size(), heap.usable_bytes(block)?);
    let zeroed = heap.allocate_zeroed(Layout::from_size_align(200, 64)?)?;
    println!("zeroed and aligned to 64: {}", zeroed.as_ptr().addr() % 64 == 0);
    let frames = heap.allocate_array::<f32>(1024)?;
    println!("an array of {} frames", frames.len());

    // In place while the block has room, by moving otherwise.
    // SAFETY: the block was allocated for this layout, and is not used under its old address.
    let same = unsafe { heap.reallocate(block, voice, 64)? };
    println!("64 bytes: {}", if same == block { "in place" } else { "moved" });
    // SAFETY: as above.
    let moved = unsafe { heap.reallocate(same, Layout::from_size_align(64, 4)?, 65)? };
    println!("65 bytes: {}", if moved == block { "in place" } else { "moved" });

    println!("\nwhat is wrong is named, and nothing changes:");
    println!("  freed before: {}", free(&mut heap, block).unwrap_err());
    let inside = NonNull::new(moved.as_ptr().wrapping_add(16)).ok_or("never null")?;
    println!("  inside a block: {}", free(&mut heap, inside).unwrap_err());
    println!("  elsewhere: {}", free(&mut heap, NonNull::from(&mut 0_u64).cast()).unwrap_err());
    println!("  one more frame: {}", heap.allocate_array::<f32>(1025).unwrap_err());
    println!("  too many frames: {}", heap.allocate_array::<f32>(usize::MAX).unwrap_err());
    println!("  no block left: {}", heap.allocate(Layout::new::<[u8; 256]>()).unwrap_err());

    heap.validate()?;
    println!("\n{} blocks live; the metadata is sound", heap.live_blocks());
    for pool in heap.meter().snapshot().pools() {
        println!(
            "  {:>4} B: {} of {} in use, at most {}, {} refused",
            pool.block_bytes, pool.used, pool.blocks, pool.peak, pool.refused
        );
    }
    free(&mut heap, zeroed)?;
    println!("at the end: {}", heap.destroy().unwrap_err());
    Ok(())
}
