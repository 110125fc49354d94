//! What a run found. The fields are what `cargo xtask bench` reads.

use super::{DEADLINE_NS, Engine, Scenario, kernel::Counters, synth::Spent};
use hdrhistogram::Histogram;
use serde::{Serialize, Serializer, ser::SerializeSeq};
use std::time::Duration;

/// How many points a time line has.
const POINTS: usize = 250;

/// A run of one scenario.
#[derive(Debug, Serialize)]
pub struct Run {
    /// Which.
    pub scenario: Scenario,
    /// How the system scheduled the audio thread.
    pub priority: String,
    /// Each in turn.
    pub engines: Vec<Figures>,
}

/// What the callbacks of one engine took.
#[derive(Debug, Serialize)]
pub struct Figures {
    /// Which.
    pub engine: Engine,
    /// How many there were.
    pub callbacks: usize,
    /// How many took longer than a block lasts.
    pub misses: usize,
    /// How many grains were left out.
    pub refused: usize,
    /// Times that the audio thread gave up the processor in a callback.
    pub voluntary_switches: u64,
    /// First touches of memory in callbacks.
    pub minor_faults: u64,
    /// How long callbacks were blocked in all, in nanoseconds.
    pub blocked_ns: u64,
    /// Times of callbacks in nanoseconds, and how many took that long.
    pub times: Times,
    /// The same of what each spent on memory: entering, allocating, freeing, leaving.
    pub allocating: Times,
    /// The longest callback of each part of the run in nanoseconds, in order.
    pub line_ns: Vec<u64>,
    #[serde(skip)]
    line_step: usize,
}

/// Times to a part in a thousand. Serialized as the pairs of a time and how often it was.
#[derive(Debug)]
pub struct Times(Histogram<u64>);

impl Times {
    fn new() -> Self {
        Self(Histogram::new(3).expect("three digits are possible"))
    }

    fn add(&mut self, ns: u64) {
        // It grows by itself, so that nothing is too long.
        _ = self.0.record(ns.max(1));
    }
}

impl Serialize for Times {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        for point in self.0.iter_recorded() {
            list.serialize_element(&[point.value_iterated_to(), point.count_at_value()])?;
        }
        list.end()
    }
}

impl Figures {
    /// For an engine that will play so many callbacks.
    pub(super) fn new(engine: Engine, callbacks: usize) -> Self {
        Self {
            engine,
            callbacks: 0,
            misses: 0,
            refused: 0,
            voluntary_switches: 0,
            minor_faults: 0,
            blocked_ns: 0,
            times: Times::new(),
            allocating: Times::new(),
            line_ns: Vec::with_capacity(POINTS + 1),
            line_step: callbacks.div_ceil(POINTS).max(1),
        }
    }

    /// One more callback.
    pub(super) fn add(&mut self, took: Duration, spent: Spent, before: &Counters, after: &Counters) {
        let ns = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let took = ns(took);
        if self.callbacks.is_multiple_of(self.line_step) {
            self.line_ns.push(0);
        }
        let last = self.line_ns.last_mut().expect("at least one");
        *last = took.max(*last);
        self.callbacks += 1;
        self.misses += usize::from(took > DEADLINE_NS);
        self.refused += spent.refused;
        self.voluntary_switches += after.voluntary_switches - before.voluntary_switches;
        self.minor_faults += after.minor_faults - before.minor_faults;
        self.blocked_ns += after.blocked_ns(before, took);
        self.times.add(took);
        self.allocating.add(ns(spent.allocating));
    }
}
