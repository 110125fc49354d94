//! A thread that may make no system call: the kernel ends the process at the first. Under RealtimeSanitizer (a build with
//! `RUSTFLAGS="-Zsanitizer=realtime --cfg rtsan"`) that is the witness instead, which also sees the C library's small
//! allocations and its locks.

#[cfg(rtsan)]
#[path = "silence/realtime_sanitizer.rs"]
mod witness;

#[cfg(all(not(rtsan), target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
#[path = "silence/seccomp.rs"]
mod witness;

#[cfg(not(any(rtsan, all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))))]
#[path = "silence/nothing.rs"]
mod witness;

use std::{io, marker::PhantomData, process::ExitStatus};

/// This thread is silent until it ends the process: a filter of the kernel (seccomp, Linux on x86-64 and AArch64) allows it nothing but
/// that. Any other system call ends the process at once with the signal `SIGSYS`. Other threads are not affected, but for those
/// that this one starts, which it cannot.
///
/// For a child process that a test starts and whose end it looks at: there is no way back.
#[derive(Debug)]
pub struct Silence {
    /// Neither `Send` nor `Sync`: the filter is the thread's.
    thread: PhantomData<*const ()>,
}

impl Silence {
    /// Begins.
    ///
    /// # Errors
    /// The system's, if and only if it has no such filter for this process: `Unsupported` where there is none at all.
    pub fn begin() -> io::Result<Self> {
        witness::forbid()?;
        Ok(Self { thread: PhantomData })
    }

    /// Ends the process with status 0.
    pub fn end(self) -> ! {
        witness::exit()
    }

    /// Whether a process that ended like this was ended because it was not silent.
    #[must_use]
    pub fn was_broken(status: ExitStatus) -> bool {
        witness::was_ended(status)
    }
}
