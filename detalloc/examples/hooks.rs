//! Hooks that count live bytes and name refusals: `cargo run -p detalloc --example hooks`.

use core::{alloc::Layout, mem::MaybeUninit};
use detalloc::{Allocate, Config, Event, Heap, HookKind, Hooks, Observed, PoolConfig};

const CONFIG: Config = Config::constant(&[PoolConfig::new(64, 2), PoolConfig::new(1024, 1)]);

/// What each hook of this program adds up.
#[derive(Default)]
struct Seen {
    calls: usize,
    bytes: usize,
}

fn on_allocated(event: &Event, seen: &mut Seen) {
    if let Event::Allocated { layout, .. } = event {
        seen.calls += 1;
        seen.bytes += layout.size();
    }
}

fn on_refused(event: &Event, seen: &mut Seen) {
    seen.calls += 1;
    // On an audio thread a hook would write this into a ring and let another thread print it.
    println!("refused: {event:?}");
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut region = [MaybeUninit::uninit(); CONFIG.bytes_needed()];
    let mut heap = Observed::new(Heap::new(&mut region, &CONFIG)?, Hooks::new());
    heap.observer_mut().set(HookKind::Allocated, on_allocated, Seen::default());
    heap.observer_mut().set(HookKind::Refused, on_refused, Seen::default());

    for _ in 0..5 {
        _ = heap.allocate(Layout::new::<[f32; 12]>());
    }

    let allocated = heap.observer_mut().unset(HookKind::Allocated).unwrap_or_default();
    let refused = heap.observer_mut().unset(HookKind::Refused).unwrap_or_default();
    println!("{} allocations of {} bytes, {} refused", allocated.calls, allocated.bytes, refused.calls);
    Ok(())
}
