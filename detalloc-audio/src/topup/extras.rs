//! The regions that were added to a heap, in order: filled by the reaper, one place after the other, read by the callback.
//!
//! A place is a `OnceLock`: to look whether it is filled is a load with Acquire, and what fills it was built before.

use crate::sync::OnceLock;
use std::sync::Arc;

/// How many regions there are at most: a bound on what an allocation tries. Each doubles the classes that it is for.
const MOST: usize = 8;

/// See the module.
pub(crate) struct Extras<R>([OnceLock<Arc<R>>; MOST]);

impl<R> Default for Extras<R> {
    fn default() -> Self {
        Self(core::array::from_fn(|_| OnceLock::new()))
    }
}

impl<R> Extras<R> {
    /// Those that there are.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &R> {
        self.0.iter().map_while(OnceLock::get).map(|region| &**region)
    }

    /// The next place, if there is one. For the reaper.
    pub(crate) fn next(&self) -> Option<&OnceLock<Arc<R>>> {
        self.0.iter().find(|place| place.get().is_none())
    }
}
