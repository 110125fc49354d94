//! What other threads do while callbacks run.

use core::{iter, num::NonZero};
use serde::Serialize;
use std::thread;

/// The six of them. In each, the other threads use the memory of the engine whose turn it is: its heap, or the system heap
/// where the engine's own memory is for callbacks only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scenario {
    /// Nothing.
    Quiet,
    /// A thread allocates what callbacks free, 16 blocks of 2 to 62 kB a callback, and churns as many more, on a machine at work:
    /// as many threads as it has cores compute, so that the loader loses its processor now and then, also while it has a lock.
    Loader,
    /// Two threads allocate and free blocks of the sizes of grains, and glibc has one arena for all (`M_ARENA_MAX`).
    OneArena,
    /// A thread churns and gives all free memory back to the system, again and again (`malloc_trim`, `mi_collect`, purge).
    Trim,
    /// A thread maps, touches and unmaps memory.
    MmapChurn,
    /// Nothing, but callbacks write to memory that nobody has touched before: a page each.
    LateTouch,
}

/// What a helping thread does, one step at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Task {
    /// Makes what callbacks free, and churns.
    Load,
    /// Allocates and frees.
    Churn,
    /// Churns a little and gives memory back.
    Release,
    /// Maps, touches and unmaps.
    Map,
    /// Computes, and uses no memory.
    Compute,
}

impl Scenario {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Quiet, Self::Loader, Self::OneArena, Self::Trim, Self::MmapChurn, Self::LateTouch];

    /// As the JSON calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Quiet => "quiet",
            Self::Loader => "loader",
            Self::OneArena => "one-arena",
            Self::Trim => "trim",
            Self::MmapChurn => "mmap-churn",
            Self::LateTouch => "late-touch",
        }
    }

    /// A thread for each.
    pub(super) fn tasks(self) -> Vec<Task> {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        match self {
            Self::Quiet | Self::LateTouch => Vec::new(),
            Self::Loader => iter::once(Task::Load).chain(iter::repeat_n(Task::Compute, cores)).collect(),
            Self::OneArena => vec![Task::Churn, Task::Churn],
            Self::Trim => vec![Task::Release],
            Self::MmapChurn => vec![Task::Map],
        }
    }

    /// Whether the score has a tape.
    #[must_use]
    pub fn has_tape(self) -> bool {
        self == Self::LateTouch
    }

    /// Sets the process up, before its first thread starts.
    pub(super) fn set_up(self) {
        #[cfg(all(target_os = "linux", target_env = "gnu"))]
        if self == Self::OneArena {
            // SAFETY: may be called at any time.
            unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
        }
    }
}
