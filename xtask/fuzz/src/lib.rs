//! What is fuzzed: one module a target, each a function from bytes to the number of operations that they stood for.
//!
//! A target decodes its bytes into operations, whatever they are, runs them on what it is a target of, and on a model that is
//! as plain as can be. It panics where the two disagree, or where a promise of the documentation does not hold. The same
//! bytes always do the same. cargo-fuzz (`fuzz/`), the random driver (`src/bin/random.rs`) and the property tests
//! (`tests/properties.rs`) all run these functions; `cargo xtask fuzz` runs one of the first two.
//!
//! What it does not do: run threads against each other. That is for the models under loom.

pub mod arena;
pub mod audio;
pub mod capi;
pub mod config;
pub mod corpus;
pub mod guarded;
pub mod heap;
mod input;
mod model;
pub mod progress;
pub mod random;
pub mod ring;
pub mod shared;
pub mod state;
pub mod trace;
pub mod typed;
pub mod wav;
mod world;

/// Something that is fuzzed.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// What it is called on the command line.
    pub name: &'static str,
    /// What it does, in a line.
    pub about: &'static str,
    /// Runs one input, and says how many operations that was. Panics on a violation.
    pub run: fn(&[u8]) -> u64,
    /// The longest input that is worth its time, in bytes.
    pub max_len: usize,
}

const fn target(name: &'static str, about: &'static str, run: fn(&[u8]) -> u64, max_len: usize) -> Target {
    Target { name, about, run, max_len }
}

/// The variable with which a process asks for recordings, as detalloc-audio reads it. The target `recording` wants it.
pub const RECORD: &str = "DETALLOC_RECORD";

/// All of them.
pub const TARGETS: [Target; 13] = [
    target(
        "heap",
        "one owner: checked, unchecked, behind Local; remote frees, borrowing",
        heap::run,
        1 << 14,
    ),
    target("shared", "any thread: SharedHeap and Spin", shared::run, 1 << 14),
    target("guarded", "guards, and writes where nobody should", guarded::run, 1 << 12),
    target("typed", "typed pools, their handles, static pools", typed::run, 1 << 13),
    target("arena", "arenas and their scopes", arena::run, 1 << 12),
    target("ring", "rings, against a queue", ring::run, 1 << 13),
    target("capi", "the C interface, with everything that C may hand it", capi::run, 1 << 12),
    target("config", "configurations and suggestions from any numbers", config::run, 1 << 10),
    target("trace", "traces: reader, replay, suggestion, recorder", trace::run, 1 << 12),
    target("audio", "detalloc-audio: callbacks, handles, deferral, another thread", audio::run, 1 << 12),
    target("recording", "the same, recorded and replayed", audio::run_recorded, 1 << 11),
    target("state", "graincloud's saved state, in a host", state::run, 1 << 10),
    target("wav", "audio files for sample-file", wav::run, 1 << 11),
];

/// A target that fails on purpose: to show that whoever runs it notices.
pub const PLANTED: Target = target("planted", "fails where two bytes in a row are 42", planted, 1 << 10);

fn planted(data: &[u8]) -> u64 {
    assert!(!data.windows(2).any(|pair| pair == [42, 42]), "as planned");
    data.len() as u64
}

/// The target of this name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Target> {
    TARGETS.iter().chain([&PLANTED]).find(|target| target.name == name)
}
