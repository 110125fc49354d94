//! Ten million operations in a tenth more memory than a profile says: not one is refused.

use core::{mem::MaybeUninit, ptr::NonNull};
use detalloc::{Allocate, Config, Heap, PoolConfig};
use detalloc_benches::traces::{Audio, Demand, Operation};

const OPERATIONS: usize = 10_000_000;

/// How much of it the profile sees.
const PROFILED: usize = 1_000_000;

/// The operations of the trace `audio`, going on for as long as needed.
fn operations(count: usize) -> impl Iterator<Item = Operation> + Clone {
    Audio::new(usize::MAX).take(count)
}

/// The first and the last bytes of a block, and what was asked for.
struct Live {
    block: NonNull<u8>,
    bytes: usize,
    mark: u64,
}

impl Live {
    /// Marks both ends of the block.
    fn new(block: NonNull<u8>, bytes: usize, mark: u64) -> Self {
        let live = Self { block, bytes, mark };
        // SAFETY: the block holds so many bytes, at least 64.
        unsafe {
            block.cast::<u64>().write_unaligned(mark);
            block.add(bytes - 8).cast::<u64>().write_unaligned(!mark);
        }
        live
    }

    /// Whether nobody else has written to it.
    fn is_intact(&self) -> bool {
        // SAFETY: written when it was new.
        unsafe {
            self.block.cast::<u64>().read_unaligned() == self.mark
                && self.block.add(self.bytes - 8).cast::<u64>().read_unaligned() == !self.mark
        }
    }
}

#[test]
fn ten_million_operations_in_110_percent_of_the_needed_memory_are_all_served() {
    let needed = Demand::of(operations(PROFILED)).config();
    let more = |pool: &PoolConfig| PoolConfig::new(pool.block_bytes, pool.blocks + pool.blocks / 10);
    let config = Config::new(&needed.pools().iter().map(more).collect::<Vec<_>>()).unwrap();
    assert!(config.bytes_needed() * 10 <= needed.bytes_needed() * 11, "no more than 110 %");

    let mut region = vec![MaybeUninit::uninit(); config.bytes_needed()];
    let mut heap = Heap::new(&mut region, &config).unwrap();
    let mut slots: Vec<Option<Live>> = Vec::new();
    for (mark, operation) in (0..).zip(operations(OPERATIONS)) {
        match operation {
            Operation::Allocate { slot, layout } => {
                slots.resize_with(slots.len().max(slot + 1), || None);
                let block = heap.allocate(layout).unwrap_or_else(|error| panic!("operation {mark}: {error}"));
                slots[slot] = Some(Live::new(block, layout.size(), mark));
            }
            Operation::Free { slot } => {
                let live = slots[slot].take().unwrap();
                assert!(live.is_intact(), "operation {mark}: someone else wrote to the block");
                // SAFETY: live, and not used afterwards.
                unsafe { heap.free(live.block) }.unwrap();
            }
        }
    }
    assert_eq!(heap.validate(), Ok(()));
    assert_eq!(heap.live_blocks(), slots.iter().flatten().count());
}
