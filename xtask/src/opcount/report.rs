//! The counts as JSON. The fields are stable: later versions may add some.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Everything that was counted.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// What `rustc -V` says.
    pub(super) rustc: String,
    /// One entry for each target, allocator, trace and kind of operation that there was.
    pub(super) results: Vec<Counted>,
    /// What ours cost when history, the number of pools or their size grows, on the first target.
    pub(super) growth: Vec<Growth>,
}

/// What the code is compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) enum Target {
    /// With the bit-counting instructions of 2013: what the limits are for.
    #[serde(rename = "x86-64-v3")]
    V3,
    /// The baseline of 2003.
    #[serde(rename = "x86-64")]
    Baseline,
}

impl Target {
    pub(super) const ALL: [Target; 2] = [Target::V3, Target::Baseline];

    /// As the compiler calls it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Target::V3 => "x86-64-v3",
            Target::Baseline => "x86-64",
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What the operations of one kind took in one run, in instructions.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Row {
    /// Ours: `detalloc-typed`, `detalloc` (checked, counted, borrowing) and `detalloc-unchecked`; or a rival.
    pub(super) allocator: String,
    /// The trace, with `-starved` where there was too little memory.
    pub(super) trace: String,
    /// `alloc`, `alloc-borrowed` (from a larger class), `alloc-refused`, `free` or `free-borrowed`.
    pub(super) op: String,
    /// How many there were.
    pub(super) count: u64,
    /// The fewest instructions.
    pub(super) min: u64,
    /// The mean.
    pub(super) mean: f64,
    /// The most.
    pub(super) max: u64,
    /// How many allocations of the whole run were refused.
    pub(super) refused: u64,
}

/// A row of one target.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Counted {
    pub(super) target: Target,
    #[serde(flatten)]
    pub(super) row: Row,
}

impl Row {
    pub(super) fn on(self, target: Target) -> Counted {
        Counted { target, row: self }
    }
}

/// What an operation of ours took when something had grown.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Growth {
    pub(super) allocator: String,
    /// What grew: `history` (operations before), `pools`, or `blocks` (of a pool).
    pub(super) grows: String,
    /// To how many.
    pub(super) to: u64,
    pub(super) op: String,
    pub(super) count: u64,
    pub(super) min: u64,
    pub(super) mean: f64,
    pub(super) max: u64,
    pub(super) refused: u64,
}
