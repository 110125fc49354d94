//! Where everything lies in a region: computed in `const`, from the configuration alone.
//!
//! In this order: header, class map, pools, their ledgers, bitmaps, page table, blocks. The metadata lies below the blocks,
//! so that writing past a block's end never meets it. The blocks of the largest class come first, because the alignment
//! of a pool never exceeds that of its block size, and so little is lost between them; and it is the first block that is
//! put at an aligned address, with the metadata right below, so that alignment costs a region once.

use crate::{
    class::{MAX_BLOCK_BYTES, MIN_KEY, key_of},
    config::{Config, MAX_POOLS},
    parts::Ledger,
    pool::{Pool, leaf_count},
    region::Header,
};

/// The strictest alignment of a block, in bytes: a page. Blocks are aligned to their size's largest power of two, up to
/// this.
pub const MAX_ALIGN_BYTES: usize = 4096;

/// The page table has at most about this many entries, and at least half of it in a large heap: enough that rounding
/// each of 64 pools to whole pages costs about 3 % at worst, few enough to stay in the first-level cache.
const MAX_PAGES: usize = 4096;

/// The smallest page, in bytes: a cache line, to which every pool is aligned anyway.
const MIN_PAGE_BITS: u32 = 6;

/// Where the class map begins: right behind the header, so that its address needs no instruction.
pub(crate) const CLASS_MAP: usize = size_of::<Header>();

/// What the class map holds: the distance of a pool from the region's aligned start, in units of [`OFFSET_UNIT`] bytes.
#[cfg(not(all(target_pointer_width = "32", target_os = "none")))]
pub(crate) type PoolOffset = u16;
/// A byte on microcontrollers, which have little memory.
#[cfg(all(target_pointer_width = "32", target_os = "none"))]
pub(crate) type PoolOffset = u8;

/// No unit costs x86-64 no instruction, and that of a line costs Arm none.
pub(crate) const OFFSET_UNIT: usize = if size_of::<PoolOffset>() == 1 { align_of::<Pool>() } else { 1 };

const _: () =
    assert!(Plan::FURTHEST_POOL <= OFFSET_UNIT * PoolOffset::MAX as usize, "an entry leads to every pool");

/// What a pool costs besides its bitmap.
#[cfg(all(target_pointer_width = "32", target_os = "none"))]
const _: () = assert!(size_of::<Pool>() + size_of::<Ledger>() <= 64);

const WORD_BITS: usize = usize::BITS as usize;
const WORD_BYTES: usize = size_of::<usize>();

/// Offsets and sizes, in bytes from the header unless said otherwise.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    /// Alignment of the first block.
    pub(crate) align: usize,
    pub(crate) bytes: usize,
    /// Entries of the class map: requests of a key past it fit no pool.
    pub(crate) keys: usize,
    pub(crate) pools: usize,
    pub(crate) ledgers: usize,
    /// Start of each pool's free leaves.
    pub(crate) words: [usize; MAX_POOLS],
    pub(crate) page_table: usize,
    /// Entries of the page table.
    pub(crate) pages: usize,
    pub(crate) page_bits: u32,
    pub(crate) blocks: usize,
    /// Start of each pool's blocks.
    pub(crate) pool_blocks: [usize; MAX_POOLS],
}

/// The alignment that every block of this size has, in bytes.
pub(crate) const fn block_align(block_bytes: usize) -> usize {
    let natural = 1 << block_bytes.trailing_zeros();
    if natural < MAX_ALIGN_BYTES { natural } else { MAX_ALIGN_BYTES }
}

/// Words of a pool's middle and upper level: none where one word summarises all that is below.
pub(crate) const fn summary_words(leaves: usize) -> (usize, usize) {
    if leaves <= WORD_BITS {
        return (0, 0);
    }
    // wcet: levels 3: there are more leaves than a word has bits
    let mids = leaves.div_ceil(WORD_BITS);
    if mids <= WORD_BITS {
        return (mids, 0);
    }
    // wcet: levels 4: there are more middle words than a word has bits
    (mids, mids.div_ceil(WORD_BITS))
}

/// Where the pools lie behind a class map of that many entries.
const fn pools_after(keys: usize) -> usize {
    (CLASS_MAP + keys * size_of::<PoolOffset>()).next_multiple_of(align_of::<Pool>())
}

const fn align_up(offset: usize, align: usize) -> Option<usize> {
    match offset.checked_add(align - 1) {
        Some(sum) => Some(sum & !(align - 1)),
        None => None,
    }
}

macro_rules! some {
    ($value:expr) => {
        match $value {
            Some(value) => value,
            None => return None,
        }
    };
}

impl Plan {
    /// Where the last of the most pools would lie behind the longest class map.
    pub(crate) const FURTHEST_POOL: usize =
        pools_after(key_of(MAX_BLOCK_BYTES, 0).abs_diff(MIN_KEY) + 1) + (MAX_POOLS - 1) * size_of::<Pool>();

    /// No plan yet.
    pub(crate) const EMPTY: Self = Self {
        align: align_of::<Header>(),
        bytes: 0,
        keys: 0,
        pools: 0,
        ledgers: 0,
        words: [0; MAX_POOLS],
        page_table: 0,
        pages: 0,
        page_bits: MIN_PAGE_BITS,
        blocks: 0,
        pool_blocks: [0; MAX_POOLS],
    };

    /// The plan, or nothing where it exceeds the address space: never of a configuration that [`Config::new`] has accepted.
    pub(crate) const fn of(config: &Config) -> Option<Self> {
        let mut plan = Self::EMPTY;
        some!(plan.lay(config));
        Some(plan)
    }

    /// Makes this, which is empty, the plan, in place: it takes 300 bytes of stack on 32 bits, and each copy as many again.
    pub(crate) const fn lay(&mut self, config: &Config) -> Option<()> {
        let plan = self;
        let pools = config.pools();
        // Keys of pools are far below zero, so this is how far the last one lies above the lowest.
        plan.keys = key_of(some!(pools.last()).block_bytes, 0).abs_diff(MIN_KEY) + 1;
        plan.pools = pools_after(plan.keys);
        plan.ledgers = plan.pools + pools.len() * size_of::<Pool>();
        let mut offset = plan.ledgers + pools.len() * size_of::<Ledger>();
        let mut least_end = 0;
        let mut block_bytes = 0_usize;
        let mut pool = 0;
        while pool < pools.len() {
            let align = block_align(pools[pool].block_bytes);
            if align > plan.align {
                plan.align = align;
            }
            let leaves = leaf_count(pools[pool].blocks);
            let (mids, uppers) = summary_words(leaves);
            // The announced leaves lie below.
            plan.words[pool] = offset + leaves * WORD_BYTES;
            // Overwritten summaries lead no further than this.
            least_end = plan.words[pool] + (WORD_BITS + 1) * WORD_BYTES;
            // One free leaf more than there are: the sentinel.
            offset += (2 * leaves + 1 + mids + uppers) * WORD_BYTES;
            block_bytes = some!(
                block_bytes.checked_add(some!(pools[pool].block_bytes.checked_mul(pools[pool].blocks)))
            );
            pool += 1;
        }
        while block_bytes >> plan.page_bits >= MAX_PAGES {
            plan.page_bits += 1;
        }
        let page_bytes = 1 << plan.page_bits;

        // Relative to the first block, until the size of the page table is known.
        let mut end = 0_usize;
        while pool > 0 {
            pool -= 1;
            let align = block_align(pools[pool].block_bytes);
            let start = some!(align_up(end, if align > page_bytes { align } else { page_bytes }));
            plan.pool_blocks[pool] = start;
            end = some!(start.checked_add(pools[pool].block_bytes * pools[pool].blocks));
        }
        plan.pages = end.div_ceil(page_bytes);

        plan.page_table = offset;
        plan.blocks = some!(align_up(plan.page_table + plan.pages, align_of::<Header>()));
        while pool < pools.len() {
            plan.pool_blocks[pool] = some!(plan.pool_blocks[pool].checked_add(plan.blocks));
            pool += 1;
        }
        plan.bytes = some!(plan.blocks.checked_add(end));
        if plan.bytes < least_end {
            plan.bytes = least_end;
        }
        // Room for the slack of a misaligned region, and the limit that `Layout` sets to a size.
        if plan.bytes > isize::MAX as usize - 2 * plan.align {
            return None;
        }
        Some(())
    }
}
