//! What a program asks of the system for its own audio thread: to be scheduled as a real-time one, and to keep the pools in
//! memory. Both may be refused, and neither is a reason to stop: what the system granted is said.
//!
//! For programs that make their audio thread themselves. A plugin's thread is the host's, and those of cpal are promoted by
//! cpal or by the system.

use audio_thread_priority::{
    RtPriorityHandle, demote_current_thread_from_real_time, promote_current_thread_to_real_time,
};
use core::{fmt, marker::PhantomData};

/// Lets the system schedule this thread as a real-time one, for callbacks of at most so many frames: `SCHED_FIFO` on Linux, a
/// time constraint on macOS, the multimedia class on Windows.
///
/// # Errors
/// [`NotPromoted`]: this system refused; the thread runs on as before.
///
/// # Time complexity
/// A few system calls. Not for callbacks: at the start of the thread.
///
/// ```
/// match detalloc_audio::promote_thread(48_000, 64) {
///     Ok(promoted) => println!("audio thread: {promoted}"),
///     Err(refused) => eprintln!("audio thread: {refused}"),
/// }
/// ```
///
/// It is this thread's alone:
///
/// ```compile_fail
/// fn keep<T: Send>(_: T) {}
/// keep(detalloc_audio::promote_thread(48_000, 64));
/// ```
pub fn promote_thread(sample_rate_hz: u32, max_frames: u32) -> Result<Promoted, NotPromoted> {
    if sample_rate_hz == 0 || max_frames == 0 {
        return Err(NotPromoted { why: "a rate and a block are at least 1".to_owned() });
    }
    match promote_current_thread_to_real_time(max_frames, sample_rate_hz) {
        Ok(handle) => Ok(Promoted { handle: Some(handle), granted: granted(), thread: PhantomData }),
        Err(error) => Err(NotPromoted { why: error.to_string() }),
    }
}

/// This thread is scheduled as a real-time one until this is dropped. `Display` says what the system granted.
pub struct Promoted {
    handle: Option<RtPriorityHandle>,
    granted: String,
    /// Neither `Send` nor `Sync`.
    thread: PhantomData<*const ()>,
}

impl Drop for Promoted {
    fn drop(&mut self) {
        if let Some(handle) = self.handle.take() {
            // A thread that could be promoted may go back; were that refused, nothing can be done about it.
            let _ = demote_current_thread_from_real_time(handle);
        }
    }
}

impl fmt::Debug for Promoted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Promoted").field(&self.granted).finish()
    }
}

impl fmt::Display for Promoted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.granted)
    }
}

/// What the system says of this thread now.
#[cfg(target_os = "linux")]
fn granted() -> String {
    // SAFETY: asks for this thread's own policy and parameters; all zeroes are valid ones.
    let (policy, priority) = unsafe {
        let mut parameters: libc::sched_param = core::mem::zeroed();
        libc::sched_getparam(0, &raw mut parameters);
        (libc::sched_getscheduler(0) & !libc::SCHED_RESET_ON_FORK, parameters.sched_priority)
    };
    match policy {
        libc::SCHED_FIFO => format!("SCHED_FIFO, priority {priority}"),
        libc::SCHED_RR => format!("SCHED_RR, priority {priority}"),
        other => format!("scheduling policy {other}, priority {priority}"),
    }
}

#[cfg(not(target_os = "linux"))]
fn granted() -> String {
    "real-time".to_owned()
}

/// The system does not schedule this thread as a real-time one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotPromoted {
    why: String,
}

impl fmt::Display for NotPromoted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no real-time priority: {}", self.why)?;
        if cfg!(target_os = "linux") {
            f.write_str("; a line like `@audio - rtprio 95` in /etc/security/limits.conf allows it")?;
        }
        Ok(())
    }
}

impl std::error::Error for NotPromoted {}

#[cfg(test)]
mod tests {
    use super::promote_thread;

    #[test]
    #[cfg(target_os = "linux")]
    fn what_is_said_is_what_the_thread_has_until_it_is_dropped() {
        let policy = || {
            // SAFETY: asks for this thread's own policy.
            unsafe { libc::sched_getscheduler(0) & !libc::SCHED_RESET_ON_FORK }
        };
        let before = policy();
        match promote_thread(48_000, 64) {
            Ok(promoted) => {
                assert_eq!(policy(), libc::SCHED_FIFO);
                assert!(promoted.to_string().starts_with("SCHED_FIFO, priority "), "{promoted}");
            }
            Err(refused) => {
                assert!(refused.to_string().contains("limits.conf"), "{refused}");
            }
        }
        assert_eq!(policy(), before);
    }

    #[test]
    fn a_block_of_nothing_is_refused() {
        assert!(promote_thread(0, 64).is_err() && promote_thread(48_000, 0).is_err());
    }

    /// A thread that may not be promoted is told so, and runs on.
    #[test]
    #[cfg(target_os = "linux")]
    fn a_refusal_says_why_and_what_to_do() {
        let refused = std::thread::spawn(|| {
            // SAFETY: takes a privilege from this thread alone, if it has it: the kernel's user ids are a thread's own.
            unsafe {
                let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
                libc::setrlimit(libc::RLIMIT_RTPRIO, &raw const none);
                libc::syscall(libc::SYS_setresuid, 65_534, 65_534, 65_534);
            }
            promote_thread(48_000, 64).map(|promoted| promoted.to_string())
        })
        .join()
        .unwrap();
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("not permitted") && refused.contains("rtprio"), "{refused}");
    }
}
