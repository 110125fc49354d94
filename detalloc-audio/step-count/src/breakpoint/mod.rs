//! Counting by breakpoints.
//!
//! Invariants:
//! - (S1) While a [`Stepper`] exists, `SIGTRAP` is handled by [`on_breakpoint`], [`COUNTING`] points at its [`Count`] and
//!   [`COUNTED`] is its thread. There is one stepper at a time in a process, and it does not leave its thread.
//! - (S2) At most one breakpoint stands at a time, only while an operation runs, and it goes before the handler does anything
//!   else on the stepper's thread. So neither the handler nor what it calls ever meets it.
//! - (S3) Another thread that meets the breakpoint, because it runs the same code, tries the instruction again until it is
//!   itself again. Writing one byte is atomic, and either instruction is a whole one. It may hear of it when the stepper
//!   is gone: so the handler stays, and looks at no count but its own thread's.

mod block;
mod branch;

use crate::{Operation, Returned, StepError};
use block::{Block, Blocks, Ran};
use branch::Registers;
use std::{
    arch::{asm, global_asm},
    fmt,
    marker::PhantomData,
    mem,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    ptr,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI32, AtomicPtr, AtomicU8, Ordering::SeqCst},
    },
    thread,
};

/// The breakpoint instruction.
const INT3: u8 = 0xCC;

/// What the one stepper counts (S1).
static COUNTING: AtomicPtr<Count> = AtomicPtr::new(ptr::null_mut());

/// The thread that is counted (S1); 0 is none.
static COUNTED: AtomicI32 = AtomicI32::new(0);

/// Held by the one stepper (S1).
static ONLY_ONE: Mutex<()> = Mutex::new(());

/// What the handler works on.
struct Count {
    instructions: u64,
    /// Where the counted function returns to.
    end: u64,
    /// The stretch that is running.
    block: Block,
    /// The byte that the breakpoint at its end stands for; none when the processor steps instead.
    replaced: Option<u8>,
    blocks: Blocks,
    ran: Ran,
}

impl Count {
    /// Puts the breakpoint at the end of the stretch that begins at an address, and counts that stretch. Where
    /// none can be put, one instruction is counted, which is to be stepped over.
    fn run_from(&mut self, address: u64) {
        self.block = self.blocks.beginning(address);
        self.ran.note(&self.block);
        if self.block.is_writable {
            self.instructions += self.block.instructions;
            self.replaced = Some(patch(self.block.branch_address(), INT3));
        } else {
            self.instructions += 1;
            self.replaced = None;
        }
    }
}

/// Counts the instructions of operations. There is one at a time; a second thread waits for it.
pub struct Stepper {
    count: *mut Count,
    _only: MutexGuard<'static, ()>,
    /// Neither `Send` nor `Sync` (S1).
    _thread: PhantomData<*mut ()>,
}

impl fmt::Debug for Stepper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stepper").finish_non_exhaustive()
    }
}

impl Stepper {
    /// Takes `SIGTRAP` over for as long as the process lives, and makes sure that counts are exact here. Code that is counted becomes
    /// writable, and stays so.
    ///
    /// # Errors
    /// [`StepError`] if and only if the system does not let the signal be taken over, or three instructions are not
    /// counted as three.
    pub fn new() -> Result<Self, StepError> {
        let only = ONLY_ONE.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: all zeroes is a valid `sigaction`, and the handler has the signature that its flags announce.
        unsafe {
            let mut action: libc::sigaction = mem::zeroed();
            action.sa_sigaction = on_breakpoint as *const () as libc::sighandler_t;
            action.sa_flags = libc::SA_SIGINFO;
            if libc::sigaction(libc::SIGTRAP, &raw const action, ptr::null_mut()) != 0 {
                let number = std::io::Error::last_os_error().raw_os_error().unwrap_or(0);
                return Err(StepError::System("sigaction", number));
            }
        }
        let count = Box::into_raw(Box::new(Count {
            instructions: 0,
            end: 0,
            block: Block::default(),
            replaced: None,
            blocks: Blocks::new(),
            ran: Ran::new(),
        }));
        COUNTING.store(count, SeqCst);
        // SAFETY: asking for the thread has no preconditions.
        COUNTED.store(unsafe { libc::gettid() }, SeqCst);
        let mut stepper = Self { count, _only: only, _thread: PhantomData };
        let entry = three_instructions as *const () as u64;
        // SAFETY: (S1) the count is ours while nothing runs.
        if !unsafe { (*count).blocks.beginning(entry) }.is_writable {
            return Err(StepError::System("mprotect", libc::EACCES));
        }
        // SAFETY: the function touches none of its arguments.
        let ((), three) =
            unsafe { stepper.call::<()>(three_instructions, ptr::null_mut(), ptr::null_mut(), 0, 0) };
        if three == 3 { Ok(stepper) } else { Err(StepError::NotExact(three)) }
    }

    /// Runs an operation and counts its instructions, with the few that hand it over and take its result: the same for
    /// the same operation. A panic passes through.
    pub fn step<R>(&mut self, operation: impl FnOnce() -> R) -> (R, u64) {
        /// Operation and result.
        type Slot<F, R> = (Option<F>, Option<thread::Result<R>>);
        unsafe extern "C-unwind" fn run<F: FnOnce() -> R, R>(slot: *mut (), _: *mut u8, _: usize, _: usize) {
            // SAFETY: the slot below.
            let slot = unsafe { &mut *slot.cast::<Slot<F, R>>() };
            slot.1 = slot.0.take().map(|operation| catch_unwind(AssertUnwindSafe(operation)));
        }
        fn function<F: FnOnce() -> R, R>(_: &Slot<F, R>) -> Operation<()> {
            run::<F, R>
        }
        let mut slot = (Some(operation), None);
        let function = function(&slot);
        // SAFETY: the function is that of this slot.
        let ((), count) = unsafe { self.call(function, (&raw mut slot).cast(), ptr::null_mut(), 0, 0) };
        (slot.1.expect("it was run").unwrap_or_else(|panic| resume_unwind(panic)), count)
    }

    /// The stretches of code that operations have run since this was asked last: the addresses of the first and the last instruction of
    /// each. Of some 8,000 at most; further ones are not remembered.
    pub fn take_ran(&mut self) -> Vec<(u64, u64)> {
        // SAFETY: (S1) the count is ours while nothing runs.
        unsafe { (*self.count).ran.take() }
    }

    /// Calls an operation and counts its instructions, between the call and the return, both excluded.
    ///
    /// # Safety
    /// What the operation demands, and that it does not panic.
    #[inline(never)]
    pub unsafe fn call<R: Returned>(
        &mut self,
        operation: Operation<R>,
        on: *mut (),
        block: *mut u8,
        size: usize,
        align: usize,
    ) -> (R, u64) {
        let count = self.count;
        // SAFETY: (S1) the count is ours, and the handler has it only while the operation runs.
        unsafe {
            (*count).instructions = 0;
            (*count).run_from(operation as *const () as u64);
            assert!((*count).replaced.is_some(), "the system does not let this code be written");
        }
        let register: *mut u8;
        // SAFETY: the operation takes these arguments and returns in the register of a pointer or not at all; its own
        // demands the caller meets. All registers that a function may change are given up.
        unsafe {
            asm!(
                "lea rax, [rip + 2f]",
                "mov [r10], rax",
                "call r11",
                "2:",
                inlateout("r10") &raw mut (*count).end => _,
                inlateout("r11") operation => _,
                inlateout("rdi") on => _,
                inlateout("rsi") block => _,
                inlateout("rdx") size => _,
                inlateout("rcx") align => _,
                lateout("rax") register,
                clobber_abi("C"),
            );
        }
        // The return is not one of them. SAFETY: as above.
        let instructions = unsafe { (*count).instructions } - 1;
        (R::from_register(register), instructions)
    }
}

impl Drop for Stepper {
    fn drop(&mut self) {
        COUNTED.store(0, SeqCst);
        COUNTING.store(ptr::null_mut(), SeqCst);
        // SAFETY: no breakpoint stands (S2), so nothing uses the count any more: other threads do not look at it (S3).
        drop(unsafe { Box::from_raw(self.count) });
    }
}

/// The handler: from one branch to the next, or over one instruction.
unsafe extern "C" fn on_breakpoint(
    _: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::ucontext_t,
) {
    // SAFETY: the kernel hands the registers over, and the code has just run. (S1) The counted thread's own count is there, and (S2)
    // nobody else has it. Asking for the thread has no preconditions.
    unsafe {
        let mut registers = Registers(&mut (*context).uc_mcontext.gregs);
        let here = registers.instruction_pointer();
        if libc::gettid() != COUNTED.load(SeqCst) {
            // (S3)
            let met = here - u64::from((*info).si_code == libc::SI_KERNEL);
            registers.set_instruction_pointer(met);
            // One that nobody has put there is the program's own: tried again, it ends the program as it would have.
            let is_ours = || COUNTED.load(SeqCst) != 0;
            if !is_ours() && AtomicU8::from_ptr(met as *mut u8).load(SeqCst) == INT3 && !is_ours() {
                libc::signal(libc::SIGTRAP, libc::SIG_DFL);
            }
            return;
        }
        let count = &mut *COUNTING.load(SeqCst);
        let mut target = Some(here);
        if let Some(byte) = count.replaced.take() {
            patch(count.block.branch_address(), byte);
            registers.set_instruction_pointer(count.block.branch_address());
            target = registers.perform(&count.block.branch);
        }
        // A branch that cannot be followed has been counted already, and is stepped over.
        let mut steps = target.is_none();
        if let Some(target) = target {
            registers.set_instruction_pointer(target);
            if target != count.end {
                count.run_from(target);
                steps = count.replaced.is_none();
            }
        }
        registers.set_single_step(steps);
    }
}

/// Writes one byte of code and returns what was there.
fn patch(address: u64, byte: u8) -> u8 {
    // SAFETY: (S2, S3) the first byte of an instruction whose page was made writable when it was decoded.
    unsafe { AtomicU8::from_ptr(address as *mut u8).swap(byte, SeqCst) }
}

global_asm!(
    ".globl step_count_three",
    ".hidden step_count_three",
    "step_count_three:",
    "nop",
    "nop",
    "nop",
    "ret",
);

unsafe extern "C-unwind" {
    #[link_name = "step_count_three"]
    fn three_instructions(_: *mut (), _: *mut u8, _: usize, _: usize);
}

#[cfg(test)]
mod tests;
