//! The atomics of the crate, by one name, so that `tests/loom.rs` can build the protocols between threads with loom's.

pub(crate) use core::sync::atomic::{AtomicUsize, Ordering};
