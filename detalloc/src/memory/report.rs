//! What the system granted of what it was asked for.

use super::system;
use core::{fmt, mem::MaybeUninit};
use std::io;

/// Whether a region is locked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Locked {
    /// Nobody asked.
    #[default]
    NotAsked,
    /// It is.
    Yes,
    /// The system refused.
    No {
        /// Its reason.
        errno: i32,
        /// How much this process may lock, in bytes; nothing if there is no limit.
        limit_bytes: Option<u64>,
    },
}

impl fmt::Display for Locked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAsked => write!(f, "not locked"),
            Self::Yes => write!(f, "locked"),
            Self::No { errno, limit_bytes } => {
                write!(f, "not locked: {}", io::Error::from_raw_os_error(*errno))?;
                match limit_bytes {
                    Some(bytes) => {
                        write!(f, ", and the limit ({}) is {} KiB", system::LOCK_LIMIT, bytes / 1024)
                    }
                    None => Ok(()),
                }
            }
        }
    }
}

/// What the system granted for a mapped region, as measured once it was set up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Got {
    /// How large the region is, in bytes.
    pub bytes: usize,
    /// How much of it is in memory, in bytes: the rest costs a page fault each.
    pub resident_bytes: usize,
    /// How much of it lies on huge pages, in bytes; nothing where the system does not say (macOS).
    pub huge_bytes: Option<usize>,
    /// Whether it is locked.
    pub locked: Locked,
}

impl Got {
    pub(super) fn of(region: &[MaybeUninit<u8>], locked: Locked) -> Self {
        Self {
            bytes: region.len(),
            resident_bytes: system::resident_bytes(region),
            huge_bytes: system::huge_bytes(region),
            locked,
        }
    }
}

impl fmt::Display for Got {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kib = |bytes: usize| bytes / 1024;
        write!(f, "{} KiB: {} KiB in memory, ", kib(self.bytes), kib(self.resident_bytes))?;
        match self.huge_bytes {
            Some(huge) => write!(f, "{} KiB on huge pages, ", kib(huge))?,
            None => write!(f, "huge pages unknown, ")?,
        }
        self.locked.fmt(f)
    }
}
