//! The report as JSON. The fields are stable: later versions may add some.

use std::fs;

use serde::{Deserialize, Serialize};

use super::measured::{Engine, Measured, Operation, Point, Run, Taken, Times};
use crate::number;

/// Everything that was measured.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Report {
    /// The machine, and how it schedules an audio thread.
    pub(super) machine: String,
    /// What `rustc -V` says.
    pub(super) rustc: String,
    pub(super) callbacks: Vec<Callbacks>,
    pub(super) operations: Vec<Operation>,
    pub(super) growth: Vec<Point>,
    pub(super) memory: Vec<Memory>,
}

/// What the callbacks of one engine in one scenario took.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Callbacks {
    pub(super) scenario: String,
    pub(super) engine: String,
    pub(super) callbacks: u64,
    pub(super) p50_us: f64,
    pub(super) p99_us: f64,
    pub(super) p999_us: f64,
    pub(super) max_us: f64,
    /// Callbacks that took longer than 64 frames at 48 kHz last.
    pub(super) misses: u64,
    /// The most that one callback spent on entering, allocating, freeing and leaving.
    pub(super) worst_alloc_us: f64,
    pub(super) voluntary_switches: u64,
    pub(super) minor_faults: u64,
    /// How long the audio thread could not run, in callbacks, in all.
    pub(super) blocked_us: f64,
    /// Grains that were left out for want of memory.
    pub(super) refused: u64,
}

/// What an allocator takes for a trace.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Memory {
    pub(super) trace: String,
    pub(super) allocator: String,
    /// `None`: not served in all that was tried.
    pub(super) needed_over_peak: Option<f64>,
    /// Requests that were refused in what is needed, or in the most that was tried.
    pub(super) refused: u64,
    pub(super) needed_bytes: Option<u64>,
    pub(super) peak_live_bytes: u64,
    /// At the peak: what blocks have beyond what was asked for, of what they have, in percent. `None`: not known.
    pub(super) internal_percent: Option<f64>,
    /// At the peak: what is in no block, of all that is held, in percent. `None`: not known.
    pub(super) external_percent: Option<f64>,
}

impl Report {
    pub(super) fn new(rustc: String, measured: &Measured) -> Self {
        let priority = measured.runs.first().map(|run| run.priority.as_str());
        let callbacks = |run: &Run| -> Vec<Callbacks> {
            run.engines.iter().map(|engine| Callbacks::of(&run.scenario, engine)).collect()
        };
        Self {
            machine: machine(priority.unwrap_or("not asked for")),
            rustc,
            callbacks: measured.runs.iter().flat_map(callbacks).collect(),
            operations: measured.operations.clone(),
            growth: measured.growth.clone(),
            memory: measured.memory.iter().map(Memory::of).collect(),
        }
    }

    /// One engine in one scenario.
    pub(super) fn callbacks_of(&self, scenario: &str, engine: &str) -> Option<&Callbacks> {
        self.callbacks.iter().find(|row| row.scenario == scenario && row.engine == engine)
    }
}

impl Callbacks {
    fn of(scenario: &str, engine: &Engine) -> Self {
        Self {
            scenario: scenario.to_owned(),
            engine: engine.engine.clone(),
            callbacks: engine.callbacks,
            p50_us: quantile_us(&engine.times, 0.5),
            p99_us: quantile_us(&engine.times, 0.99),
            p999_us: quantile_us(&engine.times, 0.999),
            max_us: quantile_us(&engine.times, 1.0),
            misses: engine.misses,
            worst_alloc_us: quantile_us(&engine.allocating, 1.0),
            voluntary_switches: engine.voluntary_switches,
            minor_faults: engine.minor_faults,
            blocked_us: number::real(engine.blocked_ns) / 1e3,
            refused: engine.refused,
        }
    }
}

impl Memory {
    fn of(taken: &Taken) -> Self {
        let peak = taken.over_time.iter().max_by_key(|look| look.asked_for);
        let in_blocks = peak.and_then(|look| Some((look.asked_for, look.in_blocks?, look.held)));
        let percent = |part: u64, whole: u64| 100.0 * number::real(part) / number::real(whole.max(1));
        Self {
            trace: taken.trace.clone(),
            allocator: taken.allocator.clone(),
            needed_over_peak: taken
                .needed_bytes
                .map(|needed| number::real(needed) / number::real(taken.peak_live_bytes.max(1))),
            refused: taken.refused,
            needed_bytes: taken.needed_bytes,
            peak_live_bytes: taken.peak_live_bytes,
            internal_percent: in_blocks
                .map(|(asked, blocks, _)| percent(blocks.saturating_sub(asked), blocks)),
            external_percent: in_blocks.map(|(_, blocks, held)| percent(held.saturating_sub(blocks), held)),
        }
    }
}

/// The time that this share of callbacks did not exceed, in microseconds.
pub(super) fn quantile_us(times: &Times, share: f64) -> f64 {
    let all: u64 = times.iter().map(|(_, count)| count).sum();
    let wanted = number::real(all) * share;
    let mut seen = 0;
    let reached = times.iter().find(|(_, count)| {
        seen += count;
        number::real(seen) >= wanted
    });
    number::real(reached.or(times.last()).map_or(0, |(ns, _)| *ns)) / 1e3
}

/// The machine in a line.
fn machine(priority: &str) -> String {
    let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processor.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let is_virtual = processor.lines().any(|line| line.starts_with("flags") && line.contains(" hypervisor"));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    format!(
        "{}, {cores} cores{}, {} {}, audio thread: {priority}",
        model.map_or("unknown processor", |(_, model)| model.trim()),
        if is_virtual { ", virtual" } else { "" },
        std::env::consts::OS,
        kernel.trim(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_the_least_time_that_so_many_callbacks_did_not_exceed() {
        let times = vec![(1_000, 50), (2_000, 49), (9_000, 1)];
        assert_eq!(
            [0.5, 0.51, 0.99, 0.999, 1.0].map(|share| quantile_us(&times, share)),
            [1.0, 2.0, 2.0, 9.0, 9.0]
        );
        assert_eq!(quantile_us(&Vec::new(), 0.5), 0.0);
    }
}
