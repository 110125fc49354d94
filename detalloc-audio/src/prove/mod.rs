//! A count that anyone can reproduce: runs callbacks as the audio thread would, and says what they did that a real-time
//! thread must not.
//!
//! For tests, so turn the feature `prove` on where tests are built:
//!
//! ```toml
//! [dev-dependencies]
//! detalloc-audio = { version = "0.1", features = ["prove"] }
//! ```
//!
//! Calls of the system heap are seen because an executable with this feature has its own `malloc` that counts and
//! forwards (see `thread_watch`). What a platform does not tell is not checked, and the report says so.

mod report;

pub use report::{Finding, Instructions, Problem, Report};
/// A thread that may make no system call; and a touch of the system heap, with its stack.
pub use thread_watch::{Frame, Silence, Touch, TouchKind};

use crate::{Meter, RtHeap};
use std::thread::{self, ThreadId};
use step_count::Stepper;
use thread_watch::{Counts, MAX_TOUCHES, Usage};

/// How many callbacks meet their code and their stack for the first time, unless [`Proof::warm_up`] says otherwise.
const WARM_UP: usize = 32;

/// How many callbacks are stepped through at the end: enough to see that some are longer.
const STEPPED: usize = 8;

/// Runs `callback` so many times on this thread, after 32 times to warm up, and reports what it did. `heaps` are those
/// whose refusals and containments count. Then it runs 8 more times, for its instructions to be counted where they can be: see
/// [`Proof::count_instructions`].
///
/// The callback gets its number, from 0 on.
///
/// ```
/// use detalloc_audio::{AudioBudget, RtHeap, prove::prove_rt};
///
/// let mut memory = RtHeap::new();
/// memory.reconfigure(&AudioBudget::new(48_000.0, 64).objects::<[f32; 64]>(4))?;
/// let meters = [memory.meter()];
/// let report = prove_rt(1_000, meters.into_iter().flatten(), |_| {
///     memory.enter(|rt| drop(rt.boxed([0.0_f32; 64])));
/// });
/// report.assert_clean();
/// # Ok::<(), detalloc_audio::BudgetError>(())
/// ```
pub fn prove_rt(
    callbacks: usize,
    heaps: impl IntoIterator<Item = Meter>,
    mut callback: impl FnMut(usize),
) -> Report {
    let mut proof = heaps.into_iter().fold(Proof::new(), Proof::meter);
    let counted = if callbacks == 0 { 0 } else { callbacks + proof.warm_up };
    for n in 0..counted {
        proof.callback(|| callback(n));
    }
    if counted > 0 {
        proof.count_instructions(STEPPED, |n| callback(counted + n));
    }
    proof.report()
}

/// A proof of which every callback is begun by hand: where something has to happen in between that a callback must
/// not do, where a sound card or a host calls back, or where more is wanted than [`prove_rt`] has.
///
/// ```
/// use detalloc_audio::prove::Proof;
///
/// let mut samples = vec![0.0_f32; 64];
/// let mut proof = Proof::new().warm_up(1);
/// for gain in 0..100_u8 {
///     let prepared = vec![f32::from(gain); 64];
///     proof.callback(|| samples.copy_from_slice(&prepared));
/// }
/// assert_eq!(proof.report().callbacks, 99);
/// ```
#[derive(Debug)]
pub struct Proof {
    warm_up: usize,
    contains: bool,
    heaps: Vec<Heap>,
    run: usize,
    /// The thread that is prepared to be watched.
    thread: Option<ThreadId>,
    report: Report,
}

/// A heap, and what its meter said before the callback.
#[derive(Debug)]
struct Heap {
    meter: Meter,
    before: crate::meter::Mishaps,
}

impl Default for Proof {
    fn default() -> Self {
        Self::new()
    }
}

impl Proof {
    /// A proof without heaps, with 32 callbacks to warm up.
    #[must_use]
    pub fn new() -> Self {
        Self {
            warm_up: WARM_UP,
            contains: false,
            heaps: Vec::new(),
            run: 0,
            thread: None,
            report: Report::default(),
        }
    }

    /// Leaves the first callbacks out: they meet code and stack that no callback has touched yet, and lazily made things of
    /// libraries. None, if it is 0.
    #[must_use]
    pub fn warm_up(self, callbacks: usize) -> Self {
        Self { warm_up: callbacks, ..self }
    }

    /// Counts refusals and containments of this heap, too.
    #[must_use]
    pub fn heap(self, heap: &RtHeap) -> Self {
        heap.meter().into_iter().fold(self, Self::meter)
    }

    /// Counts refusals and containments of the heap that this is the meter of.
    #[must_use]
    pub fn meter(mut self, meter: Meter) -> Self {
        let before = meter.mishaps();
        self.heaps.push(Heap { meter, before });
        self
    }

    /// Containments are meant: they are reported, and no fault.
    #[must_use]
    pub fn containments_are_meant(self) -> Self {
        Self { contains: true, ..self }
    }

    /// Runs one callback and counts what it does on this thread.
    pub fn callback<R>(&mut self, callback: impl FnOnce() -> R) -> R {
        let this = thread::current().id();
        if self.thread != Some(this) {
            self.thread = Some(this);
            thread_watch::prepare();
            measured(|| ());
        }
        for heap in &mut self.heaps {
            heap.before = heap.meter.mishaps();
        }
        let (result, usage, heap) = measured(callback);
        self.run += 1;
        if self.run > self.warm_up {
            self.add(usage, heap);
        }
        thread_watch::discard_touches();
        result
    }

    fn add(&mut self, usage: Option<Usage>, heap: Option<Counts>) {
        let report = &mut self.report;
        let n = report.callbacks;
        report.callbacks += 1;
        report.allocations.add(n, heap.map(|heap| heap.allocs));
        report.frees.add(n, heap.map(|heap| heap.frees));
        report.minor_faults.add(n, usage.map(|usage| usage.minor_faults));
        report.voluntary_switches.add(n, usage.map(|usage| usage.voluntary_switches));
        for heap in &self.heaps {
            let (now, before) = (heap.meter.mishaps(), heap.before);
            let since = |now: usize, before: usize| u64::try_from(now.wrapping_sub(before)).ok();
            report.refusals.add(n, since(now.refused, before.refused));
            report.containments.add(n, since(now.contained, before.contained));
            report.abandoned.add(n, since(now.abandoned, before.abandoned));
        }
        if heap.is_some_and(|heap| heap != Counts::default()) && report.touches.len() < MAX_TOUCHES {
            report.touches.extend(thread_watch::take_touches());
            report.touches.truncate(MAX_TOUCHES);
        }
    }

    /// Runs so many more callbacks and counts the instructions of each, by stepping through it from branch to branch: some
    /// million a second. They count for nothing else, as stepping is all that real-time code must not do.
    pub fn count_instructions(&mut self, callbacks: usize, mut callback: impl FnMut(usize)) {
        self.report.instructions = match Stepper::new() {
            Err(why) => Instructions::NotCountable(why.to_string()),
            Ok(mut stepper) => (0..callbacks)
                .map(|n| stepper.step(|| callback(n)).1)
                .max()
                .map_or(Instructions::NotCounted, |worst| Instructions::Counted { callbacks, worst }),
        };
    }

    /// What was found so far.
    #[must_use]
    pub fn report(&self) -> Report {
        Report {
            warm_up: self.warm_up.min(self.run),
            containments_are_meant: self.contains,
            ..self.report.clone()
        }
    }
}

/// What the kernel and the heap watch count in `body`, without what is done to count it.
fn measured<R>(body: impl FnOnce() -> R) -> (R, Option<Usage>, Option<Counts>) {
    let before = Usage::of_this_thread();
    let (result, heap) = thread_watch::watch(body);
    let after = Usage::of_this_thread();
    let usage = before.zip(after).map(|(before, after)| after.since(before));
    (result, usage, heap)
}
