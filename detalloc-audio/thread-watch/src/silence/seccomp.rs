//! The kernel as the witness: a filter that allows nothing but the end.

use std::{io, os::unix::process::ExitStatusExt, process::ExitStatus};

pub(super) fn forbid() -> io::Result<()> {
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

pub(super) fn exit() -> ! {
    // SAFETY: ends the process, without anything that `exit` would do before.
    unsafe { libc::_exit(0) }
}

pub(super) fn was_ended(status: ExitStatus) -> bool {
    status.signal() == Some(libc::SIGSYS)
}
