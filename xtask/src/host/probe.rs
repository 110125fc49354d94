//! Measures what happens inside a plugin's process calls on the audio thread: how long they take, what they do to the
//! system heap, faults and context switches.
//!
//! A probe allocates when it is made and not afterwards. What real-time code must not do is counted by
//! [`detalloc_audio::prove`]: nothing of the host's own lies between. The first [`WARM_UP_CALLBACKS`] calls are timed but their counters are
//! left out: host and plugin may set themselves up in them.

use std::time::Instant;

use detalloc_audio::prove::{Proof, Report};
use hdrhistogram::Histogram;

/// How many callbacks are warm-up.
pub const WARM_UP_CALLBACKS: usize = 100;

/// The longest call that is told apart from longer ones, in nanoseconds.
const LONGEST_NS: u64 = 60_000_000_000;

/// What the audio thread did inside process calls after warm-up. `None`: this platform cannot tell, or no callback
/// came after warm-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct AudioThread {
    /// System heap allocations, Rust's and C's.
    pub allocs: Option<u64>,
    /// System heap frees, Rust's and C's.
    pub frees: Option<u64>,
    /// Page faults that read no file.
    pub minor_faults: Option<u64>,
    /// Voluntary context switches.
    pub voluntary_switches: Option<u64>,
}

/// Measures one plugin's process calls.
pub struct Probe {
    callbacks: u64,
    deadline_ns: u64,
    misses: u64,
    busy_ns: u64,
    times_ns: Histogram<u64>,
    proof: Proof,
}

impl Probe {
    /// A probe for callbacks that must end within `deadline_ns` nanoseconds.
    ///
    /// # Panics
    ///
    /// Never: the histogram's bounds are constants in its range.
    pub fn new(deadline_ns: u64) -> Self {
        let mut times_ns = Histogram::new_with_bounds(1, LONGEST_NS, 3).expect("constant bounds in range");
        // Fills in the histogram's memory, so that recording on the audio thread touches no fresh page.
        let mut value = 1;
        while value < LONGEST_NS {
            times_ns.saturating_record(value);
            value += value / 64 + 1;
        }
        times_ns.reset();
        Probe {
            callbacks: 0,
            deadline_ns,
            misses: 0,
            busy_ns: 0,
            times_ns,
            proof: Proof::new().warm_up(WARM_UP_CALLBACKS),
        }
    }

    /// Runs one process call and measures it.
    pub fn call<R>(&mut self, process: impl FnOnce() -> R) -> R {
        let (elapsed, result) = self.proof.callback(|| {
            let start = Instant::now();
            let result = process();
            (start.elapsed(), result)
        });
        let elapsed_ns = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        self.times_ns.saturating_record(elapsed_ns);
        self.busy_ns = self.busy_ns.saturating_add(elapsed_ns);
        self.misses += u64::from(elapsed_ns > self.deadline_ns);
        self.callbacks += 1;
        result
    }

    /// How many calls were made.
    pub fn callbacks(&self) -> u64 {
        self.callbacks
    }

    /// How many calls took longer than the deadline, warm-up included.
    pub fn misses(&self) -> u64 {
        self.misses
    }

    /// Time spent inside all calls, in nanoseconds.
    pub fn busy_ns(&self) -> u64 {
        self.busy_ns
    }

    /// The deadline in nanoseconds.
    pub fn deadline_ns(&self) -> u64 {
        self.deadline_ns
    }

    /// The time that 99.9 % of the calls did not exceed, in nanoseconds.
    pub fn p999_ns(&self) -> u64 {
        self.times_ns.value_at_quantile(0.999)
    }

    /// The longest call in nanoseconds.
    pub fn worst_ns(&self) -> u64 {
        if self.times_ns.is_empty() { 0 } else { self.times_ns.max() }
    }

    /// What the calls after warm-up did that a real-time thread must not.
    pub fn report(&self) -> Report {
        self.proof.report()
    }
}

impl AudioThread {
    /// The figures of a report.
    pub fn of(report: &Report) -> Self {
        AudioThread {
            allocs: report.allocations.count,
            frees: report.frees.count,
            minor_faults: report.minor_faults.count,
            voluntary_switches: report.voluntary_switches.count,
        }
    }

    /// Whether the system heap was touched, as far as this platform can tell.
    pub fn touched_heap(&self) -> bool {
        self.allocs.is_some_and(|allocs| allocs > 0) || self.frees.is_some_and(|frees| frees > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warm_up_is_timed_but_not_counted() {
        let mut probe = Probe::new(1_000_000_000);
        for callback in 0..WARM_UP_CALLBACKS + 5 {
            probe.call(|| _ = (callback < WARM_UP_CALLBACKS).then(|| std::hint::black_box(Box::new(1_u64))));
        }
        assert_eq!((probe.callbacks(), probe.report().callbacks), (105, 5));
        assert!(!AudioThread::of(&probe.report()).touched_heap());
    }

    #[test]
    fn without_a_callback_after_warm_up_nothing_is_claimed() {
        let mut probe = Probe::new(1_000_000_000);
        (0..WARM_UP_CALLBACKS).for_each(|_| probe.call(|| ()));
        assert_eq!(AudioThread::of(&probe.report()), AudioThread::default());
    }

    #[test]
    fn a_call_beyond_the_deadline_is_a_miss() {
        let mut probe = Probe::new(0);
        probe.call(|| std::thread::sleep(std::time::Duration::from_micros(10)));
        assert_eq!(probe.misses(), 1);
        assert!(probe.worst_ns() >= 10_000 && probe.busy_ns() >= 10_000);
    }
}
