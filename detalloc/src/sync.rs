//! The atomics of the crate, by one name, so that `tests/loom*.rs` can build the protocols between threads with loom's and
//! `tests/shuttle.rs` with shuttle's.

pub(crate) use core::sync::atomic::{AtomicUsize, Ordering};
#[cfg(target_has_atomic = "ptr")]
pub(crate) use core::{hint::spin_loop, sync::atomic::AtomicBool};
