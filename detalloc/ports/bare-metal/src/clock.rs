//! Exact instruction counts, for an emulator whose clock is its instruction counter (`qemu -icount`).
//!
//! The clock is SysTick, or `minstret` on RISC-V. How many ticks an instruction takes is measured on instructions that are
//! known, so that neither the emulator's clock nor the board's matters.

use core::arch::{asm, naked_asm};
use core::hint::black_box;

/// A clock that has been started.
pub struct Clock {
    /// What a number of known instructions takes, and the two readings around them.
    known: u32,
    /// What two readings alone take.
    nothing: u32,
}

/// How many instructions are known.
const KNOWN: u32 = 256;

impl Clock {
    /// Starts it.
    pub fn start() -> Self {
        start();
        let nothing = ticks(|| ());
        // SAFETY: does nothing.
        let known = ticks(|| unsafe { known() });
        Self { known, nothing }
    }

    /// How many instructions a piece of code takes, rounded to the nearest.
    #[inline(always)]
    pub fn instructions<R>(&self, what: impl FnOnce() -> R) -> (u32, R) {
        let begin = now();
        let result = what();
        let end = now();
        let ticks = between(begin, end).saturating_sub(self.nothing);
        let of_known = self.known.wrapping_sub(self.nothing).max(1);
        ((ticks * KNOWN + of_known / 2) / of_known, result)
    }
}

/// Takes, with the call and the return, as many instructions as are known. (In place, the assembler would move literals
/// out of reach.)
///
/// # Safety
/// None is needed: it touches nothing.
#[unsafe(naked)]
unsafe extern "C" fn known() {
    #[cfg(target_arch = "arm")]
    naked_asm!(".rept 254", "nop", ".endr", "bx lr");
    #[cfg(target_arch = "riscv32")]
    naked_asm!(".rept 254", "nop", ".endr", "ret");
}

#[inline(always)]
fn ticks(what: impl FnOnce()) -> u32 {
    let begin = now();
    what();
    let end = now();
    black_box(between(begin, end))
}

/// SysTick's registers (Armv7-M Architecture Reference Manual, B3.3).
#[cfg(target_arch = "arm")]
mod systick {
    pub const CONTROL: *mut u32 = core::ptr::without_provenance_mut(0xE000_E010);
    pub const RELOAD: *mut u32 = core::ptr::without_provenance_mut(0xE000_E014);
    pub const COUNT: *mut u32 = core::ptr::without_provenance_mut(0xE000_E018);
    /// On, without interrupts, at the processor's speed.
    pub const ON: u32 = 0b101;
    pub const MAX: u32 = 0x00FF_FFFF;
}

#[cfg(target_arch = "arm")]
fn start() {
    // SAFETY: the registers of every Cortex-M that QEMU knows, and nobody else uses them here.
    unsafe {
        systick::RELOAD.write_volatile(systick::MAX);
        systick::COUNT.write_volatile(0);
        systick::CONTROL.write_volatile(systick::ON);
    }
}

#[cfg(target_arch = "arm")]
#[inline(always)]
fn now() -> u32 {
    let now: u32;
    // SAFETY: as above. Not `nomem`, so that the compiler moves no access to memory across it.
    unsafe { asm!("ldr {}, [{}]", out(reg) now, in(reg) systick::COUNT, options(nostack)) };
    now
}

/// It counts down.
#[cfg(target_arch = "arm")]
#[inline(always)]
fn between(begin: u32, end: u32) -> u32 {
    begin.wrapping_sub(end) & systick::MAX
}

#[cfg(target_arch = "riscv32")]
fn start() {}

#[cfg(target_arch = "riscv32")]
#[inline(always)]
fn now() -> u32 {
    let now: u32;
    // SAFETY: reads a counter. Not `nomem`, so that the compiler moves no access to memory across it.
    unsafe { asm!("csrr {}, minstret", out(reg) now, options(nostack)) };
    now
}

#[cfg(target_arch = "riscv32")]
#[inline(always)]
fn between(begin: u32, end: u32) -> u32 {
    end.wrapping_sub(begin)
}
