//! Exact instruction counts of single operations: no sampling, no hardware counter, which virtual machines often lack.
//! The same program and the same input give the same count, however busy the machine is.
//!
//! What is counted are the instructions of a function between its call and its return, both excluded, and those of
//! everything that it calls. They run on the processor itself, from branch to branch: a breakpoint stands at the next
//! branch, call or return, and its handler adds up the instructions since the last one, finds out where
//! the branch leads, moves the breakpoint on, and continues there. That makes some million instructions a second, where
//! the processor's single steps make 60,000 on a virtual machine; those are for code that cannot be written. A repeated string instruction counts as one, and so does
//! a system call.
//!
//! Linux on x86-64 only; elsewhere [`Stepper::new`] says so.

use std::{error, fmt};

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod breakpoint;
#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
mod elsewhere;

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub use breakpoint::Stepper;
#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
pub use elsewhere::Stepper;

/// Why nothing can be counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepError {
    /// This is not Linux on x86-64.
    Unsupported,
    /// A system call failed: which, and the error number.
    System(&'static str, i32),
    /// A function of three instructions was counted otherwise: an emulator, or a debugger that takes the breakpoints.
    NotExact(u64),
}

impl fmt::Display for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported => f.write_str("instructions are counted on Linux on x86-64 only"),
            Self::System(call, number) => {
                write!(f, "{call}: {}", std::io::Error::from_raw_os_error(*number))
            }
            Self::NotExact(counted) => write!(f, "three instructions were counted as {counted}"),
        }
    }
}

impl error::Error for StepError {}

/// An operation as [`Stepper::call`] calls it: on an allocator, with a block, its size and its alignment, of which it
/// takes what it needs. It does not unwind; that the type
/// leaves it open spares the function the instructions that would see to it.
pub type Operation<R> = unsafe extern "C-unwind" fn(*mut (), *mut u8, usize, usize) -> R;

/// What an [`Operation`] may return: a block or nothing.
pub trait Returned: sealed::Sealed {
    /// From the register in which a block is returned.
    fn from_register(register: *mut u8) -> Self;
}

impl Returned for *mut u8 {
    fn from_register(register: *mut u8) -> Self {
        register
    }
}

impl Returned for () {
    fn from_register(_register: *mut u8) -> Self {}
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for *mut u8 {}
    impl Sealed for () {}
}
