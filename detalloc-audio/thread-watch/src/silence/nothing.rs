//! No witness on this system.

use std::{io, process::ExitStatus};

pub(super) fn forbid() -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(super) fn exit() -> ! {
    std::process::exit(0)
}

pub(super) fn was_ended(_status: ExitStatus) -> bool {
    false
}
