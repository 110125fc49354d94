//! What the benchmarks and the counts share: traces of operations, and the allocators they are replayed on.
//!
//! Times on a shared or virtual machine show the machine too. Read them as ratios between the rows of one run.

pub mod allocators;
pub mod callback;
pub mod cases;
pub mod counts;
pub mod replay;
#[cfg(target_arch = "x86_64")]
pub mod ticks;
pub mod traces;
