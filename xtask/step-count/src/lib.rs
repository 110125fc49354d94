//! Exact instruction counts of operations, by single-stepping a child process through them.
//!
//! The same program, the same input: the same count, on any machine and however busy it is. There is no sampling and no
//! hardware counter, which virtual machines often lack. The price is speed: some 10^5 instructions a second.
//!
//! Linux on x86-64 only; elsewhere [`count`] says so.

use std::{error, fmt};

/// Why nothing was counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepError {
    /// This is not Linux on x86-64.
    Unsupported,
    /// A system call failed: which, and the error number. Containers may forbid `ptrace`.
    System(&'static str, i32),
    /// The child ended before its work was done: the status it ended with.
    ChildEnded(i32),
}

impl fmt::Display for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported => f.write_str("instructions are counted on Linux on x86-64 only"),
            Self::System(call, number) => {
                write!(f, "{call}: {}", std::io::Error::from_raw_os_error(*number))
            }
            Self::ChildEnded(status) => write!(f, "the stepped process ended early, with status {status:#x}"),
        }
    }
}

impl error::Error for StepError {}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod ptrace;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub use ptrace::{Stepper, count};

/// Marks the operations to count; see [`count`].
#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
#[derive(Debug)]
pub struct Stepper(());

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
impl Stepper {
    /// Runs an operation whose instructions are counted.
    pub fn step<R>(&mut self, operation: impl FnOnce() -> R) -> R {
        operation()
    }
}

/// Runs `work` and returns how many instructions each operation took that it passed to its [`Stepper`].
///
/// # Errors
/// [`StepError::Unsupported`], always: this is not Linux on x86-64.
#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
pub fn count(_work: impl FnOnce(&mut Stepper)) -> Result<Vec<u64>, StepError> {
    Err(StepError::Unsupported)
}
