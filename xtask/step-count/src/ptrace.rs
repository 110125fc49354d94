//! The stepping itself: a forked child, stopped after every instruction between two marks.

use crate::StepError;
use std::{hint::black_box, ptr};

/// Marks the operations to count; see [`count`].
#[derive(Debug)]
pub struct Stepper(());

impl Stepper {
    /// Runs an operation whose instructions are counted.
    #[inline(never)]
    pub fn step<R>(&mut self, operation: impl FnOnce() -> R) -> R {
        mark();
        let result = black_box(operation());
        mark();
        result
    }
}

/// A breakpoint: it stops the child where counting begins and where it ends.
#[inline(always)]
fn mark() {
    // SAFETY: the child's parent catches the trap; only `count` makes a `Stepper`, and only in the child.
    unsafe { std::arch::asm!("int3", options(nostack)) };
}

/// Runs `work` in a forked child and returns how many instructions each operation took that it passed to its
/// [`Stepper`], less what marking itself costs, which is measured with an operation that does nothing.
///
/// What `work` changes is lost with the child. It should be prepared before: the child has one thread, and if the parent
/// has others, then the child must not take locks that they may hold, the system heap's included.
///
/// # Errors
/// [`StepError`] if and only if the system does not allow stepping, or the child ends early, by a panic for example.
pub fn count(work: impl FnOnce(&mut Stepper)) -> Result<Vec<u64>, StepError> {
    // SAFETY: the child runs `work` and leaves by `_exit`, so that nothing of the parent is torn down twice.
    let child = match unsafe { libc::fork() } {
        -1 => return Err(failed("fork")),
        0 => {
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                // SAFETY: asks to be traced by the parent, then stops so that it can begin.
                unsafe {
                    libc::ptrace(libc::PTRACE_TRACEME, 0, ptr::null_mut::<u8>(), ptr::null_mut::<u8>());
                    libc::raise(libc::SIGSTOP);
                }
                let mut stepper = Stepper(());
                stepper.step(|| ());
                work(&mut stepper);
            }));
            // SAFETY: ends the child at once.
            unsafe { libc::_exit(i32::from(outcome.is_err())) }
        }
        child => Child(child),
    };
    let mut counts = child.trace()?;
    let marking = if counts.is_empty() { 0 } else { counts.remove(0) };
    counts.iter_mut().for_each(|count| *count -= marking);
    Ok(counts)
}

fn failed(call: &'static str) -> StepError {
    StepError::System(call, std::io::Error::last_os_error().raw_os_error().unwrap_or(0))
}

/// A traced child; ended when this goes.
struct Child(libc::pid_t);

impl Drop for Child {
    fn drop(&mut self) {
        // SAFETY: our own child; if it has been waited for already, both calls fail, which does no harm.
        unsafe {
            libc::kill(self.0, libc::SIGKILL);
            libc::waitpid(self.0, ptr::null_mut(), 0);
        }
    }
}

impl Child {
    /// Follows the child from mark to mark until it exits.
    fn trace(&self) -> Result<Vec<u64>, StepError> {
        let mut counts = Vec::new();
        self.wait()?;
        loop {
            if self.resume(libc::PTRACE_CONT)? == Stop::Exited {
                return Ok(counts);
            }
            let mut count = 0;
            // The step onto the second mark is the trap itself: it is not an instruction of the operation.
            while self.resume(libc::PTRACE_SINGLESTEP)? == Stop::Stepped {
                count += 1;
            }
            counts.push(count);
        }
    }

    /// Lets the child go on until it stops again.
    fn resume(&self, request: libc::c_uint) -> Result<Stop, StepError> {
        // SAFETY: the child is stopped, and these requests take no data.
        if unsafe { libc::ptrace(request, self.0, ptr::null_mut::<u8>(), ptr::null_mut::<u8>()) } == -1 {
            return Err(failed("ptrace"));
        }
        self.wait()
    }

    fn wait(&self) -> Result<Stop, StepError> {
        let mut status = 0;
        // SAFETY: our own child, and a place for its status.
        if unsafe { libc::waitpid(self.0, &raw mut status, 0) } == -1 {
            return Err(failed("waitpid"));
        }
        if libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0 {
            return Ok(Stop::Exited);
        }
        if !libc::WIFSTOPPED(status) {
            return Err(StepError::ChildEnded(status));
        }
        match libc::WSTOPSIG(status) {
            libc::SIGSTOP => Ok(Stop::Marked),
            libc::SIGTRAP => self.why_trapped(),
            _ => Err(StepError::ChildEnded(status)),
        }
    }

    /// Tells a mark from a step: the kernel says which of the two the trap was.
    fn why_trapped(&self) -> Result<Stop, StepError> {
        // SAFETY: all zeroes is a valid `siginfo_t`, which the call fills.
        let code = unsafe {
            let mut info: libc::siginfo_t = std::mem::zeroed();
            if libc::ptrace(libc::PTRACE_GETSIGINFO, self.0, ptr::null_mut::<u8>(), &raw mut info) == -1 {
                return Err(failed("ptrace"));
            }
            info.si_code
        };
        Ok(if code == libc::SI_KERNEL { Stop::Marked } else { Stop::Stepped })
    }
}

/// Why the child is not running.
#[derive(PartialEq, Eq)]
enum Stop {
    Marked,
    Stepped,
    Exited,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::arch::asm;

    #[test]
    fn a_known_number_of_instructions_is_counted_exactly_and_every_time() {
        let counts = count(|stepper| {
            for _ in 0..3 {
                // SAFETY: three instructions without effect.
                stepper.step(|| unsafe { asm!("nop", "nop", "nop", options(nostack, nomem)) });
            }
        })
        .unwrap();
        assert_eq!(counts, [3, 3, 3]);
    }

    #[test]
    fn a_loop_costs_what_its_rounds_cost() {
        let rounds = |rounds: u64| {
            // SAFETY: counts a register down to zero.
            unsafe {
                asm!("2: dec {0}", "jnz 2b", inout(reg) black_box(rounds) => _, options(nostack, nomem))
            };
        };
        let counts = count(|stepper| {
            stepper.step(|| rounds(1));
            stepper.step(|| rounds(101));
        })
        .unwrap();
        assert_eq!(counts[1] - counts[0], 200);
    }

    #[test]
    fn a_child_that_panics_is_an_error() {
        assert!(matches!(count(|_| std::panic::resume_unwind(Box::new(()))), Err(StepError::ChildEnded(_))));
    }
}
