//! Exact instruction counts, for an emulator whose clock is its instruction counter (`qemu -icount`).
//!
//! The clock is SysTick, or `minstret` on RISC-V. How many ticks an instruction takes is measured on instructions that are
//! known, so that neither the emulator's clock nor the board's matters. A count that does not come out near a whole number
//! is none.

use core::arch::asm;

/// A clock that has been started.
pub struct Clock {
    /// Ticks of [`SHORT`] instructions with the readings around them.
    short: i64,
    /// Ticks of [`MORE`] instructions.
    more: i64,
}

/// Instructions that are known: the shorter ones, and how many more the longer ones are. What both take besides is what
/// reading the clock takes; and over so many, a tick more or less is less than a thousandth of an instruction. Twice as many
/// would come near what SysTick counts to on the fastest board, 2^24 at 172 ticks an instruction.
const SHORT: u32 = 256;
const MORE: u32 = 32_768;

impl Clock {
    /// Starts it. `None`: it does not go by the instructions.
    pub fn start() -> Option<Self> {
        restart();
        let short = known(SHORT);
        restart();
        let more = known(SHORT + MORE).checked_sub(short)?;
        // A tenth of an instruction has to be at least a tick.
        (more >= 10 * MORE).then_some(Self { short: short.into(), more: more.into() })
    }

    /// How many instructions a function takes, its return included, and its first result.
    ///
    /// `None`: not a whole number, give or take a tenth, so something else was counted.
    ///
    /// # Safety
    /// As the function, which takes these arguments by the C calling convention.
    pub unsafe fn instructions(
        &self,
        function: *const (),
        arguments: [*mut u8; 3],
    ) -> (Option<u32>, *mut u8) {
        restart();
        // SAFETY: the caller's promise.
        let (ticks, result) = unsafe { ticks(function, arguments) };
        // Without the call itself.
        (self.of_ticks(ticks).and_then(|count| count.checked_sub(1)), result)
    }

    fn of_ticks(&self, ticks: u32) -> Option<u32> {
        // In units of one tick's share of `MORE` instructions.
        let readings = self.short * i64::from(MORE) - self.more * i64::from(SHORT);
        let scaled = i64::from(ticks) * i64::from(MORE) - readings;
        let nearest = (scaled + self.more / 2) / self.more;
        let off = scaled - nearest * self.more;
        u32::try_from(nearest).ok().filter(|_| off.abs() <= self.more / 10)
    }
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

/// Begins anew, because the emulator's timer is not exact where it wraps around.
#[cfg(target_arch = "arm")]
fn restart() {
    // SAFETY: the registers of every Cortex-M that QEMU knows, and nobody else uses them here.
    unsafe {
        systick::RELOAD.write_volatile(systick::MAX);
        systick::COUNT.write_volatile(0);
        systick::CONTROL.write_volatile(systick::ON);
        // It stands still until its first period has passed.
        let first = systick::COUNT.read_volatile();
        while systick::COUNT.read_volatile() == first {}
    }
}

/// Ticks of that many instructions, which are two each time around: the count, then the branch.
#[cfg(target_arch = "arm")]
fn known(instructions: u32) -> u32 {
    let (begin, end): (u32, u32);
    // SAFETY: reads the clock and counts.
    unsafe {
        asm!(
            "ldr {begin}, [{clock}]",
            "2:",
            "subs {rounds}, #1",
            "bne 2b",
            "ldr {end}, [{clock}]",
            begin = out(reg) begin,
            end = lateout(reg) end,
            rounds = inout(reg) instructions / 2 => _,
            clock = in(reg) systick::COUNT,
            options(nostack),
        );
    }
    between(begin, end)
}

/// Ticks between two readings with a call and nothing else between, and what the function gave. In assembler: the compiler
/// would save and move values between them.
///
/// # Safety
/// As [`Clock::instructions`].
#[cfg(target_arch = "arm")]
#[inline(never)]
unsafe fn ticks(function: *const (), [first, second, third]: [*mut u8; 3]) -> (u32, *mut u8) {
    let (begin, end, result): (u32, u32, *mut u8);
    // SAFETY: the caller's promise; r4 and r5 are the caller's own of every function.
    unsafe {
        asm!(
            "ldr r5, [r4]",
            "blx r3",
            "ldr r1, [r4]",
            inout("r0") first => result,
            inout("r1") second => end,
            inout("r2") third => _,
            inout("r3") function => _,
            in("r4") systick::COUNT,
            out("r5") begin,
            // Nothing here has floating-point registers to lose.
            out("r12") _,
            out("lr") _,
        );
    }
    (between(begin, end), result)
}

/// It counts down.
#[cfg(target_arch = "arm")]
#[inline(always)]
fn between(begin: u32, end: u32) -> u32 {
    begin.wrapping_sub(end) & systick::MAX
}

#[cfg(target_arch = "riscv32")]
fn restart() {}

/// Ticks of that many instructions, which are two each time around: the count, then the branch.
#[cfg(target_arch = "riscv32")]
fn known(instructions: u32) -> u32 {
    let (begin, end): (u32, u32);
    // SAFETY: reads the clock and counts.
    unsafe {
        asm!(
            "csrr {begin}, minstret",
            "2:",
            "addi {rounds}, {rounds}, -1",
            "bnez {rounds}, 2b",
            "csrr {end}, minstret",
            begin = out(reg) begin,
            end = lateout(reg) end,
            rounds = inout(reg) instructions / 2 => _,
            options(nostack),
        );
    }
    between(begin, end)
}

/// Ticks between two readings with a call and nothing else between, and what the function gave. In assembler: the compiler
/// would save and move values between them.
///
/// # Safety
/// As [`Clock::instructions`].
#[cfg(target_arch = "riscv32")]
#[inline(never)]
unsafe fn ticks(function: *const (), [first, second, third]: [*mut u8; 3]) -> (u32, *mut u8) {
    let (begin, end, result): (u32, u32, *mut u8);
    // SAFETY: the caller's promise; s2 is the caller's own of every function.
    unsafe {
        asm!(
            "csrr s2, minstret",
            "jalr a3",
            "csrr a1, minstret",
            inout("a0") first => result,
            inout("a1") second => end,
            inout("a2") third => _,
            inout("a3") function => _,
            out("s2") begin,
            clobber_abi("C"),
        );
    }
    (between(begin, end), result)
}

#[cfg(target_arch = "riscv32")]
#[inline(always)]
fn between(begin: u32, end: u32) -> u32 {
    end.wrapping_sub(begin)
}
