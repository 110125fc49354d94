//! What the kernel counts for a thread: page faults and context switches. `None` where it does not say.

/// Counters of one thread since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Page faults served without reading a file: mostly first touches of memory.
    pub minor_faults: u64,
    /// Times the thread gave up the processor by itself: it waited for a lock, slept or read.
    pub voluntary_switches: u64,
}

impl Usage {
    /// The calling thread's counters.
    ///
    /// # Time complexity
    ///
    /// One system call.
    pub fn of_this_thread() -> Option<Self> {
        #[cfg(target_os = "linux")]
        {
            let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
            // SAFETY: the pointer is to a whole `rusage`, which the call fills.
            let status = unsafe { libc::getrusage(libc::RUSAGE_THREAD, usage.as_mut_ptr()) };
            if status != 0 {
                return None;
            }
            // SAFETY: the call succeeded; besides, every bit pattern, zero included, is a valid `rusage`.
            let usage = unsafe { usage.assume_init() };
            Some(Usage {
                minor_faults: u64::try_from(usage.ru_minflt).ok()?,
                voluntary_switches: u64::try_from(usage.ru_nvcsw).ok()?,
            })
        }
        #[cfg(not(target_os = "linux"))]
        {
            None
        }
    }

    /// What was counted since an earlier moment of the same thread.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            minor_faults: self.minor_faults - before.minor_faults,
            voluntary_switches: self.voluntary_switches - before.voluntary_switches,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn touching_fresh_memory_shows_as_faults() {
        let before = Usage::of_this_thread().expect("Linux counts");
        let fresh = std::hint::black_box(vec![1_u8; 64 << 20]);
        let after = Usage::of_this_thread().expect("Linux counts");
        drop(fresh);
        assert!(after.minor_faults > before.minor_faults);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn sleeping_shows_as_a_voluntary_switch() {
        let before = Usage::of_this_thread().expect("Linux counts");
        std::thread::sleep(std::time::Duration::from_millis(2));
        let after = Usage::of_this_thread().expect("Linux counts");
        assert!(after.voluntary_switches > before.voluntary_switches);
    }
}
