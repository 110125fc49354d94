//! Counts, as C reads them.

use crate::{
    allocator::{Mode, det_allocator_t},
    clock,
    config::DET_MAX_POOLS,
    error::det_error_t::{self, *},
};
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use detalloc::{PoolStats, Stats};

/// The version of `det_stats_t` that this header has.
pub const DET_STATS_VERSION: u32 = 1;

/// Counts of one pool.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct det_pool_stats_t {
    /// Size of a block, in bytes.
    pub block_size: usize,
    /// Number of blocks.
    pub block_count: usize,
    /// Live blocks, those included that serve a smaller class or were freed by other threads and not yet adopted.
    pub used: usize,
    /// The most blocks ever live.
    pub peak: usize,
    /// Requests of this class that were refused. Stops counting at 2^32 - 1, or goes round with `thread_safe`.
    pub refused: usize,
    /// Requests of this class that a larger one served, modulo 2^32 or the size of a word.
    pub borrowed: usize,
    /// Blocks that other threads freed and the owner has adopted; 0 with `thread_safe`.
    pub freed_remotely: usize,
}

impl det_pool_stats_t {
    fn of(pool: PoolStats) -> Self {
        Self {
            block_size: pool.block_bytes,
            block_count: pool.blocks,
            used: pool.used,
            peak: pool.peak,
            refused: pool.refused,
            borrowed: pool.borrowed,
            freed_remotely: pool.freed_remotely,
        }
    }
}

/// Counts of an allocator. This layout never changes: what a later version counts besides gets a structure and a function
/// of its own.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct det_stats_t {
    /// `DET_STATS_VERSION` of the library, which is that of this structure.
    pub version: u32,
    /// How many bytes the library has written, this structure's size.
    pub struct_size: u32,
    /// All blocks together, in bytes; metadata not included.
    pub total_memory: usize,
    /// All live blocks together, in bytes.
    pub used_memory: usize,
    /// The high water of each pool, all together, in bytes: the most that was ever live at once can be less.
    pub peak_memory: usize,
    /// Requests that the pools refused: those for which no block was free, or of a size and alignment that no pool has. What
    /// is refused before it reaches them is not counted: counts that overflow, sizes that no object has, alignments that are
    /// no power of two.
    pub refused: usize,
    /// Allocations that were served, with `enable_stats`; as the four below modulo the size of a word.
    pub alloc_count: usize,
    /// Blocks that were taken back by `det_free` and `det_realloc`; remote frees are not included.
    pub free_count: usize,
    /// Cycles of all allocations together, refused ones included; ticks where `det_get_cycles` counts those, here and below.
    pub total_cycles_alloc: usize,
    /// Cycles of all frees together.
    pub total_cycles_free: usize,
    /// The most cycles that an allocation was seen to take, the two readings and interrupts included; 0 where nothing was
    /// measured.
    pub wcet_alloc: usize,
    /// The most cycles that a free was seen to take.
    pub wcet_free: usize,
    /// How many of the pools below count.
    pub pool_count: usize,
    /// The pools, smallest blocks first.
    pub pool_stats: [det_pool_stats_t; DET_MAX_POOLS],
}

/// What is counted of one kind of operation. Relaxed everywhere: numbers, by which nothing is reached.
pub(crate) struct Count {
    served: AtomicUsize,
    total: AtomicUsize,
    worst: AtomicUsize,
}

pub(crate) struct Counts {
    pub(crate) allocate: Count,
    pub(crate) free: Count,
}

impl Counts {
    pub(crate) const fn new() -> Self {
        Self { allocate: Count::new(), free: Count::new() }
    }
}

impl Count {
    const fn new() -> Self {
        Self { served: AtomicUsize::new(0), total: AtomicUsize::new(0), worst: AtomicUsize::new(0) }
    }

    /// Counts an operation that began then. A single owner needs no more than plain stores.
    #[inline]
    pub(crate) fn note(&self, start: u64, is_served: bool, is_shared: bool) {
        let (served, took) = (usize::from(is_served), clock::between(start, clock::now()));
        #[cfg(target_has_atomic = "ptr")]
        if is_shared {
            self.served.fetch_add(served, Relaxed);
            self.total.fetch_add(took, Relaxed);
            // Few operations are the worst so far, and most need not write.
            if took > self.worst() {
                self.worst.fetch_max(took, Relaxed);
            }
            return;
        }
        #[cfg(not(target_has_atomic = "ptr"))]
        let _ = is_shared;
        self.served.store(self.served.load(Relaxed).wrapping_add(served), Relaxed);
        self.total.store(self.total.load(Relaxed).wrapping_add(took), Relaxed);
        self.worst.store(self.worst().max(took), Relaxed);
    }

    pub(crate) fn worst(&self) -> usize {
        self.worst.load(Relaxed)
    }
}

impl crate::allocator::Allocator {
    pub(crate) fn snapshot(&self) -> Stats {
        match &self.mode {
            Mode::Owned(owned) => owned.meter.snapshot(),
            #[cfg(target_has_atomic = "ptr")]
            Mode::Shared(heap) => heap.snapshot(),
        }
    }
}

/// Writes the counts of an allocator.
///
/// @param alloc The allocator.
/// @param stats Where the counts are written.
/// @return DET_OK or the error.
///
/// Errors: `DET_ERR_NULL`, `DET_ERR_NOT_INITIALIZED`; nothing is written then.
///
/// Time: linear in the number of blocks, a word of bits at a time; with `thread_safe`, in the number of pools. Threads: any;
/// each count is true, but beside working threads they are not of one instant.
///
/// # Safety
/// (C1)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn det_get_stats(
    alloc: *const det_allocator_t,
    stats: *mut det_stats_t,
) -> det_error_t {
    // SAFETY: the caller's promise.
    let opened = match unsafe { det_allocator_t::open(alloc.cast_mut()) } {
        Ok(opened) => opened,
        Err(error) => return error,
    };
    if stats.is_null() {
        return opened.last_error.note(DET_ERR_NULL);
    }
    let snapshot = opened.snapshot();
    let counts = &opened.counts;
    let mut written = det_stats_t {
        version: DET_STATS_VERSION,
        struct_size: u32::try_from(size_of::<det_stats_t>()).unwrap_or(u32::MAX),
        total_memory: snapshot.total_bytes(),
        used_memory: snapshot.used_bytes(),
        peak_memory: snapshot.peak_bytes(),
        refused: snapshot.refused(),
        alloc_count: counts.allocate.served.load(Relaxed),
        free_count: counts.free.served.load(Relaxed),
        total_cycles_alloc: counts.allocate.total.load(Relaxed),
        total_cycles_free: counts.free.total.load(Relaxed),
        wcet_alloc: counts.allocate.worst(),
        wcet_free: counts.free.worst(),
        pool_count: snapshot.pools().len(),
        pool_stats: [det_pool_stats_t::of(PoolStats::default()); DET_MAX_POOLS],
    };
    for (into, pool) in written.pool_stats.iter_mut().zip(snapshot.pools()) {
        *into = det_pool_stats_t::of(*pool);
    }
    // SAFETY: (C1); its bytes need not be initialised to be overwritten.
    unsafe { stats.write(written) };
    DET_OK
}

/// Writes the counts of one pool, the smallest blocks' being number 0. Takes less stack than `det_get_stats`, of which small
/// tasks have little.
///
/// @param alloc The allocator.
/// @param pool The pool's number.
/// @param stats Where the counts are written.
/// @return DET_OK or the error.
///
/// Errors: `DET_ERR_NULL`, `DET_ERR_NOT_INITIALIZED`; `DET_ERR_INVALID_PARAM` if there is no such pool. Nothing is written then.
///
/// Time: linear in the number of its blocks, a word of bits at a time. Threads: any.
///
/// # Safety
/// (C1)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn det_get_pool_stats(
    alloc: *const det_allocator_t,
    pool: usize,
    stats: *mut det_pool_stats_t,
) -> det_error_t {
    // SAFETY: the caller's promise.
    let opened = match unsafe { det_allocator_t::open(alloc.cast_mut()) } {
        Ok(opened) => opened,
        Err(error) => return error,
    };
    if stats.is_null() {
        return opened.last_error.note(DET_ERR_NULL);
    }
    let found = match &opened.mode {
        Mode::Owned(owned) => owned.meter.pool(pool),
        #[cfg(target_has_atomic = "ptr")]
        Mode::Shared(heap) => heap.pool(pool),
    };
    let Some(found) = found else { return opened.last_error.note(DET_ERR_INVALID_PARAM) };
    // SAFETY: (C1); its bytes need not be initialised to be overwritten.
    unsafe { stats.write(det_pool_stats_t::of(found)) };
    DET_OK
}
