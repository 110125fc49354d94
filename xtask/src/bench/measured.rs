//! What the measuring program says, and all of it together.

use serde::{Deserialize, Serialize};

/// One line of its output.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(super) enum Line {
    Callbacks(Run),
    Growth(Point),
    Memory(Taken),
    Operation(Operation),
    Clock(Clock),
}

/// Times in nanoseconds, and how often each was.
pub(super) type Times = Vec<(u64, u64)>;

/// A run of one scenario.
#[derive(Debug, Deserialize)]
pub(super) struct Run {
    pub(super) scenario: String,
    /// How the system scheduled the audio thread.
    pub(super) priority: String,
    pub(super) engines: Vec<Engine>,
}

/// What the callbacks of one engine took.
#[derive(Debug, Deserialize)]
pub(super) struct Engine {
    pub(super) engine: String,
    pub(super) callbacks: u64,
    pub(super) misses: u64,
    pub(super) refused: u64,
    pub(super) voluntary_switches: u64,
    pub(super) minor_faults: u64,
    pub(super) blocked_ns: u64,
    pub(super) times: Times,
    pub(super) allocating: Times,
    /// The longest callback of each part of the run.
    pub(super) line_ns: Vec<u64>,
}

/// What an operation takes when something has grown. Also a row of the JSON.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Point {
    /// `blocks` of a pool, size `classes`, `frames` of samples in a block, `history` in operations, freeing `threads`, or
    /// plugin `instances`.
    pub(super) axis: String,
    pub(super) x: u64,
    pub(super) engine: String,
    /// `allocate`, `free`, or a whole `callback`.
    pub(super) operation: String,
    /// The most.
    pub(super) instructions: u64,
    pub(super) fewest: u64,
    /// What an instance's pools need.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bytes: Option<u64>,
    /// What an instance adds to the resident memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) resident_bytes: Option<u64>,
    /// What it takes to activate an instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) activate_us: Option<f64>,
}

/// What an allocator takes for a trace.
#[derive(Debug, Deserialize)]
pub(super) struct Taken {
    pub(super) trace: String,
    pub(super) allocator: String,
    pub(super) peak_live_bytes: u64,
    /// `None`: something is refused in all that was tried.
    pub(super) needed_bytes: Option<u64>,
    pub(super) refused: u64,
    pub(super) over_time: Vec<Look>,
}

/// What there is at one time, in bytes.
#[derive(Debug, Deserialize)]
pub(super) struct Look {
    pub(super) asked_for: u64,
    pub(super) in_blocks: Option<u64>,
    pub(super) held: u64,
}

/// What one operation takes. Also a row of the JSON. What is `None` was not measured.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Operation {
    pub(super) operation: String,
    pub(super) engine: String,
    /// `None`: the same operation, again and again.
    pub(super) trace: Option<String>,
    /// The most.
    pub(super) instructions: Option<u64>,
    pub(super) mean_instructions: Option<f64>,
    pub(super) fewest_instructions: Option<u64>,
    pub(super) warm_p50_ticks: Option<u64>,
    pub(super) warm_worst_ticks: Option<u64>,
    pub(super) cold_p50_ticks: Option<u64>,
    pub(super) cold_worst_ticks: Option<u64>,
}

/// How long a tick is.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Clock {
    pub(super) tick_ns: f64,
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Measured {
    pub(super) runs: Vec<Run>,
    pub(super) growth: Vec<Point>,
    pub(super) memory: Vec<Taken>,
    pub(super) operations: Vec<Operation>,
    pub(super) clock: Option<Clock>,
}

impl Measured {
    /// Adds a line. What is timed and what is counted of one operation become one row.
    pub(super) fn add(&mut self, line: Line) {
        match line {
            Line::Callbacks(run) => self.runs.push(run),
            Line::Growth(point) => self.growth.push(point),
            Line::Memory(taken) => self.memory.push(taken),
            Line::Clock(clock) => self.clock = Some(clock),
            Line::Operation(new) => match self.operations.iter_mut().find(|row| row.is_of(&new)) {
                None => self.operations.push(new),
                Some(row) => {
                    row.instructions = row.instructions.or(new.instructions);
                    row.mean_instructions = row.mean_instructions.or(new.mean_instructions);
                    row.fewest_instructions = row.fewest_instructions.or(new.fewest_instructions);
                    row.warm_p50_ticks = row.warm_p50_ticks.or(new.warm_p50_ticks);
                    row.warm_worst_ticks = row.warm_worst_ticks.or(new.warm_worst_ticks);
                    row.cold_p50_ticks = row.cold_p50_ticks.or(new.cold_p50_ticks);
                    row.cold_worst_ticks = row.cold_worst_ticks.or(new.cold_worst_ticks);
                }
            },
        }
    }
}

impl Operation {
    fn is_of(&self, other: &Self) -> bool {
        (&self.operation, &self.engine, &self.trace) == (&other.operation, &other.engine, &other.trace)
    }
}

/// Whether an engine is one of ours.
pub(super) fn is_ours(engine: &str) -> bool {
    engine.starts_with("detalloc")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_timed_and_what_is_counted_become_one_row() {
        let line = |rest: &str| {
            let text = format!(
                r#"{{"kind":"operation","operation":"free","engine":"rlsf","trace":"audio",{rest}}}"#
            );
            serde_json::from_str::<Line>(&text).expect("a line")
        };
        let mut measured = Measured::default();
        measured.add(line(r#""warm_p50_ticks":26"#));
        measured.add(line(r#""instructions":93"#));
        let [row] = &measured.operations[..] else { panic!("{:?}", measured.operations) };
        assert_eq!((row.warm_p50_ticks, row.instructions, row.cold_p50_ticks), (Some(26), Some(93), None));
    }
}
