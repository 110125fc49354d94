//! What a heap has done, for a GUI or a report, read from any thread without disturbing the callback.

use crate::{
    instance::Instance,
    timing::{STEPS, STEPS_PER_DEADLINE},
};
use core::time::Duration;
use detalloc::{MAX_POOLS, PoolStats};
use std::{fmt, sync::Arc};

/// Reads the counts of a heap from any thread, without disturbing the callback. Keeps the memory it came from, so let go
/// of it when the heap has been reconfigured, and not in a callback: the last one to go frees that memory.
#[derive(Clone)]
pub struct Meter {
    instance: Arc<Instance>,
}

impl Meter {
    pub(crate) fn new(instance: Arc<Instance>) -> Self {
        Self { instance }
    }

    /// Takes a snapshot. Each count is true, but beside a callback they may be a few operations apart.
    ///
    /// # Time complexity
    /// Linear in the number of blocks, 64 at a time; wait-free, and without the system heap.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let Instance { counts, timing, .. } = &*self.instance;
        let mut snapshot = Snapshot {
            pools: [PoolStats::default(); MAX_POOLS],
            len: 0,
            refused: counts.refused.get(),
            topped_up: counts.topped_up.get(),
            contained: counts.contained.get(),
            uncontained: counts.uncontained.get() + counts.crowded.get(),
            buried: counts.buried.get(),
            carried: counts.carried.get(),
            abandoned: counts.abandoned.get(),
            violations: counts.violations.get(),
            callbacks: Callbacks {
                count: timing.callbacks(),
                missed: timing.missed(),
                longest: timing.longest(),
                deadline: timing.deadline(),
                histogram: timing.histogram(),
            },
        };
        for region in self.instance.regions() {
            region.meter().snapshot().pools().iter().for_each(|pool| snapshot.add(pool));
        }
        snapshot
    }
}

/// What should not happen in a callback, as counted so far.
#[cfg(feature = "prove")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mishaps {
    pub(crate) refused: usize,
    pub(crate) contained: usize,
    pub(crate) abandoned: usize,
}

#[cfg(feature = "prove")]
impl Meter {
    pub(crate) fn mishaps(&self) -> Mishaps {
        let counts = &self.instance.counts;
        Mishaps {
            refused: counts.refused.get(),
            contained: counts.contained.get(),
            abandoned: counts.abandoned.get(),
        }
    }
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Meter").field(&self.snapshot()).finish()
    }
}

/// The counts of a heap since it got its memory.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pools: [PoolStats; MAX_POOLS],
    len: usize,
    /// Requests that were refused, whatever the reason; those of ordinary code that [`Routed`](crate::Routed) contains
    /// included.
    pub refused: usize,
    /// Requests that only memory which the reaper has added could serve.
    pub topped_up: usize,
    /// Containments: requests of ordinary code (`Box`, `Vec`, any crate) in a callback that the pools have served.
    pub contained: usize,
    /// Requests of ordinary code in a callback that reached the system heap, because the pools could not serve them, and callbacks in
    /// which nothing could be contained or sent away, because too many threads were in callbacks at once.
    pub uncontained: usize,
    /// Blocks of the system heap that ordinary code freed in a callback, and which the reaper has freed or will.
    pub buried: usize,
    /// [`Foreign`](crate::Foreign) values, and handles of other heaps, that found their lane full and travelled in a block of the
    /// pools instead. Not a loss, but a sign that the budget wants a longer lane.
    pub carried: usize,
    /// Those that found the pools exhausted as well: they will never be destroyed. A leak, and the only one.
    pub abandoned: usize,
    /// Violations of strict mode that were counted instead of ending the program.
    pub violations: usize,
    /// The time that callbacks take.
    pub callbacks: Callbacks,
}

impl Snapshot {
    fn add(&mut self, pool: &PoolStats) {
        let known = self.pools[..self.len].iter_mut().find(|known| known.block_bytes == pool.block_bytes);
        match known {
            Some(known) => {
                known.blocks += pool.blocks;
                known.used += pool.used;
                known.peak += pool.peak;
                known.borrowed += pool.borrowed;
                known.freed_remotely += pool.freed_remotely;
            }
            None if self.len < MAX_POOLS => {
                self.pools[self.len] = *pool;
                self.len += 1;
            }
            None => {}
        }
    }

    /// The classes, smallest blocks first, each over all regions. What the first region has refused counts as refused there,
    /// also when memory that was added could serve it.
    #[must_use]
    pub fn pools(&self) -> &[PoolStats] {
        &self.pools[..self.len]
    }

    /// All blocks together, in bytes; metadata not included.
    #[must_use]
    pub fn total_bytes(&self) -> usize {
        self.sum(|pool| pool.blocks)
    }

    /// All live blocks together, in bytes: whole blocks, not what was asked for. Those included that are on their way to the
    /// reaper.
    #[must_use]
    pub fn used_bytes(&self) -> usize {
        self.sum(|pool| pool.used)
    }

    /// The high water of all classes together, in bytes.
    #[must_use]
    pub fn peak_bytes(&self) -> usize {
        self.sum(|pool| pool.peak)
    }

    fn sum(&self, blocks: impl Fn(&PoolStats) -> usize) -> usize {
        self.pools().iter().map(|pool| blocks(pool) * pool.block_bytes).sum()
    }
}

/// The time that callbacks take, measured with the processor's counter.
#[derive(Clone, Debug)]
pub struct Callbacks {
    /// How many callbacks there were.
    pub count: usize,
    /// How many of them took longer than their deadline.
    pub missed: usize,
    /// The longest of them. `None`: this processor has no counter that programs may read, and nothing is measured.
    pub longest: Option<Duration>,
    /// The deadline of the largest block. `None` as for `longest`.
    pub deadline: Option<Duration>,
    histogram: [u32; STEPS],
}

impl Callbacks {
    /// How many callbacks took how much of the deadline of the largest block: steps of 1/32, the last of which has all that took
    /// twice as long or longer. Each counts modulo 2^32.
    #[must_use]
    pub fn histogram(&self) -> &[u32] {
        &self.histogram
    }

    /// The share of the deadline at which a step of the histogram begins.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    pub fn step_begins_at(step: usize) -> f64 {
        step as f64 / STEPS_PER_DEADLINE as f64
    }
}
