//! Guards in debug builds: what they say about three bugs. In a release build `DebugGuarded<Heap>` is the plain heap.
//!
//! `cargo run -p detalloc --example guard`

use core::{alloc::Layout, mem::MaybeUninit};
use detalloc::{Allocate, Config, Heap, PoolConfig, guard::DebugGuarded};

const CONFIG: Config = Config::constant(&[PoolConfig::new(64, 16)]).with_debug_guards();

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut region = [MaybeUninit::uninit(); CONFIG.bytes_needed()];
    let mut heap = DebugGuarded::<Heap>::new(&mut region, &CONFIG)?;
    let gains = Layout::new::<[f32; 12]>();

    let block = heap.allocate(gains)?;
    // SAFETY: still inside of the pool's block, but one past the twelve floats: the first bug.
    unsafe { block.cast::<f32>().add(12).write(1.0) };
    // SAFETY: nothing uses the block after this.
    let freed = unsafe { heap.free(block) };
    println!("freed after an overrun: {freed:?}");

    let block = heap.allocate(gains)?;
    // SAFETY: nothing but the second bug uses the block after this.
    unsafe { heap.free(block)? };
    // SAFETY: inside of the region.
    unsafe { block.cast::<f32>().write(1.0) };
    let again = heap.allocate(gains)?;
    println!(
        "allocated after a write to a free block: {}",
        if again == block { "that one" } else { "another" }
    );

    // SAFETY: nothing uses the block after this; the second free is the third bug.
    let twice = unsafe { (heap.free(again), heap.free(again)) };
    println!("freed twice: {twice:?}");

    #[cfg(debug_assertions)]
    println!("{} findings; the first: {}", heap.damages(), heap.damage().ok_or("nothing was found")?);
    Ok(())
}
