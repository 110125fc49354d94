//! A thread that may make no system call: the kernel ends the process at the first.

use std::{io, marker::PhantomData};

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
        forbid()?;
        Ok(Self { thread: PhantomData })
    }

    /// Ends the process with status 0.
    pub fn end(self) -> ! {
        exit()
    }
}

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
fn forbid() -> io::Result<()> {
    // Codes and places as linux/bpf_common.h, linux/filter.h and linux/seccomp.h have them.
    const LOAD_WORD: u16 = 0x20;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    const NUMBER_AT: u32 = 0;
    let instruction = |code, jt, k| libc::sock_filter { code, jt, jf: 0, k };
    let [exit, exit_group] =
        [libc::SYS_exit, libc::SYS_exit_group].map(|number| u32::try_from(number).unwrap_or(u32::MAX));
    let mut filter = [
        instruction(LOAD_WORD, 0, NUMBER_AT),
        instruction(JUMP_IF_EQUAL, 2, exit),
        instruction(JUMP_IF_EQUAL, 1, exit_group),
        instruction(RETURN, 0, libc::SECCOMP_RET_KILL_PROCESS),
        instruction(RETURN, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let length = u16::try_from(filter.len()).unwrap_or(0);
    let program = libc::sock_fprog { len: length, filter: filter.as_mut_ptr() };
    // SAFETY: both set something of this thread; the program lives until the second has copied it.
    let refused = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
            || libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) != 0
    };
    if refused { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
fn exit() -> ! {
    // SAFETY: ends the process, without anything that `exit` would do before.
    unsafe { libc::_exit(0) }
}

#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
fn forbid() -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
fn exit() -> ! {
    std::process::exit(0)
}
