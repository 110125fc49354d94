//! From sizes, counts, and a recording to configurations: `cargo run -p detalloc --features alloc --example suggest`.

use core::{alloc::Layout, mem::MaybeUninit};
use detalloc::{Allocate, Config, Heap, Observed, Preset, trace};
use std::error::Error;

struct Voice {
    _state: [f32; 60],
}

struct Event {
    _words: [u32; 4],
}

fn print(how: &str, config: &Config) {
    println!("{how}: {} bytes", config.bytes_needed());
    for pool in config.pools() {
        println!("  {:>6} blocks of {:>5} bytes", pool.blocks, pool.block_bytes);
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    print("16 blocks of each size", &Config::suggest(&[64, 128, 256, 1024], 16)?);
    let counts = [(Layout::new::<Voice>(), 32), (Layout::new::<Event>(), 400)];
    print("32 voices and 400 events", &Config::suggest_counts(&counts)?);
    print("4 KiB live at most, whatever happens", &Config::worst_case(4096, 512)?);

    // Record a session on a preset that is surely enough.
    let ample = Preset::Audio.for_live_blocks(500);
    let mut region = vec![MaybeUninit::uninit(); ample.bytes_needed()];
    let mut memory = vec![0; 65_536];
    let mut heap = Observed::new(Heap::new(&mut region, &ample)?, trace::Recorder::new(&mut memory)?);
    for callback in 0..200 {
        let voice = heap.allocate(Layout::new::<Voice>())?;
        let events = heap.allocate(Layout::array::<Event>(1 + callback % 7)?)?;
        if callback % 3 > 0 {
            // SAFETY: nothing uses it afterwards.
            unsafe { heap.free(voice)? };
        }
        // SAFETY: as above.
        unsafe { heap.free(events)? };
    }
    let (config, replay) = trace::suggest(heap.observer().trace())?;
    print("from the recording", &config);
    println!("{replay}");
    Ok(())
}
