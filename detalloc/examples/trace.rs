//! Records a session, then asks which configurations it would have fitted:
//! `cargo run -p detalloc --features alloc --example trace`.

use core::{alloc::Layout, mem::MaybeUninit};
use detalloc::{
    Allocate, Config, Heap, Observed, PoolConfig,
    trace::{Recorder, Trace, replay},
};

/// Generous, to record what is really asked for.
const RECORDING: Config = Config::constant(&[PoolConfig::new(256, 256), PoolConfig::new(4096, 64)]);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut region = vec![MaybeUninit::uninit(); RECORDING.bytes_needed()];
    let mut memory = vec![0; 64 * 1024];
    let heap = Heap::new(&mut region, &RECORDING)?;
    let mut heap = Observed::new(heap, Recorder::new(&mut memory)?);

    // Each callback starts a voice and a buffer, and ends the oldest ones.
    let mut live = std::collections::VecDeque::new();
    for callback in 0..1000 {
        heap.observer_mut().mark(callback);
        live.push_back(heap.allocate(Layout::from_size_align(200, 16)?)?);
        live.push_back(heap.allocate(Layout::from_size_align(2048, 64)?)?);
        while live.len() > 24 {
            let Some(block) = live.pop_front() else { break };
            // SAFETY: the block is live, and not used afterwards.
            unsafe { heap.free(block)? };
        }
    }

    let bytes = heap.observer().trace();
    let trace = Trace::parse(bytes)?;
    println!("{} bytes for {} records, {} lost", bytes.len(), trace.records().count(), trace.lost());
    for blocks in [8, 13, 16] {
        let config = Config::new(&[PoolConfig::new(208, blocks), PoolConfig::new(2048, blocks)])?;
        println!("{blocks} blocks each: {}", replay(bytes, &config)?);
    }
    Ok(())
}
