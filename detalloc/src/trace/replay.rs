//! Replaying a trace on a heap of any configuration: does it fit, and with what headroom?

use super::{
    follow::Follower,
    reader::{Trace, TraceError},
};
use crate::{
    allocate::Allocate,
    config::Config,
    error::{AllocError, ResizeError},
    heap::Heap,
    stats::{PoolStats, Stats},
};
use alloc::vec::Vec;
use core::{alloc::Layout, error, fmt, ptr::NonNull};

/// What a trace would do to a heap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replay {
    /// How many requests for memory there were: allocations and reallocations, those included that were
    /// refused when the trace was recorded, unless their size is one that no layout can have.
    pub requests: usize,
    /// How many of them were refused in the replay.
    pub refusals: usize,
    /// The first of these.
    pub first_refusal: Option<Refusal>,
    /// How many requests were refused when the trace was recorded. In the replay an allocation among them
    /// gives back at once what it gets, since how long it would have been kept is not known.
    pub refused_when_recorded: usize,
    /// Blocks that were freed without a record, by another thread: seen when their place was handed out
    /// again.
    pub unseen_frees: usize,
    /// Blocks that were freed or resized though the trace does not say that they were allocated: recording
    /// began later.
    pub unknown_blocks: usize,
    /// Events that the recorder's memory did not hold: what came after is not part of the answer.
    pub lost: u64,
    /// The counts of the heap at the end, and its high waters.
    pub stats: Stats,
    /// The memory that the configuration needs, in bytes.
    pub bytes_needed: usize,
}

/// A request that was refused in a replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which record of the trace it was; the first one is number 0.
    pub record: usize,
    /// What was asked for.
    pub layout: Layout,
    /// Why it was refused.
    pub error: AllocError,
}

impl Replay {
    /// Whether every request was served.
    #[must_use]
    pub const fn fits(&self) -> bool {
        self.refusals == 0
    }

    /// The pool that came nearest to its end; `None` if no block was ever allocated.
    #[must_use]
    pub fn tightest(&self) -> Option<PoolStats> {
        let used = self.stats.pools().iter().filter(|pool| pool.peak > 0);
        used.min_by_key(|pool| headroom_percent(pool)).copied()
    }

    /// How much of the tightest pool was never in use, in percent, rounded down; 100 if no block was ever
    /// allocated.
    #[must_use]
    pub fn headroom_percent(&self) -> usize {
        self.tightest().map_or(100, |pool| headroom_percent(&pool))
    }
}

/// How much of a pool was never in use, in percent, rounded down.
fn headroom_percent(pool: &PoolStats) -> usize {
    (pool.blocks - pool.peak) * 100 / pool.blocks.max(1)
}

impl fmt::Display for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} requests, {} bytes of memory: ", self.requests, self.bytes_needed)?;
        match (self.first_refusal, self.tightest()) {
            (Some(first), _) => {
                let Refusal { record, layout, error } = first;
                let (size, align) = (layout.size(), layout.align());
                write!(f, "does not fit, {} refused, first record {record}", self.refusals)?;
                write!(f, " ({size} bytes aligned to {align}): {error}")
            }
            (None, Some(PoolStats { block_bytes, blocks, peak, .. })) => {
                write!(f, "fits, headroom {} % in the tightest pool", self.headroom_percent())?;
                write!(f, " ({peak} of {blocks} blocks of {block_bytes} bytes)")
            }
            (None, None) => write!(f, "fits, nothing was allocated"),
        }
    }
}

/// Why a replay came to no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplayError {
    /// The trace cannot be read.
    Trace(TraceError),
    /// The memory for the heap cannot be had.
    Memory {
        /// How much it is, in bytes.
        needed: usize,
    },
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trace(error) => error.fmt(f),
            Self::Memory { needed } => write!(f, "{needed} bytes of memory cannot be had"),
        }
    }
}

impl error::Error for ReplayError {}

impl From<TraceError> for ReplayError {
    fn from(error: TraceError) -> Self {
        Self::Trace(error)
    }
}

/// Runs a trace on a heap of this configuration, to the end even if something is refused. An allocation that
/// is refused here and was served in the recording is left out with all that follows for its block; a block
/// that cannot be resized stays as it is.
///
/// # Errors
/// [`ReplayError::Trace`] if and only if the bytes are no trace or a record cannot be read;
/// [`ReplayError::Memory`] if and only if the memory for the heap cannot be had.
///
/// # Time complexity
/// *n* log *n* in the number of records. Not for real-time paths.
pub fn replay(trace: &[u8], config: &Config) -> Result<Replay, ReplayError> {
    let trace = Trace::parse(trace)?;
    let bytes_needed = config.bytes_needed();
    let mut region = Vec::<u8>::new();
    region.try_reserve_exact(bytes_needed).map_err(|_| ReplayError::Memory { needed: bytes_needed })?;
    let region = &mut region.spare_capacity_mut()[..bytes_needed];
    let heap = Heap::new(region, config).map_err(|_| ReplayError::Memory { needed: bytes_needed })?;
    let mut on_heap = OnHeap { heap, record: 0, requests: 0, refusals: 0, first_refusal: None };
    let seen = on_heap.follow(trace)?;
    Ok(Replay {
        requests: on_heap.requests,
        refusals: on_heap.refusals,
        first_refusal: on_heap.first_refusal,
        refused_when_recorded: seen.refused,
        unseen_frees: seen.unseen_frees,
        unknown_blocks: seen.unknown_blocks,
        lost: trace.lost(),
        stats: on_heap.heap.meter().snapshot(),
        bytes_needed,
    })
}

/// A heap that is led through a trace.
struct OnHeap<'r> {
    heap: Heap<'r>,
    record: usize,
    requests: usize,
    refusals: usize,
    first_refusal: Option<Refusal>,
}

impl OnHeap<'_> {
    fn refuse(&mut self, layout: Layout, error: AllocError) {
        self.refusals += 1;
        self.first_refusal.get_or_insert(Refusal { record: self.record, layout, error });
    }
}

impl Follower for OnHeap<'_> {
    /// `None` where the request was refused.
    type Block = Option<NonNull<u8>>;

    fn at(&mut self, record: usize) {
        self.record = record;
    }

    fn allocate(&mut self, layout: Layout) -> Self::Block {
        self.requests += 1;
        self.heap.allocate(layout).map_err(|error| self.refuse(layout, error)).ok()
    }

    fn free(&mut self, block: Self::Block, layout: Layout) {
        if let Some(block) = block {
            // SAFETY: the block is of this heap, and the follower gives it up here.
            let freed = unsafe { self.heap.free_layout(block, layout) };
            debug_assert!(freed.is_ok(), "{freed:?}");
        }
    }

    fn reallocate(
        &mut self,
        block: Self::Block,
        layout: Layout,
        new: Layout,
        _: bool,
    ) -> Result<Self::Block, Self::Block> {
        let Some(old) = block else { return Ok(self.allocate(new)) };
        self.requests += 1;
        // SAFETY: the block is of this heap and was allocated for this layout; only the result is used
        // afterwards.
        match unsafe { self.heap.reallocate(old, layout, new.size()) } {
            Ok(resized) => Ok(Some(resized)),
            Err(error) => {
                if let ResizeError::Memory(error) = error {
                    self.refuse(new, error);
                }
                Err(block)
            }
        }
    }
}
