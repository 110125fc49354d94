//! Subnormal numbers count as zero for a while: they are inaudible, and cost many processors a hundred cycles each.

use core::marker::PhantomData;

/// Lets this thread flush subnormal numbers to zero (FTZ), and take them for zero where they come from memory (DAZ), until it is
/// dropped; then both are as before, after a panic too. On AArch64 one bit does both. Elsewhere it does nothing
/// ([`FlushDenormals::AVAILABLE`]).
///
/// Guards may be nested; the last one made wants to be dropped first.
///
/// ```
/// use detalloc_audio::FlushDenormals;
/// use std::hint::black_box;
///
/// let tiny = black_box(f32::MIN_POSITIVE);
/// // SAFETY: nothing here depends on how small numbers are rounded.
/// let flush = unsafe { FlushDenormals::new() };
/// assert_eq!(black_box(tiny * 0.5) == 0.0, FlushDenormals::AVAILABLE);
/// drop(flush);
/// assert_ne!(black_box(tiny * 0.5), 0.0);
/// ```
///
/// It stays on its thread:
///
/// ```compile_fail
/// fn keep<T: Send>(_: T) {}
/// // SAFETY: nothing here computes.
/// keep(unsafe { detalloc_audio::FlushDenormals::new() });
/// ```
#[derive(Debug)]
pub struct FlushDenormals {
    before: imp::Control,
    /// Neither `Send` nor `Sync`: the register is the thread's.
    thread: PhantomData<*const ()>,
}

impl FlushDenormals {
    /// Whether this processor does it.
    pub const AVAILABLE: bool = imp::AVAILABLE;

    /// Begins.
    ///
    /// # Time complexity
    /// Constant: a few instructions, no system call.
    ///
    /// # Safety
    /// Rust and LLVM take it for granted that arithmetic follows IEEE 754, subnormal numbers included (see the standard library's
    /// `_mm_setcsr`). Until the guard is dropped, no code of this thread may rely for soundness on a result that
    /// is or comes from a subnormal number. Signal processing does not; every host and framework that flushes makes
    /// this assumption for its plugins.
    #[inline]
    #[must_use]
    pub unsafe fn new() -> Self {
        let before = imp::read();
        imp::write(before | imp::FLUSH);
        Self { before, thread: PhantomData }
    }
}

impl Drop for FlushDenormals {
    #[inline]
    fn drop(&mut self) {
        // What else was changed meanwhile, the flags of exceptions for one, stays.
        imp::write((imp::read() & !imp::FLUSH) | (self.before & imp::FLUSH));
    }
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
mod imp {
    use core::arch::asm;

    pub(super) type Control = u32;
    pub(super) const AVAILABLE: bool = true;
    /// FTZ is bit 15 of MXCSR, and DAZ bit 6 (Intel 64 and IA-32 Software Developer's Manual, volume 1, 10.2.3).
    pub(super) const FLUSH: Control = 1 << 15 | 1 << 6;

    #[inline]
    pub(super) fn read() -> Control {
        let mut control = 0;
        // SAFETY: stores the register into the variable.
        unsafe { asm!("stmxcsr [{}]", in(reg) &raw mut control, options(nostack, preserves_flags)) };
        control
    }

    #[inline]
    pub(super) fn write(control: Control) {
        // SAFETY: only the bits above ever differ from what was read.
        unsafe { asm!("ldmxcsr [{}]", in(reg) &raw const control, options(nostack, preserves_flags)) };
    }
}

#[cfg(all(target_arch = "aarch64", not(miri)))]
mod imp {
    use core::arch::asm;

    pub(super) type Control = u64;
    pub(super) const AVAILABLE: bool = true;
    /// FZ is bit 24 of FPCR (Arm Architecture Reference Manual for A-profile, FPCR).
    pub(super) const FLUSH: Control = 1 << 24;

    #[inline]
    pub(super) fn read() -> Control {
        let control;
        // SAFETY: reads the register.
        unsafe { asm!("mrs {}, fpcr", out(reg) control, options(nostack, preserves_flags)) };
        control
    }

    #[inline]
    pub(super) fn write(control: Control) {
        // SAFETY: only the bit above ever differs from what was read.
        unsafe { asm!("msr fpcr, {}", in(reg) control, options(nostack, preserves_flags)) };
    }
}

#[cfg(any(not(any(target_arch = "x86_64", target_arch = "aarch64")), miri))]
mod imp {
    pub(super) type Control = u32;
    pub(super) const AVAILABLE: bool = false;
    pub(super) const FLUSH: Control = 0;

    pub(super) fn read() -> Control {
        0
    }

    pub(super) fn write(_: Control) {}
}

#[cfg(test)]
mod tests {
    use super::FlushDenormals;
    use std::{hint::black_box, panic};

    fn flushes() -> bool {
        black_box(black_box(f64::MIN_POSITIVE) * 0.25) == 0.0
    }

    fn reads_as_zero() -> bool {
        black_box(black_box(f64::from_bits(1)) * 1e300) == 0.0
    }

    #[test]
    fn results_and_operands_are_flushed_and_both_is_undone() {
        assert!(!flushes() && !reads_as_zero());
        // SAFETY: nothing here depends on it but the assertions.
        let (outer, inner) = unsafe { (FlushDenormals::new(), FlushDenormals::new()) };
        drop(inner);
        assert_eq!((flushes(), reads_as_zero()), (FlushDenormals::AVAILABLE, FlushDenormals::AVAILABLE));
        drop(outer);
        assert!(!flushes() && !reads_as_zero());
    }

    #[test]
    fn a_panic_undoes_it() {
        let panicked = panic::catch_unwind(|| {
            // SAFETY: as above.
            let _flush = unsafe { FlushDenormals::new() };
            panic::resume_unwind(Box::new(()));
        });
        assert!(panicked.is_err() && !flushes());
    }
}
