//! What the protocols between threads are made of, by one name, so that `tests/loom.rs` can build them with loom's.

pub(crate) use std::sync::atomic::{AtomicPtr, Ordering};
