//! The worst paths as JSON. The fields are stable: later versions may add some.

use serde::{Deserialize, Serialize};

/// Everything that was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Report {
    /// What `rustc -V` says.
    pub rustc: String,
    /// One entry for each target and operation, in the order of their names.
    pub results: Vec<Row>,
    /// Targets that are not there, and how to get them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_checked: Vec<String>,
}

/// One operation on one target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Row {
    /// What the code is compiled for.
    pub target: String,
    /// The operation.
    pub operation: String,
    /// Up to how many blocks a pool this is for; nothing: it does not depend on that.
    #[serde(default)]
    pub pool_blocks: Option<u64>,
    /// The instructions of the longest path, without its return; with exceptions, those of what they allow not included.
    pub instructions: u64,
    /// How often that path reads memory.
    pub loads: u64,
    /// How often it writes memory.
    pub stores: u64,
    /// How often it does so as one with other processors.
    pub atomics: u64,
    /// The most of the stack that any path takes, in bytes.
    pub stack_bytes: u64,
    /// The most instructions that were counted when it ran; nothing where it is not run.
    pub measured_max: Option<u64>,
    /// How many of its basic blocks ran, and how many there are; nothing where it is not run.
    pub covered: Option<(u64, u64)>,
    /// How many blocks, of functions that it shares, did not run in it but in other operations.
    #[serde(default)]
    pub elsewhere: u64,
    /// How many blocks no run can come to: the program ends there, or the source says why.
    #[serde(default)]
    pub unreached: u64,
    /// The source lines of every other block that did not run.
    #[serde(default)]
    pub uncovered: Vec<String>,
    /// Why no run comes near the bound, where that is so.
    #[serde(default)]
    pub loose: Option<String>,
    /// The source lines that the longest path comes from.
    pub lines: Vec<String>,
    /// What is allowed by exception: what, where and why.
    pub annotations: Vec<String>,
    /// Whether it is proved.
    pub ok: bool,
    /// What stands in the way.
    pub why: Vec<String>,
}

impl Row {
    /// What tells it from the other rows, in their order.
    pub fn key(&self) -> (&str, &str, Option<u64>) {
        (&self.target, &self.operation, self.pool_blocks)
    }
}
