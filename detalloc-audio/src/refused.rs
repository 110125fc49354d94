//! What a refused allocation gives back.

use detalloc::{AllocError, ArenaFull};
use std::{error, fmt};

/// Why an allocation was refused. Nothing has changed, but for the count of refusals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The heap has no memory yet: `reconfigure` it first.
    Unconfigured,
    /// This thread is in the callback of another heap; use that one's.
    Nested,
    /// The handle is full; it does not grow.
    Full {
        /// How many elements it holds.
        capacity: usize,
    },
    /// There is no such place.
    OutOfBounds {
        /// How many elements there are.
        len: usize,
    },
    /// The budget's scratch memory cannot serve it.
    Scratch(ArenaFull),
    /// The request exceeds the address space.
    TooLarge,
    /// The pools could not serve it.
    Pools(AllocError),
}

impl From<AllocError> for Refusal {
    fn from(error: AllocError) -> Self {
        Self::Pools(error)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unconfigured => f.write_str("the heap has no memory yet; reconfigure it first"),
            Self::Nested => f.write_str("this thread is in the callback of another heap; use that one's"),
            Self::Full { capacity } => write!(f, "all {capacity} places are taken"),
            Self::OutOfBounds { len } => write!(f, "there are only {len} elements"),
            Self::Scratch(full) => write!(f, "scratch memory: {full}"),
            Self::TooLarge => f.write_str("the request exceeds the address space"),
            Self::Pools(error) => error.fmt(f),
        }
    }
}

impl error::Error for Refusal {}

/// A refusal, and the value that found no place.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Refused<T> {
    /// What was to be stored.
    pub value: T,
    /// Why it was not.
    pub refusal: Refusal,
}

impl<T> Refused<T> {
    /// The value that found no place.
    pub fn into_value(self) -> T {
        self.value
    }
}

impl<T> fmt::Debug for Refused<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refused").field("refusal", &self.refusal).finish_non_exhaustive()
    }
}

impl<T> fmt::Display for Refused<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.refusal.fmt(f)
    }
}

impl<T> error::Error for Refused<T> {}
