//! Page faults of the audio thread while it was in the callback; the rest is in the heap's own meter.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
};
use thread_watch::Usage;

/// The first callbacks also meet the code for the first time.
pub const WARM_UP: usize = 16;

/// Counts in which the audio thread alone adds something.
#[derive(Clone, Default)]
pub struct Tally {
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    callbacks: AtomicUsize,
    faults: AtomicU64,
}

impl Tally {
    /// Runs one callback. The system calls that count are for the show: a product leaves them out.
    pub fn callback(&self, callback: impl FnOnce()) {
        let before = minor_faults();
        callback();
        let warm = self.counts.callbacks.fetch_add(1, Relaxed) >= WARM_UP;
        if let (Some(before), Some(after), true) = (before, minor_faults(), warm) {
            self.counts.faults.fetch_add(after - before, Relaxed);
        }
    }

    /// Page faults in callbacks after the warm-up. `None`: this system does not say.
    pub fn faults(&self) -> Option<u64> {
        minor_faults().map(|_| self.counts.faults.load(Relaxed))
    }
}

fn minor_faults() -> Option<u64> {
    Usage::of_this_thread().map(|usage| usage.minor_faults)
}
