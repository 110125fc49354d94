//! An arena keeps nothing in its region.

use crate::{
    PATTERNS,
    fenced::{Fenced, SIDES, overwrite},
};
use core::alloc::Layout;
use detalloc::Arena;

#[test]
fn an_arena_reads_nothing_of_what_lies_in_its_region() {
    let requests = [(24, 8), (1, 1), (100, 64), (40, 16), (600, 1)];
    let hand_out = |arena: &Arena<'_>| {
        requests.map(|(size, align)| {
            let layout = Layout::from_size_align(size, align).unwrap();
            arena.allocate(layout).map(|block| block.as_ptr().addr()).ok()
        })
    };
    for side in SIDES {
        let mut memory = Fenced::new(512, side);
        let region = memory.region();
        let start = region.as_mut_ptr().cast::<u8>();
        // Every byte has a value.
        // SAFETY: the region.
        unsafe { start.write_bytes(0x5A, 512) };
        let mut arena = Arena::new(region);
        let intact = hand_out(&arena);
        assert!(intact[..4].iter().all(Option::is_some) && intact[4].is_none());
        for at in 0..512 {
            for pattern in PATTERNS {
                arena.reset();
                overwrite(start, at, pattern);
                assert_eq!(hand_out(&arena), intact, "byte {at}");
            }
        }
    }
}
