//! An audio thread allocates, another thread frees, and the audio thread waits for nobody:
//! `cargo run --release -p detalloc --example remote`.

use core::{alloc::Layout, mem::MaybeUninit, ptr::NonNull};
use detalloc::{Allocate, Config, Heap, PoolConfig};
use std::{sync::mpsc, thread, time::Duration};

const CONFIG: Config = Config::constant(&[PoolConfig::new(256, 32)]);
const CALLBACKS: usize = 200;
/// 64 frames at 48 kHz.
const PERIOD: Duration = Duration::from_micros(1333);

/// A buffer in a block of the heap; whoever has it owns the block.
struct Buffer(NonNull<[f32; 64]>);

// SAFETY: the block is nobody else's, and the heap takes it back from any thread.
unsafe impl Send for Buffer {}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut region = vec![MaybeUninit::uninit(); CONFIG.bytes_needed()];
    let mut heap = Heap::new(&mut region, &CONFIG)?;
    let remote = heap.remote();
    // Stands for a ring of fixed size; `try_send` never waits for the receiver.
    let (sender, receiver) = mpsc::sync_channel::<Buffer>(16);
    let dropped = thread::scope(|scope| {
        scope.spawn(move || {
            for Buffer(block) in receiver {
                // SAFETY: nothing uses the block afterwards.
                unsafe { remote.free(block.cast()) }.expect("a live block of this heap");
            }
        });
        let mut dropped = 0;
        for _callback in 0..CALLBACKS {
            thread::sleep(PERIOD);
            // Blocks that have come back are taken over when the class runs dry; a refusal costs one buffer.
            let Ok(block) = heap.allocate(Layout::new::<[f32; 64]>()) else {
                dropped += 1;
                continue;
            };
            let block = block.cast::<[f32; 64]>();
            // SAFETY: the block is large and aligned enough, and nobody else's.
            unsafe { block.write([0.5; 64]) };
            if let Err(
                mpsc::TrySendError::Full(Buffer(block)) | mpsc::TrySendError::Disconnected(Buffer(block)),
            ) = sender.try_send(Buffer(block))
            {
                dropped += 1;
                // SAFETY: it came back, and nothing uses it afterwards.
                unsafe { heap.free(block.cast()) }.expect("a live block of this heap");
            }
        }
        drop(sender);
        dropped
    });
    let stats = heap.meter().snapshot();
    println!("{} of {CALLBACKS} buffers went to the other thread", CALLBACKS - dropped);
    println!("{} of their blocks were back before the end", stats.pools()[0].freed_remotely);
    Ok(heap.destroy()?)
}
