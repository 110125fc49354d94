//! What the kernel counts for the calling thread.
//!
//! On Linux. Elsewhere everything reads 0, and [`Counters::of_this_thread`] says that nobody counts.
//! The package `thread-watch` knows some of it too, but brings a `malloc` of its own, which would be measured.

#[cfg(target_os = "linux")]
use std::{fs::File, os::unix::fs::FileExt};

/// Counts so far, and times in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counters {
    pub(super) minor_faults: u64,
    pub(super) voluntary_switches: u64,
    /// For how long it ran.
    running_ns: u64,
    /// For how long it could have run and other threads did.
    waiting_ns: u64,
}

impl Counters {
    /// For how long the thread neither ran nor could have run, of so many nanoseconds since `before`. A thread that never
    /// gave the processor up was not blocked.
    pub(super) fn blocked_ns(&self, before: &Self, ns: u64) -> u64 {
        if self.voluntary_switches == before.voluntary_switches {
            return 0;
        }
        let ran = self.running_ns - before.running_ns;
        ns.saturating_sub(ran).saturating_sub(self.waiting_ns - before.waiting_ns)
    }
}

/// Where this thread's counts are.
#[derive(Debug)]
pub(super) struct Kernel {
    #[cfg(target_os = "linux")]
    schedule: Option<File>,
}

#[cfg(target_os = "linux")]
impl Kernel {
    pub(super) fn of_this_thread() -> Self {
        Self { schedule: File::open("/proc/thread-self/schedstat").ok() }
    }

    /// The counts now. Two system calls and a read.
    pub(super) fn read(&self) -> Counters {
        let count = |number: i64| u64::try_from(number).unwrap_or(0);
        // SAFETY: all zeroes is a valid one of either; the calls fill them, for this thread.
        let (usage, clock) = unsafe {
            let mut usage: libc::rusage = core::mem::zeroed();
            libc::getrusage(libc::RUSAGE_THREAD, &raw mut usage);
            let mut clock: libc::timespec = core::mem::zeroed();
            libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut clock);
            (usage, clock)
        };
        Counters {
            minor_faults: count(usage.ru_minflt),
            voluntary_switches: count(usage.ru_nvcsw),
            running_ns: count(clock.tv_sec) * 1_000_000_000 + count(clock.tv_nsec),
            waiting_ns: self.waiting_ns().unwrap_or(0),
        }
    }

    /// The second of the file's three numbers.
    fn waiting_ns(&self) -> Option<u64> {
        let mut text = [0; 64];
        let bytes = self.schedule.as_ref()?.read_at(&mut text, 0).ok()?;
        str::from_utf8(&text[..bytes]).ok()?.split(' ').nth(1)?.parse().ok()
    }
}

#[cfg(not(target_os = "linux"))]
impl Kernel {
    pub(super) fn of_this_thread() -> Self {
        Self {}
    }

    pub(super) fn read(&self) -> Counters {
        Counters::default()
    }
}
