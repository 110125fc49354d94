//! What operations are measured with: the counter that the target has.
//!
//! Programs on an operating system may always read theirs. On a microcontroller it has to be started or found first, which only
//! privileged programs may do; until then it is not touched, and reads 0.

use crate::error::{
    det_error_t::{self, *},
    noted,
};
use detalloc::Clock;

/// One that every program may read.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod counter {
    pub(super) type Counter = detalloc::Cycles;

    pub(super) unsafe fn start() -> bool {
        true
    }

    #[inline]
    pub(super) fn get() -> Option<Counter> {
        Some(detalloc::Cycles)
    }
}

/// One that has to be started.
#[cfg(all(any(target_arch = "arm", target_arch = "riscv32", target_arch = "riscv64"), target_os = "none"))]
mod counter {
    use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

    #[cfg(target_arch = "arm")]
    pub(super) type Counter = detalloc::Dwt;
    #[cfg(not(target_arch = "arm"))]
    pub(super) type Counter = detalloc::Mcycle;

    /// Relaxed: a fact about the processor, by which no memory is reached.
    static RUNS: AtomicBool = AtomicBool::new(false);

    /// # Safety
    /// As `Counter::enable`.
    pub(super) unsafe fn start() -> bool {
        // SAFETY: the caller's promise.
        let runs = unsafe { Counter::enable() }.is_some();
        RUNS.store(runs, Relaxed);
        runs
    }

    #[inline]
    pub(super) fn get() -> Option<Counter> {
        // SAFETY: it was found; and the promise made to `det_start_cycles`.
        RUNS.load(Relaxed).then(|| unsafe { Counter::enabled() })
    }
}

/// None.
#[cfg(not(any(
    target_arch = "x86_64",
    target_arch = "aarch64",
    all(any(target_arch = "arm", target_arch = "riscv32", target_arch = "riscv64"), target_os = "none")
)))]
mod counter {
    pub(super) type Counter = fn() -> u64;

    pub(super) unsafe fn start() -> bool {
        false
    }

    pub(super) fn get() -> Option<Counter> {
        None
    }
}

/// What the counter counts.
pub(crate) const UNIT: &str = counter::Counter::UNIT;

/// The count now; 0 where there is none, or none that runs.
#[inline]
pub(crate) fn now() -> u64 {
    counter::get().map_or(0, |mut counter| counter.now())
}

/// How much lies between two counts, of a counter that may have gone round in between.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "no operation takes 2^32 cycles")]
pub(crate) fn between(start: u64, end: u64) -> usize {
    counter::Counter::between(start, end) as usize
}

/// Starts the counter of `det_get_cycles`. Only microcontrollers need that: call it once there, before the first operation that
/// is to be measured. Everything that reads the counter afterwards has to be privileged, and that is every task which
/// allocates from an allocator with `enable_stats`.
///
/// On Arm without an operating system the processor has to be a Cortex-M. It has a counter from ARMv7-M on (DWT), and an
/// ARMv8-M with the main extension has one. On RISC-V without an operating system the program has to run in machine mode,
/// and the counter, mcycle, is taken as it is: one that was stopped before stays so.
///
/// @return DET_OK if the counter runs, which it always does on x86-64 and AArch64, or the error.
///
/// Errors, also as `det_last_error(NULL)`: `DET_ERR_UNSUPPORTED` if and only if there is no counter that runs.
///
/// Time: constant. Threads: while no other thread is in an operation of an allocator.
///
/// # Safety
/// The processor and its mode are as said above.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn det_start_cycles() -> det_error_t {
    // SAFETY: the caller's promise.
    if unsafe { counter::start() } { DET_OK } else { noted(DET_ERR_UNSUPPORTED) }
}

/// The processor's counter: of cycles at the nominal rate on x86-64 (the time stamp counter), of ticks of the system's timer on
/// AArch64 (cntvct_el0, of which one may be a hundred cycles), of cycles on a microcontroller after `det_start_cycles`, where
/// it has 32 bits on a Cortex-M, so that differences hold modulo 2^32. 0 before that, and elsewhere.
///
/// @return The count.
///
/// Time: constant. Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn det_get_cycles() -> u64 {
    now()
}
