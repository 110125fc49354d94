//! RealtimeSanitizer as the witness: it ends the process at the first call that may wait.

use std::{io, process::ExitStatus};

/// What its runtime ends a process with.
const FOUND: i32 = 43;

unsafe extern "C" {
    fn __rtsan_realtime_enter();
    fn __rtsan_realtime_exit();
}

#[expect(clippy::unnecessary_wraps, reason = "the kernel's filters can be refused")]
pub(super) fn forbid() -> io::Result<()> {
    // SAFETY: counts up for this thread; nothing else.
    unsafe { __rtsan_realtime_enter() };
    Ok(())
}

pub(super) fn exit() -> ! {
    // SAFETY: counts down what `forbid` counted up; and the end of the process, without anything that `exit` would do before.
    unsafe {
        __rtsan_realtime_exit();
        libc::_exit(0)
    }
}

pub(super) fn was_ended(status: ExitStatus) -> bool {
    status.code() == Some(FOUND)
}
