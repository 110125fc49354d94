//! A heap that any thread allocates from and frees to, without locks and without an owner.
//!
//! It has no bound on how often a thread has to try again while others allocate, and every operation moves a cache line
//! from one core to another. So it does not belong on an audio thread; [the crate](crate#threads) says what does.
//!
//! How it is kept: [`bits`] holds one bit a block and one count a pool; whoever lowers the count has a block,
//! and finds it by its bit. All metadata lies below the blocks, none in them. Nothing in the region is
//! trusted: every offset and every number read from there is compared with bounds that the heap keeps outside
//! of it.
//!
//! What it does not do: be faster than a lock that happens to be free. It has four atomic read-modify-writes
//! in an allocation and a free, a lock has two; what they buy is that a thread that is preempted stops
//! nobody. Nor keep threads apart: two that allocate from one pool write the same cache lines. Nor see a free
//! that comes so late that the block is somebody else's by then; no heap can.
//!
//! Invariants that the unsafe code leans on:
//!
//! - **(S1)** `start` and `bytes` are those of the region, which is borrowed exclusively for `'r`; [`Plan`] divides it
//!   without overlap into pools, leaves and blocks, and the first two are initialised.
//! - **(S2)** Whoever cleared a block's bit has the block until the bit is set again.

mod bits;
mod plan;
mod validate;

use self::{
    bits::{FreeBits, Refused, WORD_BITS},
    plan::Plan,
};
use crate::{
    allocate::Allocate,
    class::{GRANULE_BYTES, block_bytes_for},
    config::{Borrow, Config, MAX_POOLS, PoolConfig},
    error::{AllocError, FreeError, InitError, StillLive},
    line::Aligned,
    plan::MAX_ALIGN_BYTES,
    stats::{PoolStats, Stats},
    sync::{AtomicUsize, Ordering::Relaxed},
};
use core::{alloc::Layout, fmt, mem::MaybeUninit, ptr::NonNull, slice};

/// A heap in a region of the caller's memory, for any number of threads at once: lock-free, not wait-free.
///
/// ```
/// use core::{alloc::Layout, mem::MaybeUninit};
/// use detalloc::{Config, PoolConfig, SharedHeap};
///
/// const CONFIG: Config = Config::constant(&[PoolConfig::new(64, 128)]);
/// let mut region = [MaybeUninit::uninit(); SharedHeap::bytes_needed(&CONFIG)];
///
/// let heap = SharedHeap::new(&mut region, &CONFIG)?;
/// std::thread::scope(|scope| {
///     for _ in 0..2 {
///         scope.spawn(|| {
///             let block = heap.allocate(Layout::new::<[f32; 12]>()).unwrap();
///             // SAFETY: nothing uses the block after this.
///             unsafe { heap.free(block) }.unwrap();
///         });
///     }
/// });
/// assert_eq!(heap.live_blocks(), 0);
/// # Ok::<(), detalloc::InitError>(())
/// ```
pub struct SharedHeap<'r> {
    start: NonNull<u8>,
    bytes: usize,
    pools: &'r [Pool],
    leaves: &'r [AtomicUsize],
    borrow: Borrow,
    /// Requests that no pool could ever serve.
    unsupported: AtomicUsize,
}

// SAFETY: (S1, S2) the pointer leads to memory that the heap has to itself, and hands out to one thread at a
// time.
unsafe impl Send for SharedHeap<'_> {}
// SAFETY: as above; all else is shapes that do not change, and atomics.
unsafe impl Sync for SharedHeap<'_> {}

/// A pool: its shape, which never changes, and on another cache line what does.
#[repr(C)]
struct Pool {
    block_bytes: usize,
    blocks: usize,
    /// Distance of the first block from the region's start, in bytes.
    first_block: usize,
    /// Number of the first leaf.
    first_leaf: usize,
    state: State,
}

/// What changes with the operations of a pool.
#[derive(Default)]
#[repr(C)]
struct State {
    free: AtomicUsize,
    hints: AtomicUsize,
    peak: AtomicUsize,
    refused: AtomicUsize,
    borrowed: AtomicUsize,
    line: [Aligned; 0],
}

impl Pool {
    /// Live blocks, those included that are just being handed out or given back.
    fn used(&self) -> usize {
        // Relaxed: a number, by which nothing is reached.
        self.blocks.saturating_sub(self.state.free.load(Relaxed))
    }

    fn stats(&self) -> PoolStats {
        PoolStats {
            block_bytes: self.block_bytes,
            blocks: self.blocks,
            used: self.used(),
            // Relaxed: numbers, here and below.
            peak: self.state.peak.load(Relaxed),
            refused: self.state.refused.load(Relaxed),
            borrowed: self.state.borrowed.load(Relaxed),
            freed_remotely: 0,
        }
    }

    /// Whether every block has this alignment, a power of two.
    fn is_aligned(&self, align_bytes: usize) -> bool {
        align_bytes <= MAX_ALIGN_BYTES && self.block_bytes & (align_bytes - 1) == 0
    }
}

impl<'r> SharedHeap<'r> {
    /// Sets up a heap at the first suitably aligned address of `region`, and touches every page of it, so
    /// that no allocation meets a page fault. The region's contents do not matter and its alignment neither.
    ///
    /// # Errors
    /// [`InitError::TooSmall`] if and only if the region ends before the configuration does. A region of
    /// [`SharedHeap::bytes_needed`] bytes is enough wherever it starts.
    ///
    /// # Time complexity
    /// Linear in the size of the metadata and the number of pages. Not for real-time paths.
    pub fn new(region: &'r mut [MaybeUninit<u8>], config: &Config) -> Result<Self, InitError> {
        let given = region.len();
        let Some(plan) = Plan::of(config) else {
            return Err(InitError::TooSmall { needed: usize::MAX, given });
        };
        let slack = region.as_ptr().addr().wrapping_neg() & (plan.align - 1);
        let Some(region) = slack.checked_add(plan.bytes).and_then(|end| region.get_mut(slack..end)) else {
            return Err(InitError::TooSmall { needed: slack.saturating_add(plan.bytes), given });
        };
        crate::region::touch(region);
        let start = NonNull::from(region).cast::<u8>();
        // SAFETY: both offsets lie in the region, which was just cut to `plan.bytes`.
        let (pools, leaves) = unsafe { (start.cast::<Pool>(), start.add(plan.leaves).cast::<AtomicUsize>()) };
        let places = plan.pool_blocks.into_iter().zip(plan.pool_leaves);
        for (number, (&PoolConfig { block_bytes, blocks }, place)) in
            config.pools().iter().zip(places).enumerate()
        {
            let (first_block, first_leaf) = place;
            let pool = Pool { block_bytes, blocks, first_block, first_leaf, state: State::default() };
            // SAFETY: the plan begins with one `Pool` a pool, and the region is aligned for it.
            unsafe { pools.add(number).write(pool) };
        }
        for leaf in 0..plan.leaf_words {
            // SAFETY: the plan has this many words there, aligned.
            unsafe { leaves.add(leaf).write(AtomicUsize::new(0)) };
        }
        let heap = Self {
            start,
            bytes: plan.bytes,
            // SAFETY: (S1) just initialised, and from here on only shared.
            pools: unsafe { slice::from_raw_parts(pools.as_ptr(), config.pools().len()) },
            // SAFETY: as above.
            leaves: unsafe { slice::from_raw_parts(leaves.as_ptr(), plan.leaf_words) },
            borrow: config.borrow(),
            unsupported: AtomicUsize::new(0),
        };
        heap.pools.iter().filter_map(|pool| heap.free_bits(pool)).for_each(FreeBits::fill);
        Ok(heap)
    }

    /// The memory a shared heap of this configuration needs when the region has the alignment of this layout:
    /// metadata and blocks, nothing else. A configuration that exceeds the address space together with its
    /// metadata gets the largest layout there is, which no region has.
    #[must_use]
    pub const fn layout(config: &Config) -> Layout {
        let (bytes, align) = match Plan::of(config) {
            Some(plan) => (plan.bytes, plan.align),
            None => (isize::MAX as usize, 1),
        };
        match Layout::from_size_align(bytes, align) {
            Ok(layout) => layout,
            // `Plan::of` bounds the size and its alignment is a power of two.
            Err(_) => unreachable!(),
        }
    }

    /// The memory a shared heap of this configuration needs wherever the region starts, in bytes:
    /// [`SharedHeap::layout`] and what the worst misalignment costs.
    #[must_use]
    pub const fn bytes_needed(config: &Config) -> usize {
        match Plan::of(config) {
            Some(plan) => plan.bytes + plan.align - 1,
            None => isize::MAX as usize,
        }
    }

    /// Allocates a block for this layout; see [`Allocate::allocate`].
    ///
    /// # Errors
    /// As [`Allocate::allocate`], where a block that another thread is just giving back may not count yet.
    /// [`AllocError::Corrupt`] is what a thread would also get that lost the race for each block it looked at
    /// 64 times over.
    ///
    /// # Time complexity
    /// Lock-free: no bound while other threads take blocks of the same pool or give some back. Without them
    /// linear in the number of pools that borrowing goes through, and constant in a pool of up to
    /// `usize::BITS`² blocks; in a larger one linear in 1/`usize::BITS` of its words.
    pub fn allocate(&self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        let needed = block_bytes_for(layout.size(), layout.align());
        // wcet: loop 7: half of at most 64 pools each time
        let smallest = self.pools.partition_point(|pool| pool.block_bytes < needed);
        let fits = |pool: &&Pool| pool.block_bytes >= needed && pool.is_aligned(layout.align());
        let mut fitting = self.pools.iter().skip(smallest).filter(fits);
        // wcet: loop 64: pools
        let Some(own) = fitting.next() else {
            // Relaxed: counts say nothing about each other, here and below.
            self.unsupported.fetch_add(1, Relaxed);
            return Err(AllocError::Unsupported { size_bytes: layout.size(), align_bytes: layout.align() });
        };
        // wcet: unreached: nothing is lost unless words are overwritten
        if let Some(block) = self.take(own)? {
            return Ok(block);
        }
        let larger = match self.borrow {
            Borrow::Larger => MAX_POOLS,
            Borrow::Never => 0,
        };
        // wcet: loop 64: pools
        for pool in fitting.take(larger) {
            // wcet: unreached: as above
            if let Some(block) = self.take(pool)? {
                own.state.borrowed.fetch_add(1, Relaxed);
                return Ok(block);
            }
        }
        own.state.refused.fetch_add(1, Relaxed);
        Err(AllocError::Exhausted { block_bytes: own.block_bytes })
    }

    /// Gives a block back by its address alone; see [`Allocate::free`].
    ///
    /// # Errors
    /// As [`Allocate::free`]. Of several threads that free one live block exactly one succeeds, and the
    /// others are told [`FreeError::DoubleFree`], unless the block has been allocated again in between.
    ///
    /// # Time complexity
    /// Constant, whatever other threads do: at most three atomic operations, and the logarithm of the number
    /// of pools. (Wait-free where the target has single-instruction exchanges, lock-free elsewhere.)
    ///
    /// # Safety
    /// As [`Allocate::free`].
    pub unsafe fn free(&self, block: NonNull<u8>) -> Result<(), FreeError> {
        let (_, bits, index) = self.find(block)?;
        if bits.put(index) { Ok(()) } else { Err(FreeError::DoubleFree) }
    }

    /// How many bytes the block holds: the block size of its pool.
    ///
    /// # Errors
    /// As [`Allocate::usable_bytes`].
    ///
    /// # Time complexity
    /// The logarithm of the number of pools.
    pub fn usable_bytes(&self, block: NonNull<u8>) -> Result<usize, FreeError> {
        let (pool, bits, index) = self.find(block)?;
        if bits.is_free(index) { Err(FreeError::DoubleFree) } else { Ok(pool.block_bytes) }
    }

    /// Takes a snapshot of the counts: each is true, but beside working threads not of one instant. Refusals and
    /// borrowing are counted modulo the size of a word.
    ///
    /// # Time complexity
    /// Linear in the number of pools; wait-free.
    #[must_use]
    pub fn snapshot(&self) -> Stats {
        // Relaxed: a number.
        Stats::of(self.pools.iter().map(Pool::stats), self.unsupported.load(Relaxed))
    }

    /// The counts of one pool, the smallest blocks' being number 0: what a snapshot says of it, on less stack. Nothing if there is no
    /// such pool.
    ///
    /// # Time complexity
    /// Constant; wait-free.
    #[must_use]
    pub fn pool(&self, number: usize) -> Option<PoolStats> {
        self.pools.get(number).map(Pool::stats)
    }

    /// How many blocks are live.
    ///
    /// # Time complexity
    /// Linear in the number of pools; wait-free.
    #[must_use]
    pub fn live_blocks(&self) -> usize {
        self.pools.iter().map(Pool::used).fold(0, usize::saturating_add)
    }

    /// Ends the heap, which gives its region back to the caller, and says whether anything was still in use.
    /// Dropping the heap does the same in silence.
    ///
    /// # Errors
    /// [`StillLive`] if and only if a block is live. The heap is gone all the same.
    ///
    /// # Time complexity
    /// Linear in the number of pools.
    pub fn destroy(self) -> Result<(), StillLive> {
        let bytes = self.pools.iter().map(|pool| pool.used().saturating_mul(pool.block_bytes));
        let live = StillLive { blocks: self.live_blocks(), bytes: bytes.fold(0, usize::saturating_add) };
        if live.blocks == 0 { Ok(()) } else { Err(live) }
    }

    /// Takes a block of a pool; none if it has none.
    fn take(&self, pool: &'r Pool) -> Result<Option<NonNull<u8>>, AllocError> {
        let taken = match self.free_bits(pool).ok_or(Refused::Lost).and_then(FreeBits::take) {
            Ok(taken) => taken,
            Err(Refused::Empty) => return Ok(None),
            Err(Refused::Lost) => return Err(AllocError::Corrupt),
        };
        let used = pool.blocks.saturating_sub(taken.left);
        // Relaxed: a number.
        if used > pool.state.peak.load(Relaxed) {
            // wcet: retry: another thread has raised the high water
            pool.state.peak.fetch_max(used, Relaxed);
        }
        self.block(pool, taken.index).map(Some).ok_or(AllocError::Corrupt)
    }

    /// Block `index` of a pool, unless that lies outside the region.
    fn block(&self, pool: &Pool, index: usize) -> Option<NonNull<u8>> {
        let offset = index.checked_mul(pool.block_bytes)?.checked_add(pool.first_block)?;
        let end = offset.checked_add(pool.block_bytes)?;
        // SAFETY: (S1) just compared.
        (end <= self.bytes).then(|| unsafe { self.start.add(offset) })
    }

    fn free_bits(&self, pool: &'r Pool) -> Option<FreeBits<'r>> {
        let leaves = self.leaves.get(pool.first_leaf..)?.get(..pool.blocks.div_ceil(WORD_BITS))?;
        Some(FreeBits { count: &pool.state.free, hints: &pool.state.hints, leaves, blocks: pool.blocks })
    }

    /// The pool and number of the block that begins at this address.
    ///
    /// # Errors
    /// What is wrong with it otherwise.
    fn find(&self, block: NonNull<u8>) -> Result<(&'r Pool, FreeBits<'r>, usize), FreeError> {
        let offset = block.as_ptr().addr().wrapping_sub(self.start.as_ptr().addr());
        // Larger blocks come first.
        // wcet: loop 7: half of at most 64 pools each time
        let number = self.pools.partition_point(|pool| pool.first_block > offset);
        let pool = self.pools.get(number).ok_or(FreeError::Foreign)?;
        let inside = offset.wrapping_sub(pool.first_block);
        // wcet: division: by the size of a block; this heap is not for audio threads
        // wcet: unreached: no block has a size of zero
        let index = inside.checked_div(pool.block_bytes).filter(|&index| index < pool.blocks);
        let index = index.ok_or(FreeError::Foreign)?;
        if inside != index * pool.block_bytes {
            let aligned = offset % GRANULE_BYTES == 0;
            return Err(if aligned { FreeError::Interior } else { FreeError::Misaligned });
        }
        Ok((pool, self.free_bits(pool).ok_or(FreeError::Foreign)?, index))
    }
}

// SAFETY: (S1, S2) a block is cut from its pool, whose blocks are as large and aligned as the layout, lies in
// the region whatever becomes of the heap, and nobody else gets it before its bit is set again.
unsafe impl Allocate for &SharedHeap<'_> {
    fn allocate(&mut self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        SharedHeap::allocate(self, layout)
    }

    unsafe fn free(&mut self, block: NonNull<u8>) -> Result<(), FreeError> {
        // SAFETY: the caller's promise is the same.
        unsafe { SharedHeap::free(self, block) }
    }

    fn usable_bytes(&self, block: NonNull<u8>) -> Result<usize, FreeError> {
        SharedHeap::usable_bytes(self, block)
    }
}

impl fmt::Debug for SharedHeap<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedHeap")
            .field("pools", &self.pools.len())
            .field("live_blocks", &self.live_blocks())
            .finish_non_exhaustive()
    }
}
