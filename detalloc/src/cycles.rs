//! Clocks: what time is measured with, on a desktop and on a microcontroller.
//!
//! A [`Clock`] counts ticks. [`Cycles`] is the processor's own counter on x86-64 and AArch64, `Dwt` the one
//! of a Cortex-M, `Mcycle` the one of a RISC-V processor without an operating system; anywhere else a closure
//! is a clock. A clock that is narrower than 64 bits may wrap once during what is measured.
//!
//! What it does not do: convert ticks to seconds, or see through interrupts and preemption, which all count.

/// Counts ticks.
///
/// Any closure that returns a count is one:
///
/// ```
/// use detalloc::{Clock, Wcet};
/// use std::time::Instant;
///
/// let epoch = Instant::now();
/// let nanoseconds = move || u64::try_from(epoch.elapsed().as_nanos()).unwrap_or(u64::MAX);
/// assert_eq!(Wcet::new(nanoseconds).snapshot().unit, "ticks");
/// ```
pub trait Clock {
    /// What a tick is called.
    const UNIT: &'static str = "ticks";

    /// How many bits count; the rest of [`Clock::now`] is ignored.
    const BITS: u32 = 64;

    /// The count now: after all that comes before in the program and before all that comes after, as far as
    /// the clock can tell.
    fn now(&mut self) -> u64;

    /// How many ticks lie between two counts.
    #[inline]
    #[must_use]
    fn between(start: u64, end: u64) -> u64 {
        end.wrapping_sub(start) & u64::MAX.checked_shr(64_u32.saturating_sub(Self::BITS)).unwrap_or(0)
    }
}

impl<F: FnMut() -> u64> Clock for F {
    #[inline]
    fn now(&mut self) -> u64 {
        self()
    }
}

/// The counter of an x86-64 or AArch64 processor, which every program may read.
///
/// On x86-64 `lfence; rdtsc; lfence`: the first fence waits until everything before has been executed, the
/// second holds back everything after (Intel 64 and IA-32 Software Developer's Manual, volume 2B, RDTSC; AMD
/// processors do the same where the system has made `lfence` serialising, as current ones do). `cpuid` would
/// serialise more, and trap under a hypervisor. Stores may still wait in the store buffer, as they do without
/// measuring. The count advances at a constant rate, which is near the processor's nominal frequency and not
/// its momentary one, and on some machines in steps of dozens, below which nothing can be told apart.
///
/// On AArch64 `isb; mrs cntvct_el0; isb`: ticks of the system's timer and not cycles; at 24 MHz, for example,
/// one tick is a hundred cycles, and short operations take none or one.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[derive(Clone, Copy, Debug, Default)]
pub struct Cycles;

#[cfg(target_arch = "x86_64")]
impl Clock for Cycles {
    const UNIT: &'static str = "cycles";

    #[inline]
    fn now(&mut self) -> u64 {
        use core::arch::x86_64::{_mm_lfence, _rdtsc};
        // SAFETY: every x86-64 processor has both instructions.
        unsafe {
            _mm_lfence();
            let count = _rdtsc();
            _mm_lfence();
            count
        }
    }
}

#[cfg(target_arch = "aarch64")]
impl Clock for Cycles {
    #[inline]
    fn now(&mut self) -> u64 {
        let count;
        // SAFETY: reads a counter. Not `nomem`, so that the compiler moves no access to memory across it.
        unsafe { core::arch::asm!("isb", "mrs {}, cntvct_el0", "isb", out(reg) count, options(nostack)) };
        count
    }
}

/// The cycle counter of a Cortex-M (`DWT_CYCCNT`, 32 bits), from ARMv7-M on.
///
/// The registers are those of the Armv7-M Architecture Reference Manual, C1.8. Only privileged programs may
/// read them. Emulated boards have none that counts: what was run there is that this is found.
#[cfg(all(target_arch = "arm", target_os = "none"))]
#[derive(Clone, Copy, Debug)]
pub struct Dwt(());

#[cfg(all(target_arch = "arm", target_os = "none"))]
impl Dwt {
    /// Starts the counter, which debuggers may stop and reset; `None` if this processor has none: an ARMv6-M
    /// or ARMv8-M without the main extension, or one that does not start.
    ///
    /// # Safety
    /// The processor is a Cortex-M, the program runs privileged, and nobody else writes the registers of the
    /// debug unit meanwhile.
    #[must_use]
    pub unsafe fn enable() -> Option<Self> {
        const IDENTITY: *const u32 = core::ptr::without_provenance(0xE000_ED00);
        // Of all Cortex-M (B3.2.3); the smaller processors have another number in its architecture field.
        const ARCHITECTURE: u32 = 0xF << 16;
        const DEMCR: *mut u32 = core::ptr::without_provenance_mut(0xE000_EDFC);
        const TRACE_ENABLE: u32 = 1 << 24;
        const CONTROL: *mut u32 = core::ptr::without_provenance_mut(0xE000_1000);
        const COUNTER_ENABLE: u32 = 1;
        const NO_COUNTER: u32 = 1 << 25;
        // Some processors, the Cortex-M7 for one, ignore writes until this word has been written there.
        const LOCK_ACCESS: *mut u32 = core::ptr::without_provenance_mut(0xE000_1FB0);
        const KEY: u32 = 0xC5AC_CE55;
        // SAFETY: the caller's promise: the registers exist, and are ours to write.
        unsafe {
            if IDENTITY.read_volatile() & ARCHITECTURE != ARCHITECTURE {
                return None;
            }
            DEMCR.write_volatile(DEMCR.read_volatile() | TRACE_ENABLE);
            LOCK_ACCESS.write_volatile(KEY);
            let control = CONTROL.read_volatile();
            if control & NO_COUNTER != 0 {
                return None;
            }
            CONTROL.write_volatile(control | COUNTER_ENABLE);
            // Where nothing is behind the register, nothing stays in it.
            (CONTROL.read_volatile() & COUNTER_ENABLE != 0).then_some(Self(()))
        }
    }

    /// The counter that [`Dwt::enable`] has started before, for a program that keeps no value of this type.
    ///
    /// # Safety
    /// [`Dwt::enable`] has found it, and the program runs privileged.
    #[inline]
    #[must_use]
    pub const unsafe fn enabled() -> Self {
        Self(())
    }
}

#[cfg(all(target_arch = "arm", target_os = "none"))]
impl Clock for Dwt {
    const UNIT: &'static str = "cycles";
    const BITS: u32 = 32;

    #[inline]
    fn now(&mut self) -> u64 {
        use core::sync::atomic::{Ordering, compiler_fence};
        const COUNT: *const u32 = core::ptr::without_provenance(0xE000_1004);
        // These processors execute in order, so it is only the compiler that has to be held back.
        compiler_fence(Ordering::SeqCst);
        // SAFETY: there is a value of this type, so `enable` found the counter.
        let count = unsafe { COUNT.read_volatile() };
        compiler_fence(Ordering::SeqCst);
        count.into()
    }
}

/// The cycle counter of a RISC-V processor (`mcycle`, 64 bits), for programs in machine mode.
///
/// The register is that of the RISC-V Instruction Set Manual, volume II, 3.1.10. It may be slowed down or stopped
/// (`mcountinhibit`), as some processors are after a reset, and it counts instructions in an emulator.
#[cfg(all(any(target_arch = "riscv32", target_arch = "riscv64"), target_os = "none"))]
#[derive(Clone, Copy, Debug)]
pub struct Mcycle(());

#[cfg(all(any(target_arch = "riscv32", target_arch = "riscv64"), target_os = "none"))]
impl Mcycle {
    /// Finds the counter; `None` if it stands still.
    ///
    /// # Safety
    /// The program runs in machine mode, on a processor that has the register, as the manual demands.
    #[must_use]
    pub unsafe fn enable() -> Option<Self> {
        let mut counter = Self(());
        let start = counter.now();
        // Between two readings lies a cycle at least, and in an emulator an instruction.
        (counter.now() != start).then_some(counter)
    }

    /// The counter that [`Mcycle::enable`] has found before, for a program that keeps no value of this type.
    ///
    /// # Safety
    /// [`Mcycle::enable`] has found it, and the program runs in machine mode.
    #[inline]
    #[must_use]
    pub const unsafe fn enabled() -> Self {
        Self(())
    }
}

#[cfg(all(target_arch = "riscv64", target_os = "none"))]
impl Clock for Mcycle {
    const UNIT: &'static str = "cycles";

    #[inline]
    fn now(&mut self) -> u64 {
        let count;
        // SAFETY: there is a value of this type, so the register may be read. Not `nomem`, so that the compiler moves
        // no access to memory across it.
        unsafe { core::arch::asm!("csrr {}, mcycle", out(reg) count, options(nostack)) };
        count
    }
}

#[cfg(all(target_arch = "riscv32", target_os = "none"))]
impl Clock for Mcycle {
    const UNIT: &'static str = "cycles";

    #[inline]
    fn now(&mut self) -> u64 {
        let (high, low, high_after): (u32, u32, u32);
        // SAFETY: there is a value of this type, so the registers may be read. Not `nomem`, so that the compiler moves
        // no access to memory across them.
        unsafe {
            core::arch::asm!(
                "csrr {}, mcycleh", "csrr {}, mcycle", "csrr {}, mcycleh",
                out(reg) high, out(reg) low, out(reg) high_after, options(nostack)
            );
        }
        let low = if high == high_after {
            low
        } else {
            // The lower half has just begun again, and takes 2^32 cycles to do so once more: one further look is enough.
            let again: u32;
            // SAFETY: as above.
            unsafe { core::arch::asm!("csrr {}, mcycle", out(reg) again, options(nostack)) };
            again
        };
        u64::from(high_after) << 32 | u64::from(low)
    }
}
