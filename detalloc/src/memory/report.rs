//! What the system granted of what it was asked for.

use super::mapped::page_bytes;
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
                    Some(bytes) => write!(f, ", and the limit (ulimit -l) is {} KiB", bytes / 1024),
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
    /// How much of it lies on huge pages, in bytes; nothing where the system does not say (other than Linux).
    pub huge_bytes: Option<usize>,
    /// Whether it is locked.
    pub locked: Locked,
}

impl Got {
    pub(super) fn of(region: &[MaybeUninit<u8>], locked: Locked) -> Self {
        Self {
            bytes: region.len(),
            resident_bytes: resident_bytes(region),
            huge_bytes: huge_bytes(region),
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

/// How much memory this process may lock, in bytes; nothing if there is no limit or it cannot be known.
pub(super) fn lock_limit() -> Option<u64> {
    let mut limit = MaybeUninit::<libc::rlimit>::uninit();
    // SAFETY: the system writes the structure if it returns 0.
    let limit = unsafe {
        if libc::getrlimit(libc::RLIMIT_MEMLOCK, limit.as_mut_ptr()) != 0 {
            return None;
        }
        limit.assume_init().rlim_cur
    };
    (limit != libc::RLIM_INFINITY).then_some(limit)
}

/// The size of a huge page, in bytes: what Linux says, or that of most machines.
pub(super) fn huge_page_bytes() -> usize {
    const USUAL: usize = 2 << 20;
    let said = std::fs::read_to_string("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size");
    let said = said.ok().and_then(|text| text.trim().parse::<usize>().ok());
    said.filter(|bytes| bytes.is_power_of_two()).unwrap_or(USUAL)
}

/// How much of a region of whole pages is in memory.
fn resident_bytes(region: &[MaybeUninit<u8>]) -> usize {
    let page = page_bytes();
    let mut pages = std::vec![0_u8; region.len().div_ceil(page)];
    // SAFETY: one byte a page is written; the region is only looked up, not read or written.
    let known =
        unsafe { libc::mincore(region.as_ptr().cast_mut().cast(), region.len(), pages.as_mut_ptr().cast()) };
    if known != 0 {
        return 0;
    }
    pages.iter().filter(|&&state| state & 1 != 0).count() * page
}

/// How much of a region lies on huge pages, by the kernel's account of the mappings within it.
fn huge_bytes(region: &[MaybeUninit<u8>]) -> Option<usize> {
    let smaps = std::fs::read_to_string("/proc/self/smaps").ok()?;
    let (start, end) = (region.as_ptr().addr(), region.as_ptr_range().end.addr());
    let (mut within, mut kib) = (false, 0);
    for line in smaps.lines() {
        let first = line.split_whitespace().next().unwrap_or_default();
        if let Some((from, to)) = first.split_once('-') {
            let hex = |text| usize::from_str_radix(text, 16).ok();
            within = hex(from).is_some_and(|from| from >= start) && hex(to).is_some_and(|to| to <= end);
        } else if within && first == "AnonHugePages:" {
            kib += line.split_whitespace().nth(1)?.parse::<usize>().ok()?;
        }
    }
    Some(kib * 1024)
}
