//! The heap as a stranger sees it: every byte in front of its blocks, whatever it is for.

use crate::{
    PATTERNS,
    fenced::{Fenced, SIDES, Side, image, overwrite, restore},
    tally::{Fate, Row, print},
};
use core::{alloc::Layout, mem::MaybeUninit, ops::Range, ptr::NonNull};
use detalloc::{Allocate, Config, Heap, PoolConfig};
use std::collections::BTreeSet;

const CONFIG: Config =
    Config::constant(&[PoolConfig::new(16, 3), PoolConfig::new(64, 70), PoolConfig::new(1088, 5)]);

fn layout(size: usize) -> Layout {
    Layout::from_size_align(size, 8).unwrap()
}

/// Sees to it that everything that can change has changed.
fn exercise(heap: &mut Heap<'_>) -> Vec<NonNull<u8>> {
    let mut live = Vec::new();
    for pool in CONFIG.pools() {
        let blocks: Vec<_> =
            (0..pool.blocks).map_while(|_| heap.allocate(layout(pool.block_bytes)).ok()).collect();
        assert_eq!(blocks.len(), pool.blocks);
        for (number, block) in blocks.into_iter().enumerate() {
            match number % 3 {
                // SAFETY: a live block, freed once.
                0 => unsafe { heap.free(block) }.unwrap(),
                // SAFETY: as above.
                1 => unsafe { heap.remote().free(block) }.unwrap(),
                _ => live.push(block),
            }
        }
    }
    assert!(heap.allocate(layout(5000)).is_err());
    // From a larger pool, and then from none; each is given back.
    let borrowed: Vec<_> = core::iter::from_fn(|| heap.allocate(layout(16)).ok()).collect();
    assert!(borrowed.len() > 2);
    // SAFETY: live blocks, each freed once.
    borrowed.into_iter().for_each(|block| unsafe { heap.free(block) }.unwrap());
    live
}

/// Does everything that a heap can do. What it hands out lies in the region and, if the heap took itself to be in order, is
/// nobody's.
fn use_it(heap: &mut Heap<'_>, live: &[NonNull<u8>], bytes: &Range<usize>, in_order: bool) {
    // But for those of which it says that another thread has freed them.
    let known = live.iter().filter(|block| heap.usable_bytes(**block).is_ok());
    let mut had: BTreeSet<_> = known.map(|block| block.as_ptr().addr()).collect();
    for &block in live {
        // SAFETY: a live block.
        if unsafe { heap.free(block) }.is_ok() {
            had.remove(&block.as_ptr().addr());
        }
    }
    for pool in CONFIG.pools() {
        for _ in 0..pool.blocks + 2 {
            let Ok(block) = heap.allocate(layout(pool.block_bytes)) else { continue };
            let at = block.as_ptr().addr();
            assert!(bytes.contains(&at) && bytes.contains(&(at + pool.block_bytes - 1)), "outside");
            assert!(had.insert(at) || !in_order, "handed out twice");
        }
    }
    heap.adopt_remote_frees(8);
    assert!(heap.live_blocks() <= 78);
    _ = (heap.validate(), heap.meter().snapshot());
}

/// Overwrites every byte in front of the blocks in a region at this fence.
fn overwrite_all(side: Side) -> (Row, Row) {
    let mut memory = Fenced::new(CONFIG.bytes_needed(), side);
    let region = memory.region();
    let (start, len) = (region.as_mut_ptr().cast::<u8>(), region.len());
    // Also what lies before the header, and behind the last block.
    // SAFETY: the region.
    unsafe { start.write_bytes(0, len) };
    let mut heap = Heap::new(region, &CONFIG).unwrap();
    // The largest pool's blocks come first, so that all before them is metadata.
    let first = heap.allocate(layout(1088)).unwrap();
    let metadata = first.as_ptr().addr() - start.addr();
    // SAFETY: a live block.
    unsafe { heap.free(first) }.unwrap();
    let fresh = image(start, metadata);
    let live = exercise(&mut heap);
    let whole = image(start, len);
    // SAFETY: the region was initialised.
    let byte = |image: &[MaybeUninit<u8>], at: usize| unsafe { image[at].assume_init() };
    let changes: Vec<_> = (0..metadata).map(|at| byte(&fresh, at) != byte(&whole, at)).collect();
    let (mut shape, mut state) = (Row::default(), Row::default());
    for at in 0..metadata {
        // The smallest thing that operations write; next to one may lie what they do not.
        let word = at.saturating_sub((start.addr() + at) % size_of::<u32>());
        let is_state = changes[word..metadata.min(word + size_of::<u32>())].contains(&true);
        for pattern in PATTERNS {
            overwrite(start, at, pattern);
            let is_reported = heap.validate().is_err();
            // What never changes is not looked at again by operations: `validate` alone is to know.
            if is_state || !is_reported {
                use_it(&mut heap, &live, &(start.addr()..start.addr() + len), !is_reported);
            }
            let row = if is_state { &mut state } else { &mut shape };
            row.add(if is_reported { Fate::Reported } else { Fate::Harmless });
            restore(start, &whole);
        }
    }
    assert_eq!(heap.validate(), Ok(()));
    (shape, state)
}

#[test]
fn no_byte_in_front_of_the_blocks_is_followed_out_of_the_region() {
    for side in SIDES {
        let (shape, state) = overwrite_all(side);
        print("heap", [("what no operation writes, and padding", shape), ("what operations write", state)]);
        assert!(shape.reported > 0 && state.reported > 0);
    }
}
