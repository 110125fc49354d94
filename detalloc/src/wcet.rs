//! How long the operations of a heap take: count, mean, worst and a histogram of each, as [`Wcet`] measures
//! them.
//!
//! Every operation is measured, by two readings of a [`Clock`]; what the two readings themselves take at the
//! least is measured when the observer is made, and subtracted. The reported worst is the worst *seen*,
//! interrupts and preemption included: the histogram shows whether it was one of a kind. The bound for any
//! input is not measured but counted in instructions (see the crate's first page).

use crate::{
    cycles::Clock,
    observe::{Event, Observer},
};
use core::ops::RangeInclusive;

/// One a power of two, and the last one for all that is longer.
const BUCKETS: usize = 32;

/// How long the operations of one kind took, whatever their answer was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OperationStats {
    /// How many were measured.
    pub count: u64,
    /// All of them together, in ticks.
    pub total: u64,
    /// The longest, in ticks.
    pub worst: u64,
    /// How many took how long: [`OperationStats::bucket_ticks`]. A bucket stops counting at `u32::MAX`.
    pub buckets: [u32; Self::BUCKETS],
}

impl OperationStats {
    /// How many buckets the histogram has.
    pub const BUCKETS: usize = BUCKETS;

    /// The mean in ticks, rounded; `None` when nothing was measured.
    #[must_use]
    pub const fn mean(&self) -> Option<u64> {
        self.total.saturating_add(self.count / 2).checked_div(self.count)
    }

    /// The ticks that a bucket stands for: 0, 1, 2 to 3, 4 to 7 and so on. Past the last bucket there is the
    /// last one.
    #[must_use]
    pub const fn bucket_ticks(bucket: usize) -> RangeInclusive<u64> {
        match bucket {
            0 => 0..=0,
            1..BUCKETS if bucket < BUCKETS - 1 => 1 << (bucket - 1)..=(1 << bucket) - 1,
            _ => 1 << (BUCKETS - 2)..=u64::MAX,
        }
    }

    #[inline]
    fn note(&mut self, ticks: u64) {
        self.count = self.count.saturating_add(1);
        self.total = self.total.saturating_add(ticks);
        self.worst = self.worst.max(ticks);
        let bucket = (u64::BITS - ticks.leading_zeros()) as usize;
        let bucket = &mut self.buckets[bucket.min(BUCKETS - 1)];
        *bucket = bucket.saturating_add(1);
    }
}

/// What [`Wcet`] has measured: a copyable snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WcetStats {
    /// What a tick is called: [`Clock::UNIT`].
    pub unit: &'static str,
    /// What measuring nothing takes at the least, in ticks; it is subtracted from everything below.
    pub overhead: u64,
    /// Allocations, refused ones included.
    pub allocate: OperationStats,
    /// Frees, refused ones included.
    pub free: OperationStats,
    /// Reallocations, refused ones included. Those that move copy, so their time depends on the size.
    pub reallocate: OperationStats,
}

/// Measures every operation of a heap.
///
/// In a pair of observers it belongs in the second place, so that it does not measure the other one.
///
/// ```
/// # #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))] {
/// use core::{alloc::Layout, mem::MaybeUninit};
/// use detalloc::{Allocate, Config, Cycles, Heap, Observed, PoolConfig, Wcet};
///
/// const CONFIG: Config = Config::constant(&[PoolConfig::new(64, 16)]);
/// let mut region = [MaybeUninit::uninit(); CONFIG.bytes_needed()];
/// let mut heap = Observed::new(Heap::new(&mut region, &CONFIG).unwrap(), Wcet::new(Cycles));
/// for _ in 0..10 {
///     heap.allocate(Layout::new::<u64>()).unwrap();
/// }
/// let measured = heap.observer().snapshot();
/// assert_eq!(measured.allocate.count, 10);
/// assert!(measured.allocate.worst >= measured.allocate.mean().unwrap());
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Wcet<C> {
    clock: C,
    stats: WcetStats,
}

/// Enough for one empty measurement that nothing disturbs, after the first ones have filled the caches.
const CALIBRATIONS: usize = 64;

impl<C: Clock> Wcet<C> {
    /// Nothing measured yet, but the overhead.
    ///
    /// # Time complexity
    /// Constant: 64 empty measurements. Not for real-time paths.
    #[must_use]
    pub fn new(mut clock: C) -> Self {
        let mut overhead = u64::MAX;
        for _ in 0..CALIBRATIONS {
            let start = clock.now();
            overhead = overhead.min(C::between(start, clock.now()));
        }
        Self { clock, stats: WcetStats::empty(C::UNIT, overhead) }
    }

    /// What has been measured so far.
    #[must_use]
    pub const fn snapshot(&self) -> WcetStats {
        self.stats
    }

    /// Forgets what has been measured, but not the overhead: after a warm-up, for example.
    pub fn reset(&mut self) {
        self.stats = WcetStats::empty(self.stats.unit, self.stats.overhead);
    }
}

impl WcetStats {
    const fn empty(unit: &'static str, overhead: u64) -> Self {
        let none = OperationStats { count: 0, total: 0, worst: 0, buckets: [0; BUCKETS] };
        Self { unit, overhead, allocate: none, free: none, reallocate: none }
    }
}

impl<C: Clock> Observer for Wcet<C> {
    type Start = u64;

    #[inline]
    fn start(&mut self) -> u64 {
        self.clock.now()
    }

    #[inline]
    fn observe(&mut self, start: u64, event: &Event) {
        let ticks = C::between(start, self.clock.now()).saturating_sub(self.stats.overhead);
        let operation = match event {
            Event::Allocated { .. } | Event::Refused { .. } => &mut self.stats.allocate,
            Event::Freed { .. } | Event::FreeRefused { .. } => &mut self.stats.free,
            Event::Reallocated { .. } | Event::ReallocateRefused { .. } => &mut self.stats.reallocate,
        };
        operation.note(ticks);
    }
}
