//! The region: how the metadata lies in the caller's memory, and the invariants that all unsafe code leans on.
//!
//! - **(I1)** Every pointer in the metadata was derived from the region by [`Plan`], which divides it without overlap;
//!   the region is borrowed exclusively for `'r`, so all of it stays valid, and the metadata initialised, for `'r`.
//! - **(I2)** Shapes (pointers, sizes, counts of blocks, class map, page table, masks) never change after
//!   [`Region::build`]. Any thread may read them.
//! - **(I3)** Every `Cell` is touched only through [`Heap`](crate::Heap), which is not `Sync`: by one thread at a
//!   time, the owner.
//! - **(I4)** Every word that two threads may touch is an atomic. Where the owner alone writes, Relaxed is enough: it reads what it
//!   wrote last, and others read a number by which they reach nothing. Where others write, `remote` says what is ordered.
//! - **(I5)** Block numbers are below the pool's count of blocks before they become addresses or lead to a leaf.
//! - **(I6)** The bits of a summary stand for words that exist, or for the sentinel.
//!
//! What changes with every operation is compared with its bounds before it is followed, and words that were overwritten
//! lead to a refusal. What never changes is not looked at again: it lies below the blocks, where no write past the end of
//! a block arrives, and [`validate`](crate::validate) tells by a seal whether it is what it was.

#[cfg(test)]
mod corruption;

use crate::{
    class::{GRANULE_BYTES, MIN_KEY, key_of, signed},
    config::{Borrow, Config},
    error::{AllocError, InitError},
    line::Line,
    parts::{Ledger, Parts},
    plan::{CLASS_MAP, MAX_ALIGN_BYTES, OFFSET_UNIT, Plan, PoolOffset},
    pool::Pool,
    remote,
    sync::{AtomicUsize, Ordering::Relaxed},
};
use core::{
    alloc::Layout, cell::Cell, fmt, marker::PhantomData, mem::MaybeUninit, ptr::NonNull, slice,
    sync::atomic::AtomicU32,
};

/// Alignments from the granule to the page, each with a mask of the pools that have it.
const ALIGNMENTS: usize = (MAX_ALIGN_BYTES / GRANULE_BYTES).trailing_zeros() as usize + 1;

/// Memory is given to a process page by page; no platform has smaller ones.
const TOUCH_STRIDE_BYTES: usize = 4096;

/// The page table holds the distance of a pool from the region's aligned start in units of this many bytes.
const LINE_BYTES: usize = align_of::<Pool>();
const _: () = assert!(Plan::FURTHEST_POOL <= LINE_BYTES * u8::MAX as usize, "an entry leads to every pool");

/// The start of the metadata. The class map comes right behind it.
#[repr(C)]
pub(crate) struct Header {
    /// The first key that no pool serves.
    pub(crate) keys: isize,
    /// Address of the first block.
    blocks: usize,
    /// Entries of the page table.
    pub(crate) pages: usize,
    page_table: NonNull<u8>,
    page_bits: u32,
    /// Pools with a free block.
    pub(crate) available: Cell<usize>,
    /// Which pools besides its own a request may take from: all or none.
    pub(crate) borrow: usize,
    /// Where the pools and their ledgers lie, in bytes from here.
    pools: u32,
    ledgers: u32,
    pub(crate) pool_count: usize,
    /// Pools whose blocks have at least the alignment 2^(4 + i).
    aligned: [usize; ALIGNMENTS],
    /// Requests that no pool could ever serve.
    pub(crate) unsupported: AtomicU32,
    /// Why the last request was refused that was.
    pub(crate) refusal: Cell<Refusal>,
    /// Digests of the shapes here and of all others, by which `validate` knows that it may follow them.
    own_seal: usize,
    seal: usize,
    /// Pools with blocks that wait to be adopted; on a line of its own, because other threads write it.
    pub(crate) pending: Line<AtomicUsize>,
}

/// Why a request was refused, with its layout an [`AllocError`](crate::AllocError): the size of the blocks that ran out, or
/// one of the other reasons.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal(u32);

impl Refusal {
    pub(crate) const CORRUPT: Self = Self(0);
    pub(crate) const UNSUPPORTED: Self = Self(1);

    /// The pool of blocks this large ran dry; no block is larger than 2^28 bytes or smaller than a granule.
    pub(crate) fn exhausted(block_bytes: usize) -> Self {
        Self(u32::try_from(block_bytes).unwrap_or(u32::MAX))
    }

    /// The refusal of this request as an error.
    #[inline]
    pub(crate) fn error(self, layout: Layout) -> AllocError {
        match self {
            Self::CORRUPT => AllocError::Corrupt,
            Self::UNSUPPORTED => {
                AllocError::Unsupported { size_bytes: layout.size(), align_bytes: layout.align() }
            }
            Self(block_bytes) => AllocError::Exhausted { block_bytes: block_bytes as usize },
        }
    }
}

/// A region that was laid out.
#[derive(Clone, Copy)]
pub(crate) struct Region<'r> {
    header: NonNull<Header>,
    memory: PhantomData<&'r Header>,
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

impl fmt::Debug for Region<'_> {
    /// Says how many pools there are, and reads nothing that belongs to the owner.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Region").field("pools", &self.header().pool_count).finish_non_exhaustive()
    }
}

/// Adds words to a digest (FNV-1a over words: <http://www.isthe.com/chongo/tech/comp/fnv/>). Tells an accident, not an
/// attacker.
fn digest(start: usize, words: impl IntoIterator<Item = usize>) -> usize {
    const PRIME: usize = 0x0100_0193;
    words.into_iter().fold(start, |sum, word| (sum ^ word).wrapping_mul(PRIME).rotate_left(7).wrapping_add(1))
}

impl<'r> Region<'r> {
    /// Lays out a region and touches every page of it.
    pub(crate) fn build(memory: &'r mut [MaybeUninit<u8>], config: &Config) -> Result<Self, InitError> {
        let given = memory.len();
        let mut plan = Plan::EMPTY;
        if plan.lay(config).is_none() {
            return Err(InitError::TooSmall { needed: usize::MAX, given });
        }
        // Where the header begins, so that the first block is aligned.
        let slack = memory.as_ptr().addr().wrapping_add(plan.blocks).wrapping_neg() & (plan.align - 1);
        let Some(memory) = slack.checked_add(plan.bytes).and_then(|end| memory.get_mut(slack..end)) else {
            return Err(InitError::TooSmall { needed: slack.saturating_add(plan.bytes), given });
        };
        // Metadata is zeroed: words start empty, and the rest is set below.
        let (metadata, blocks) = memory.split_at_mut_checked(plan.blocks).unwrap_or_default();
        metadata.fill(MaybeUninit::new(0));
        touch(blocks);
        let start = NonNull::from(memory).cast::<u8>();
        // SAFETY: every offset of the plan lies within its `bytes`, which the region was just cut to.
        let at = |offset: usize| unsafe { start.add(offset) };

        let entry = |offset: usize| PoolOffset::try_from(offset / OFFSET_UNIT).unwrap_or(PoolOffset::MAX);
        let narrow = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
        let line = |offset: usize| u8::try_from(offset / LINE_BYTES).unwrap_or(u8::MAX);
        let mut aligned = [0; ALIGNMENTS];
        let mut first_key = 0;
        // Pages between pools lead to some pool; it knows that their addresses are none of its blocks.
        // SAFETY: (I1) the plan has an entry for every page.
        unsafe { at(plan.page_table).write_bytes(line(plan.pools), plan.pages) };
        let places = plan.words.iter().zip(&plan.pool_blocks);
        for (number, (&pool, (&words, &pool_blocks))) in config.pools().iter().zip(places).enumerate() {
            let built = Pool::new(pool, number, at(pool_blocks), at(words).cast::<AtomicUsize>());
            for (power, mask) in aligned.iter_mut().enumerate() {
                *mask |= usize::from(usize::from(built.align_mask) + 1 >= GRANULE_BYTES << power) << number;
            }
            let offset = plan.pools + number * size_of::<Pool>();
            // SAFETY: (I1) the plan has room for one `Pool` and one `Ledger` a pool, aligned.
            unsafe {
                at(offset).cast::<Pool>().write(built);
                at(plan.ledgers).cast::<Ledger>().add(number).write(Ledger::new(pool));
            }
            let page = |offset: usize| (offset - plan.blocks) >> plan.page_bits;
            let end = pool_blocks + pool.block_bytes * pool.blocks;
            let pages = page(pool_blocks)..page(end - 1) + 1;
            // SAFETY: (I1) the page table has an entry for every page of every pool.
            unsafe { at(plan.page_table).add(pages.start).write_bytes(line(offset), pages.len()) };
            let last_key = key_of(pool.block_bytes, 0).abs_diff(MIN_KEY);
            for key in first_key..=last_key {
                // SAFETY: (I1) the class map has an entry for every key up to that of the largest pool.
                unsafe { at(CLASS_MAP).cast::<PoolOffset>().add(key).write(entry(offset)) };
            }
            first_key = last_key + 1;
        }
        let mut built = Header {
            keys: MIN_KEY + signed(plan.keys),
            blocks: at(plan.blocks).as_ptr().addr(),
            pages: plan.pages,
            page_table: at(plan.page_table),
            page_bits: plan.page_bits,
            available: Cell::new(0),
            borrow: match config.borrow() {
                Borrow::Larger => usize::MAX,
                Borrow::Never => 0,
            },
            pools: narrow(plan.pools),
            ledgers: narrow(plan.ledgers),
            pool_count: config.pools().len(),
            aligned,
            unsupported: AtomicU32::new(0),
            refusal: Cell::new(Refusal::CORRUPT),
            own_seal: 0,
            seal: 0,
            pending: Line::new(AtomicUsize::new(0)),
        };
        built.own_seal = built.digest();
        // SAFETY: the region was cut to begin at an address aligned for the header, and the plan begins with it.
        unsafe { start.cast::<Header>().write(built) };
        let region = Self { header: start.cast(), memory: PhantomData };
        // SAFETY: nobody else has the region yet.
        unsafe { (*region.header.as_ptr()).seal = region.digest() };
        region.refill();
        Ok(region)
    }

    /// Makes every block free.
    pub(crate) fn refill(self) {
        self.all().for_each(Parts::refill);
        let header = self.header();
        // Relaxed: nobody else knows of the region yet.
        header.pending.0.store(0, Relaxed);
        header.available.set(self.existing());
    }

    /// The pools that there are, as a mask.
    pub(crate) fn existing(self) -> usize {
        // No less than one pool, and no more than a word has bits: `Config::new` sees to that.
        const BITS: usize = usize::BITS as usize;
        usize::MAX >> (BITS.wrapping_sub(self.header().pool_count) % BITS)
    }

    #[inline]
    pub(crate) fn header(self) -> &'r Header {
        // SAFETY: (I1) `build` wrote it.
        unsafe { self.header.as_ref() }
    }

    /// What lies at this distance from the region's aligned start.
    ///
    /// # Safety
    /// A `T` that may be shared lies there (I1).
    #[inline]
    unsafe fn at<T>(self, offset: usize) -> &'r T {
        // SAFETY: the caller's promise; the pointer was derived from the whole region.
        unsafe { self.header.byte_add(offset).cast().as_ref() }
    }

    /// The pool that serves a key below `keys`.
    #[inline]
    pub(crate) fn pool_for(self, key: isize) -> &'r Pool {
        const START: isize = signed(CLASS_MAP / size_of::<PoolOffset>()) - MIN_KEY;
        let map = self.header.cast::<PoolOffset>();
        // SAFETY: (I1, I2) `MIN_KEY <= key < keys`, for which the map has entries, which lead to pools.
        unsafe { self.at(usize::from(map.offset(key + START).read()) * OFFSET_UNIT) }
    }

    /// The pool of the page that an address lies on, if it lies among the blocks.
    #[inline]
    pub(crate) fn pool_of(self, address: usize) -> Option<&'r Pool> {
        let page = address.wrapping_sub(self.header().blocks) >> self.header().page_bits;
        // SAFETY: (I1, I2) the page has an entry, and it leads to a pool.
        (page < self.header().pages).then(|| unsafe { self.pool_on(page) })
    }

    /// The pool of the page that an address lies on.
    ///
    /// # Safety
    /// The address is one of a block.
    #[inline]
    pub(crate) unsafe fn pool_of_block(self, address: usize) -> &'r Pool {
        // SAFETY: (I1, I2) blocks lie on pages that have an entry, and it leads to a pool.
        unsafe { self.pool_on(address.wrapping_sub(self.header().blocks) >> self.header().page_bits) }
    }

    /// # Safety
    /// `page < pages`.
    #[inline]
    unsafe fn pool_on(self, page: usize) -> &'r Pool {
        // SAFETY: (I1, I2) the caller's promise; `build` wrote the entry, and it leads to a pool.
        unsafe { self.at(usize::from(self.header().page_table.add(page).read()) * LINE_BYTES) }
    }

    /// Pool number `number`, if there is one.
    #[inline]
    pub(crate) fn pool(self, number: usize) -> Option<&'r Pool> {
        // SAFETY: just compared.
        (number < self.header().pool_count).then(|| unsafe { self.existing_pool(number) })
    }

    /// Pool number `number`.
    ///
    /// # Safety
    /// `number < pool_count`.
    #[inline]
    pub(crate) unsafe fn existing_pool(self, number: usize) -> &'r Pool {
        // SAFETY: (I1) the caller's promise; `build` wrote this many.
        unsafe { self.at(self.header().pools as usize + number * size_of::<Pool>()) }
    }

    /// The parts of pool number `number`, if there is one.
    #[inline]
    pub(crate) fn parts(self, number: usize) -> Option<Parts<'r>> {
        let pool = self.pool(number)?;
        // SAFETY: (I1) `build` wrote as many as pools.
        let ledger = unsafe { self.at(self.header().ledgers as usize + number * size_of::<Ledger>()) };
        Some(Parts { pool, ledger })
    }

    /// The parts of a pool.
    #[inline]
    pub(crate) fn parts_of(self, pool: &Pool) -> Option<Parts<'r>> {
        self.parts(pool.bit.trailing_zeros() as usize)
    }

    /// All pools, smallest blocks first.
    pub(crate) fn all(self) -> impl Iterator<Item = Parts<'r>> {
        (0..self.header().pool_count).map_while(move |number| self.parts(number))
    }

    /// The entries of the class map, as numbers of pools where they lead to one.
    pub(crate) fn class_map(self) -> impl Iterator<Item = Option<usize>> {
        let header = self.header();
        let entries = header.keys.abs_diff(MIN_KEY);
        // SAFETY: (I1, I2) `build` wrote this many entries there.
        let map = unsafe {
            slice::from_raw_parts(self.header.byte_add(CLASS_MAP).cast::<PoolOffset>().as_ptr(), entries)
        };
        map.iter().map(move |&offset| self.number_at(usize::from(offset) * OFFSET_UNIT))
    }

    /// The entries of the page table, likewise.
    pub(crate) fn page_table(self) -> impl Iterator<Item = Option<usize>> {
        let header = self.header();
        // SAFETY: (I1, I2) `build` wrote this many entries there.
        let table = unsafe { slice::from_raw_parts(header.page_table.as_ptr(), header.pages) };
        table.iter().map(move |&line| self.number_at(usize::from(line) * LINE_BYTES))
    }

    fn number_at(self, offset: usize) -> Option<usize> {
        let distance = offset.checked_sub(self.header().pools as usize)?;
        let number = distance / size_of::<Pool>();
        (distance % size_of::<Pool>() == 0 && number < self.header().pool_count).then_some(number)
    }

    /// Whether all shapes are what `build` made them.
    pub(crate) fn is_sealed(self) -> bool {
        // The header's own words first: only if they are intact do its pointers lead to the rest.
        self.header().own_seal == self.header().digest() && self.header().seal == self.digest()
    }

    /// A digest of what the header's shape leads to.
    fn digest(self) -> usize {
        let shapes = self.all().flat_map(|parts| parts.pool.shape().into_iter().chain([parts.blocks()]));
        let number = |number: Option<usize>| number.map_or(usize::MAX, |number| number);
        let tables = self.class_map().chain(self.page_table()).map(number);
        digest(digest(0, shapes), tables)
    }
}

impl Header {
    /// A digest of the header's own shape.
    fn digest(&self) -> usize {
        let words = [
            self.keys.abs_diff(MIN_KEY),
            self.blocks,
            self.pages,
            self.page_table.as_ptr().addr(),
            self.page_bits as usize,
            self.borrow,
            self.pools as usize,
            self.ledgers as usize,
            self.pool_count,
        ];
        digest(digest(0, words), self.aligned)
    }

    /// Whether blocks are on their way home from other threads.
    #[inline]
    pub(crate) fn is_awaited(&self) -> bool {
        // Relaxed: what it leads to looks again, in order.
        remote::EXISTS && self.pending.0.load(Relaxed) != 0
    }

    /// The pools whose blocks have this alignment, given less one, as a mask; none for alignments past a page.
    #[inline]
    pub(crate) fn aligned_pools(&self, align_mask: usize) -> usize {
        // SAFETY: just bounded.
        if align_mask < MAX_ALIGN_BYTES { unsafe { self.aligned_pools_within_page(align_mask) } } else { 0 }
    }

    /// The same for an alignment of at most a page.
    ///
    /// # Safety
    /// `align_mask < MAX_ALIGN_BYTES`.
    #[inline]
    pub(crate) unsafe fn aligned_pools_within_page(&self, align_mask: usize) -> usize {
        let power = (align_mask / GRANULE_BYTES).trailing_ones();
        // SAFETY: the caller's promise, for which there are that many masks.
        unsafe { *self.aligned.get_unchecked(power as usize) }
    }

    /// The page on which this address lies, past the last one if it lies on none.
    pub(crate) fn page_of(&self, address: usize) -> usize {
        address.wrapping_sub(self.blocks) >> self.page_bits
    }
}
