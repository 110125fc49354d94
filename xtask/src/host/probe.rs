//! Measures what happens inside a plugin's process calls on the audio thread: how long they take, what they do to the
//! system heap, faults and context switches.
//!
//! A probe allocates when it is made and not afterwards. The counters are read just before and just after the call,
//! nothing of the host's own lies between. The first [`WARM_UP_CALLBACKS`] calls are timed but their counters are
//! left out: host and plugin may set themselves up in them.

use std::time::Instant;

use hdrhistogram::Histogram;
use heap_watch::{Counts, Touch};

use super::usage::Usage;
use crate::number::length;

/// How many callbacks are warm-up.
pub const WARM_UP_CALLBACKS: u64 = 100;

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
    heap_available: bool,
    heap: Option<Counts>,
    usage: Option<Usage>,
    guilty_callback: Option<u64>,
    guilty: Vec<Touch>,
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
            heap_available: heap_watch::available(),
            heap: None,
            usage: None,
            guilty_callback: None,
            guilty: Vec::new(),
        }
    }

    /// Does once per thread what the first measured call would otherwise do inside its measured section.
    pub fn prepare_thread(&self) {
        heap_watch::prepare();
        heap_watch::discard_touches();
        let _ = Usage::of_this_thread();
        let _ = Instant::now();
    }

    /// Runs one process call and measures it.
    pub fn call<R>(&mut self, process: impl FnOnce() -> R) -> R {
        let usage_before = Usage::of_this_thread();
        let start = Instant::now();
        let (result, heap) = heap_watch::watch(process);
        let elapsed = start.elapsed();
        let usage_after = Usage::of_this_thread();

        let elapsed_ns = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        self.times_ns.saturating_record(elapsed_ns);
        self.busy_ns = self.busy_ns.saturating_add(elapsed_ns);
        self.misses += u64::from(elapsed_ns > self.deadline_ns);
        self.callbacks += 1;
        if self.callbacks <= WARM_UP_CALLBACKS {
            heap_watch::discard_touches();
        } else {
            self.count(usage_before, usage_after, heap);
        }
        result
    }

    fn count(&mut self, before: Option<Usage>, after: Option<Usage>, heap: Option<Counts>) {
        if let (Some(before), Some(after)) = (before, after) {
            let sum = self.usage.get_or_insert_default();
            sum.minor_faults += after.minor_faults - before.minor_faults;
            sum.voluntary_switches += after.voluntary_switches - before.voluntary_switches;
        }
        if let (true, Some(heap)) = (self.heap_available, heap) {
            let sum = self.heap.get_or_insert_default();
            sum.allocs += heap.allocs;
            sum.frees += heap.frees;
            if heap != Counts::default() {
                self.guilty_callback.get_or_insert(self.callbacks);
            }
        }
    }

    /// Collects the stacks of this thread's heap touches. Call it on the audio thread after the last call.
    ///
    /// # Time complexity
    ///
    /// Allocates.
    pub fn finish_thread(&mut self) {
        self.guilty.extend(heap_watch::take_touches());
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

    /// What the audio thread did after warm-up.
    pub fn audio_thread(&self) -> AudioThread {
        AudioThread {
            allocs: self.heap.map(|heap| heap.allocs),
            frees: self.heap.map(|heap| heap.frees),
            minor_faults: self.usage.map(|usage| usage.minor_faults),
            voluntary_switches: self.usage.map(|usage| usage.voluntary_switches),
        }
    }

    /// Whether the system heap was touched after warm-up, as far as this platform can tell.
    pub fn touched_heap(&self) -> bool {
        self.heap.is_some_and(|heap| heap != Counts::default())
    }

    /// The first callback after warm-up that touched the system heap, counted from 1.
    pub fn guilty_callback(&self) -> Option<u64> {
        self.guilty_callback
    }

    /// The first touches of the system heap after warm-up, with their stacks.
    pub fn guilty(&self) -> &[Touch] {
        &self.guilty
    }

    /// How many touches there were beyond those of [`Probe::guilty`].
    pub fn further_touches(&self) -> u64 {
        let touches = self.heap.map_or(0, |heap| heap.allocs.max(heap.frees));
        touches.saturating_sub(length(self.guilty.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probed(callbacks: u64, mut body: impl FnMut(u64)) -> Probe {
        let mut probe = Probe::new(1_000_000_000);
        probe.prepare_thread();
        for callback in 1..=callbacks {
            probe.call(|| body(callback));
        }
        probe.finish_thread();
        probe
    }

    fn plant() {
        drop(std::hint::black_box(Box::new(1_u64)));
    }

    #[test]
    fn warm_up_is_not_counted() {
        let probe = probed(WARM_UP_CALLBACKS + 5, |callback| {
            if callback <= WARM_UP_CALLBACKS {
                plant();
            }
        });
        assert!(!probe.touched_heap());
        assert!(probe.guilty().is_empty());
        assert_eq!(probe.callbacks(), WARM_UP_CALLBACKS + 5);
    }

    #[test]
    fn without_a_callback_after_warm_up_nothing_is_claimed() {
        assert_eq!(probed(WARM_UP_CALLBACKS, |_| ()).audio_thread(), AudioThread::default());
    }

    #[test]
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    fn a_planted_allocation_is_found_in_its_callback() {
        let probe = probed(WARM_UP_CALLBACKS + 50, |callback| {
            if callback == WARM_UP_CALLBACKS + 7 {
                plant();
            }
        });
        assert!(probe.touched_heap());
        assert_eq!((probe.audio_thread().allocs, probe.audio_thread().frees), (Some(1), Some(1)));
        assert_eq!(probe.guilty_callback(), Some(WARM_UP_CALLBACKS + 7));
        let frames = probe.guilty()[0].frames();
        assert!(frames.iter().any(|frame| frame.to_string().contains("probe")), "{frames:#?}");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_planted_fault_and_a_planted_wait_are_counted() {
        let probe = probed(WARM_UP_CALLBACKS + 1, |callback| {
            if callback > WARM_UP_CALLBACKS {
                std::hint::black_box(vec![1_u8; 64 << 20]);
                std::thread::sleep(std::time::Duration::from_millis(2));
            }
        });
        assert!(probe.audio_thread().minor_faults.is_some_and(|faults| faults > 0));
        assert!(probe.audio_thread().voluntary_switches.is_some_and(|switches| switches > 0));
    }

    #[test]
    fn a_call_beyond_the_deadline_is_a_miss() {
        let mut probe = Probe::new(0);
        probe.call(|| std::thread::sleep(std::time::Duration::from_micros(10)));
        assert_eq!(probe.misses(), 1);
        assert!(probe.worst_ns() >= 10_000 && probe.busy_ns() >= 10_000);
    }
}
