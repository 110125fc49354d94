//! The atomics of the protocols between threads, by one name, so that `tests/loom.rs` can build them with loom's.

pub(crate) use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
