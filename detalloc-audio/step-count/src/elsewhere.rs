//! Where nothing can be counted.

use crate::{Operation, Returned, StepError};
use std::convert::Infallible;

/// Counts the instructions of operations; here there is none.
#[derive(Debug)]
pub struct Stepper(Infallible);

impl Stepper {
    /// # Errors
    /// [`StepError::Unsupported`], always: this is not Linux on x86-64.
    pub fn new() -> Result<Self, StepError> {
        Err(StepError::Unsupported)
    }

    /// Runs an operation and counts its instructions.
    pub fn step<R>(&mut self, _operation: impl FnOnce() -> R) -> (R, u64) {
        match self.0 {}
    }

    /// The stretches of code that have run.
    pub fn take_ran(&mut self) -> Vec<(u64, u64)> {
        match self.0 {}
    }

    /// Calls an operation and counts its instructions.
    ///
    /// # Safety
    /// What the operation demands, and that it does not panic.
    pub unsafe fn call<R: Returned>(
        &mut self,
        _operation: Operation<R>,
        _on: *mut (),
        _block: *mut u8,
        _size: usize,
        _align: usize,
    ) -> (R, u64) {
        match self.0 {}
    }
}
