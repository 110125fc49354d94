//! The region: how the metadata lies in the caller's memory, and the invariants that all unsafe code leans on.
//!
//! - **(I1)** Every pointer in the metadata was derived from the region by [`Plan`], which divides it without overlap;
//!   the region is borrowed exclusively for `'r`, so all of it stays valid, and the metadata initialised, for `'r`.
//! - **(I2)** Shapes (pointers, sizes, counts of blocks, class map, page table, masks) never change after
//!   [`Header::build`]. Any thread may read them.
//! - **(I3)** Every `Cell` is touched only through [`Heap`](crate::Heap), which is not `Sync`: by one thread at a
//!   time, the owner.
//! - **(I4)** Every word that two threads may touch is an atomic.
//! - **(I5)** Block numbers are below the pool's count of blocks before they become addresses.

use crate::{
    class::GRANULE_BYTES,
    config::{Borrow, Config},
    error::{FreeError, InitError},
    plan::{MAX_ALIGN_BYTES, Plan},
    pool::Pool,
    sync::AtomicUsize,
};
use core::{cell::Cell, fmt, mem::MaybeUninit, ptr::NonNull, slice, sync::atomic::AtomicU32};

/// Alignments from the granule to the page, each with a mask of the pools that have it.
const ALIGNMENTS: usize = (MAX_ALIGN_BYTES / GRANULE_BYTES).trailing_zeros() as usize + 1;

/// Memory is given to a process page by page; no platform has smaller ones.
const TOUCH_STRIDE_BYTES: usize = 4096;

/// What other threads write for one pool.
#[repr(C)]
pub(crate) struct Remote {
    /// A bit a group of leaves with blocks that wait to be adopted.
    pub(crate) groups: AtomicUsize,
    /// Blocks adopted so far; the owner counts.
    pub(crate) freed: AtomicU32,
}

/// The start of every region.
#[repr(C, align(64))]
pub(crate) struct Header {
    pools: NonNull<Pool>,
    remotes: NonNull<Remote>,
    class_map: NonNull<u8>,
    page_table: NonNull<u8>,
    pub(crate) pool_count: usize,
    pub(crate) classes: usize,
    pages: usize,
    page_bits: u32,
    pub(crate) borrow: Borrow,
    blocks: usize,
    /// Pools whose blocks have at least the alignment 2^(4 + i).
    aligned: [usize; ALIGNMENTS],
    /// Pools with a free block.
    pub(crate) available: Cell<usize>,
    /// Requests that no pool could ever serve.
    pub(crate) unsupported: AtomicU32,
    /// Digests of the shapes here and of all others, by which `validate` knows that it may follow them.
    own_seal: usize,
    seal: usize,
    /// Pools with blocks that wait to be adopted; on a line of its own, because other threads write it.
    pub(crate) pending: Line<AtomicUsize>,
}

/// Writes one byte a page, so that the system hands the page over now and not in a callback.
pub(crate) fn touch(memory: &mut [MaybeUninit<u8>]) {
    let touch = |byte: &mut MaybeUninit<u8>| {
        // SAFETY: a reference to this very byte; volatile, because the write exists for its side effect.
        unsafe { core::ptr::write_volatile(byte, MaybeUninit::new(0)) };
    };
    memory.iter_mut().step_by(TOUCH_STRIDE_BYTES).for_each(touch);
    // The stride need not meet the last page.
    memory.last_mut().into_iter().for_each(touch);
}

impl fmt::Debug for Header {
    /// Says how many pools there are, and reads nothing that belongs to the owner.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Header").field("pools", &self.pool_count).finish_non_exhaustive()
    }
}

/// Adds words to a digest (FNV-1a over words: <http://www.isthe.com/chongo/tech/comp/fnv/>). Tells an accident, not an
/// attacker.
fn digest(start: usize, words: impl IntoIterator<Item = usize>) -> usize {
    const PRIME: usize = 0x0100_0193;
    words.into_iter().fold(start, |sum, word| (sum ^ word).wrapping_mul(PRIME).rotate_left(7).wrapping_add(1))
}

/// A cache line of its own.
#[repr(C, align(64))]
pub(crate) struct Line<T>(pub(crate) T);

impl Header {
    /// Lays out a region and touches every page of it.
    pub(crate) fn build<'r>(
        region: &'r mut [MaybeUninit<u8>],
        config: &Config,
    ) -> Result<&'r Self, InitError> {
        let plan = Plan::of(config);
        let slack = region.as_ptr().align_offset(plan.align);
        let given = region.len();
        let Some(region) = slack.checked_add(plan.bytes).and_then(|end| region.get_mut(slack..end)) else {
            return Err(InitError::TooSmall { needed: slack.saturating_add(plan.bytes), given });
        };
        // Metadata is zeroed: words start empty, and the rest is set below.
        region[..plan.blocks].fill(MaybeUninit::new(0));
        touch(&mut region[plan.blocks..]);
        let start = NonNull::from(region).cast::<u8>();
        // SAFETY: every offset of the plan lies within its `bytes`, which the region was just cut to.
        let at = |offset: usize| unsafe { start.add(offset) };

        let mut aligned = [0; ALIGNMENTS];
        let mut available = 0;
        for (number, pool) in config.pools().iter().enumerate() {
            let (base, words) = (at(plan.pool_blocks[number]), at(plan.words[number]).cast());
            // SAFETY: (I1) the plan gave the pool these blocks and words, and they were zeroed above.
            let built = unsafe { Pool::new(*pool, base, words) };
            for (power, mask) in aligned.iter_mut().enumerate() {
                *mask |= usize::from(built.align() >= GRANULE_BYTES << power) << number;
            }
            available |= 1 << number;
            // SAFETY: (I1) the plan has room for one `Pool` and one `Remote` a pool, aligned.
            unsafe {
                at(plan.pools).cast::<Pool>().add(number).write(built);
                let remote = Remote { groups: AtomicUsize::new(0), freed: AtomicU32::new(0) };
                at(plan.remotes).cast::<Remote>().add(number).write(remote);
            }
            let page = |offset: usize| (offset - plan.blocks) >> plan.page_bits;
            let end = plan.pool_blocks[number] + pool.block_bytes * pool.blocks;
            let pages = page(plan.pool_blocks[number])..page(end - 1) + 1;
            // A pool number is below `MAX_POOLS`, which fits a byte.
            let number = u8::try_from(number).unwrap_or(u8::MAX);
            // SAFETY: (I1) the page table has an entry for every page of every pool.
            unsafe { at(plan.page_table).add(pages.start).write_bytes(number, pages.len()) };
            let first_class = if number == 0 {
                0
            } else {
                crate::class::class_of(config.pools()[usize::from(number) - 1].block_bytes, 1) + 1
            };
            let classes = first_class..crate::class::class_of(pool.block_bytes, 1) + 1;
            // SAFETY: (I1) the class map has an entry for every class up to that of the largest pool.
            unsafe { at(plan.class_map).add(classes.start).write_bytes(number, classes.len()) };
        }
        let mut built = Self {
            pools: at(plan.pools).cast(),
            remotes: at(plan.remotes).cast(),
            class_map: at(plan.class_map),
            page_table: at(plan.page_table),
            pool_count: config.pools().len(),
            classes: plan.classes,
            pages: plan.pages,
            page_bits: plan.page_bits,
            borrow: config.borrow(),
            blocks: at(plan.blocks).as_ptr().addr(),
            aligned,
            available: Cell::new(available),
            unsupported: AtomicU32::new(0),
            own_seal: 0,
            seal: 0,
            pending: Line(AtomicUsize::new(0)),
        };
        built.own_seal = built.digest_own();
        built.seal = built.digest_rest(built.own_seal);
        let header = start.cast::<Self>();
        // SAFETY: the region was cut to begin at an address aligned for the header, and the plan begins with it.
        unsafe {
            header.write(built);
            Ok(header.as_ref())
        }
    }

    #[inline]
    pub(crate) fn pools(&self) -> &[Pool] {
        // SAFETY: (I1) `build` wrote this many pools there.
        unsafe { slice::from_raw_parts(self.pools.as_ptr(), self.pool_count) }
    }

    #[inline]
    pub(crate) fn class_map(&self) -> &[u8] {
        // SAFETY: (I1, I2) `build` wrote this many entries there.
        unsafe { slice::from_raw_parts(self.class_map.as_ptr(), self.classes) }
    }

    #[inline]
    pub(crate) fn page_table(&self) -> &[u8] {
        // SAFETY: (I1, I2) `build` wrote this many entries there.
        unsafe { slice::from_raw_parts(self.page_table.as_ptr(), self.pages) }
    }

    #[inline]
    pub(crate) fn remotes(&self) -> &[Remote] {
        // SAFETY: (I1) `build` wrote one a pool.
        unsafe { slice::from_raw_parts(self.remotes.as_ptr(), self.pool_count) }
    }

    #[inline]
    pub(crate) fn pool_and_remote(&self, number: usize) -> Option<(&Pool, &Remote)> {
        Some((self.pools().get(number)?, self.remotes().get(number)?))
    }

    /// Whether all shapes are what `build` made them.
    pub(crate) fn is_sealed(&self) -> bool {
        // The header's own words first: only if they are intact do its pointers lead to the rest.
        let own = self.digest_own();
        self.own_seal == own && self.seal == self.digest_rest(own)
    }

    /// A digest of the header's own shape.
    fn digest_own(&self) -> usize {
        let words = [
            self.pools.as_ptr().addr(),
            self.remotes.as_ptr().addr(),
            self.class_map.as_ptr().addr(),
            self.page_table.as_ptr().addr(),
            self.pool_count,
            self.classes,
            self.pages,
            self.page_bits as usize,
            usize::from(self.borrow == Borrow::Larger),
            self.blocks,
        ];
        digest(digest(0, words), self.aligned)
    }

    /// A digest of what the header's shape leads to, in addition to `start`.
    fn digest_rest(&self, start: usize) -> usize {
        let pools = self.pools().iter().flat_map(Pool::shape);
        let tables = self.class_map().iter().chain(self.page_table()).map(|&entry| usize::from(entry));
        digest(digest(start, pools), tables)
    }

    /// The pools whose blocks have this alignment, as a mask; none for alignments past a page.
    #[inline]
    pub(crate) fn aligned_pools(&self, align_bytes: usize) -> usize {
        let power = (align_bytes / GRANULE_BYTES).max(1).trailing_zeros() as usize;
        self.aligned.get(power).copied().unwrap_or(0)
    }

    /// The pool and number of the block that begins at this address.
    #[inline]
    pub(crate) fn find(&self, address: usize) -> Result<(usize, usize), FreeError> {
        let page = address.wrapping_sub(self.blocks) >> self.page_bits;
        let Some(&pool) = self.page_table().get(page) else { return Err(FreeError::Foreign) };
        let pool = usize::from(pool);
        let Some(found) = self.pools().get(pool) else { return Err(FreeError::Foreign) };
        match found.index_of(address) {
            Some(index) => Ok((pool, index)),
            None => Err(self.name_pointer(pool, address)),
        }
    }

    #[cold]
    fn name_pointer(&self, pool: usize, address: usize) -> FreeError {
        let (base, bytes) = self.pools()[pool].extent();
        if address.wrapping_sub(base) >= bytes {
            FreeError::Foreign
        } else if address % GRANULE_BYTES != 0 {
            FreeError::Misaligned
        } else {
            FreeError::Interior
        }
    }
}
