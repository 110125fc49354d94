//! What operations take in ticks of the processor's clock, denoised: the same operation is measured in many replays of the same
//! trace, and the least counts, as everything that disturbs it only adds to it.

use crate::{
    allocators::{Build, Room},
    replay::{Kind, replay},
    traces::Trace,
};
use core::{
    arch::x86_64::{_mm_lfence, _rdtsc},
    fmt,
    hint::black_box,
};
use std::{
    thread,
    time::{Duration, Instant},
};

/// More than the caches of a core, in bytes.
const EVICTING_BYTES: usize = 32 << 20;

const LINE_BYTES: usize = 64;

/// Takes everything else out of the caches by walking over other memory.
pub struct Evict(Vec<u8>);

impl Evict {
    /// Ready to.
    #[must_use]
    pub fn new() -> Self {
        Self(vec![0; EVICTING_BYTES])
    }

    /// Does it, which takes milliseconds.
    pub fn now(&mut self) {
        self.0.iter_mut().step_by(LINE_BYTES).for_each(|byte| *byte = byte.wrapping_add(1));
        black_box(&self.0);
    }
}

impl Default for Evict {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Evict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Evict")
    }
}

/// The kind of every operation, and the least ticks that it took in any replay.
#[must_use]
pub fn least(
    trace: &Trace,
    replays: usize,
    build: Build,
    room: &Room,
    before: &mut dyn FnMut(usize),
) -> Vec<(Kind, u64)> {
    let reading = reading();
    let mut least: Vec<(Kind, u64)> = Vec::new();
    for _ in 0..replays {
        // Set up anew, so that each replay finds the same, and the trace played once, so that nothing is touched first.
        let mut subject = build(room);
        let mut operation = 0;
        // SAFETY: each request is performed once, by replays, which keep their subject and free live blocks with their
        // layouts.
        let costs = unsafe {
            replay(trace, subject.as_mut(), |request| (request.perform(), 0));
            replay(trace, subject.as_mut(), |request| {
                before(operation);
                operation += 1;
                let (block, ticks) = ticks(|| request.perform());
                (block, ticks.saturating_sub(reading))
            })
        };
        if least.is_empty() {
            least = costs;
        } else {
            least.iter_mut().zip(costs).for_each(|(least, cost)| least.1 = least.1.min(cost.1));
        }
    }
    least
}

/// The median, the 99.9th percentile and the most of what operations of one kind took. `None`: there were none.
#[must_use]
pub fn quantiles(costs: &[(Kind, u64)], kind: Kind) -> Option<[u64; 3]> {
    let mut ticks: Vec<u64> = costs.iter().filter(|cost| cost.0 == kind).map(|cost| cost.1).collect();
    ticks.sort_unstable();
    let last = ticks.len().checked_sub(1)?;
    Some([last / 2, last * 999 / 1000, last].map(|place| ticks[place]))
}

/// How long a tick is, in nanoseconds: measured for a tenth of a second.
#[must_use]
pub fn tick_ns() -> f64 {
    let start = Instant::now();
    let ((), ticks) = ticks(|| thread::sleep(Duration::from_millis(100)));
    let took = start.elapsed();
    #[expect(clippy::cast_precision_loss, reason = "some hundred million")]
    let ticks = ticks as f64;
    took.as_secs_f64() * 1e9 / ticks
}

/// What it takes to read the clock, which every measurement has in it.
#[must_use]
pub fn reading() -> u64 {
    (0..1000).map(|_| ticks(|| ()).1).min().unwrap_or(0)
}

/// What an operation returns, and the ticks from before its first instruction until after its last one.
#[inline(always)]
pub fn ticks<R>(operation: impl FnOnce() -> R) -> (R, u64) {
    // SAFETY: both instructions are part of every x86-64.
    unsafe {
        _mm_lfence();
        let start = _rdtsc();
        _mm_lfence();
        let result = operation();
        _mm_lfence();
        let end = _rdtsc();
        (result, end.wrapping_sub(start))
    }
}
