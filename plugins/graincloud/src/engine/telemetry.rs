//! What the engine has done, countable from any thread.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What the engine has done since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Grains that have begun.
    pub spawned: u64,
    /// Grains that were live at the end of the last callback.
    pub live: u64,
    /// The most grains that were ever live.
    pub live_peak: u64,
    /// Grains that faded early so that another could begin.
    pub stolen: u64,
    /// Allocations that the pools refused.
    pub refusals: u64,
    /// Keys that lost their voice to a sixty-fifth.
    pub voices_stolen: u64,
    /// Values that were infinite, not a number or denormal, at the input or at the output.
    pub removed: u64,
}

/// The same counts, published once a callback with plain stores: reading disturbs nobody. Each count is true, but
/// together they may be of two callbacks.
#[derive(Debug, Default)]
pub struct Telemetry([AtomicU64; 7]);

impl Telemetry {
    pub(crate) fn publish(&self, counts: &Counts) {
        let Counts { spawned, live, live_peak, stolen, refusals, voices_stolen, removed } = *counts;
        let values = [spawned, live, live_peak, stolen, refusals, voices_stolen, removed];
        self.0.iter().zip(values).for_each(|(cell, value)| cell.store(value, Relaxed));
    }

    /// Takes a snapshot.
    #[must_use]
    pub fn snapshot(&self) -> Counts {
        let [spawned, live, live_peak, stolen, refusals, voices_stolen, removed] =
            std::array::from_fn(|index| self.0[index].load(Relaxed));
        Counts { spawned, live, live_peak, stolen, refusals, voices_stolen, removed }
    }
}
