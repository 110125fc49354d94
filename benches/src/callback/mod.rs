//! Whole callbacks: the same granular synth, in the same callback, on six kinds of memory, turn by turn within one run.
//!
//! An [`Engine`] is one of the six. Everything that is not its memory is shared: grains begin, sound and end as the same
//! [`Score`] says, and the samples that come out are the same, bit for bit. A [`Scenario`] is what other threads do meanwhile.
//! The control has a fixed place for every grain and allocates nothing: what it shows, the machine shows.
//!
//! A run is a process of its own, as some scenarios set up the whole system heap.

mod engine;
mod figures;
mod fixed;
mod heaps;
mod kernel;
mod memory;
mod ours;
mod scenario;
mod score;
mod synth;
mod turns;

pub use self::{
    engine::Engine,
    figures::{Figures, Run},
    scenario::Scenario,
    score::Score,
    turns::play,
};

/// A block of audio, in frames.
pub const FRAMES: usize = 64;

/// Frames a second.
pub const RATE_HZ: u32 = 48_000;

/// How long a block lasts, in nanoseconds: what a callback may take.
pub const DEADLINE_NS: u64 = 1_333_333;
