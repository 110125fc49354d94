//! Where everything lies in the region of a shared heap: computed in `const`, from the configuration alone.
//!
//! From the region's aligned start: pools, leaves, blocks. As in [`crate::plan`], the metadata lies below the blocks,
//! and the blocks of the largest class come first.

use super::{Pool, bits::WORD_BITS};
use crate::{
    config::{Config, MAX_POOLS},
    plan::block_align,
};

/// The leaves of a pool begin on a cache line of their own, so that pools do not disturb each other.
const LINE_WORDS: usize = align_of::<Pool>() / size_of::<usize>();

/// Offsets and sizes, in bytes from the region's aligned start unless said otherwise.
#[derive(Clone, Copy)]
pub(super) struct Plan {
    pub(super) align: usize,
    pub(super) bytes: usize,
    /// Start of all leaves: right behind the pools.
    pub(super) leaves: usize,
    /// How many words they are.
    pub(super) leaf_words: usize,
    /// Start of each pool's leaves, in words from the first leaf.
    pub(super) pool_leaves: [usize; MAX_POOLS],
    /// Start of each pool's blocks.
    pub(super) pool_blocks: [usize; MAX_POOLS],
}

const fn align_up(offset: usize, align: usize) -> usize {
    offset.saturating_add(align - 1) & !(align - 1)
}

impl Plan {
    /// The plan, or nothing where it exceeds the address space.
    pub(super) const fn of(config: &Config) -> Option<Self> {
        let pools = config.pools();
        let mut plan = Self {
            align: align_of::<Pool>(),
            bytes: 0,
            leaves: pools.len() * size_of::<Pool>(),
            leaf_words: 0,
            pool_leaves: [0; MAX_POOLS],
            pool_blocks: [0; MAX_POOLS],
        };
        let mut pool = 0;
        while pool < pools.len() {
            let align = block_align(pools[pool].block_bytes);
            if align > plan.align {
                plan.align = align;
            }
            plan.pool_leaves[pool] = plan.leaf_words;
            plan.leaf_words += align_up(pools[pool].blocks.div_ceil(WORD_BITS), LINE_WORDS);
            pool += 1;
        }
        // What exceeds the address space stays at its end, and is refused below.
        let mut end = align_up(plan.leaves + plan.leaf_words * size_of::<usize>(), plan.align);
        while pool > 0 {
            pool -= 1;
            let start = align_up(end, block_align(pools[pool].block_bytes));
            plan.pool_blocks[pool] = start;
            end = start.saturating_add(pools[pool].block_bytes.saturating_mul(pools[pool].blocks));
        }
        plan.bytes = end;
        // Room for the slack of a misaligned region, and the limit that `Layout` sets to a size.
        if plan.bytes > isize::MAX as usize - 2 * plan.align { None } else { Some(plan) }
    }
}
