//! A vector and a hash map in a heap: everything is reserved or refused as a value, for the infallible methods abort.
//!
//! `cargo run -p detalloc --example collections --features allocator-api2`

use allocator_api2_02::{boxed::Box, vec::Vec};
use core::mem::MaybeUninit;
use detalloc::{Config, Heap, InitError, Local, PoolConfig};
use hashbrown::{DefaultHashBuilder, HashMap};

const CONFIG: Config =
    Config::constant(&[PoolConfig::new(64, 16), PoolConfig::new(512, 8), PoolConfig::new(2048, 2)]);

type Map<'h, 'r, K, V> = HashMap<K, V, DefaultHashBuilder, &'h Local<Heap<'r>>>;

fn main() -> Result<(), InitError> {
    let mut region = [MaybeUninit::uninit(); CONFIG.bytes_needed()];
    let heap = Local::new(Heap::new(&mut region, &CONFIG)?);

    let mut gain_of_note: Map<'_, '_, u8, f32> = HashMap::new_in(&heap);
    let mut events: Vec<(u8, f32), _> = Vec::new_in(&heap);
    if gain_of_note.try_reserve(100).is_err() || events.try_reserve_exact(100).is_err() {
        println!("there is no memory for 100 notes: configure more");
        return Ok(());
    }
    // None of these allocates any more.
    events.extend((0..100).map(|note| (note, f32::from(note) / 127.0)));
    gain_of_note.extend(events.iter().copied());
    println!("{} notes, note 64 at {:.2}", gain_of_note.len(), gain_of_note[&64]);

    match Box::try_new_in([0.0_f32; 1024], &heap) {
        Ok(_) => println!("a buffer of 4 KiB"),
        Err(_) => println!("no buffer of 4 KiB: no pool has blocks that large"),
    }
    heap.with(|heap| println!("{} blocks live", heap.live_blocks()));
    Ok(())
}
