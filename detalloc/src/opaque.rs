//! Values that the compiler may not look through, so that it keeps an arrangement that was chosen for its length.

/// The same value, of unknown origin. No instruction.
#[inline(always)]
#[allow(clippy::let_and_return, reason = "on some targets there is nothing in between")]
pub(crate) fn opaque(value: usize) -> usize {
    #[cfg(all(
        not(miri),
        any(
            target_arch = "x86_64",
            target_arch = "x86",
            target_arch = "aarch64",
            target_arch = "arm",
            target_arch = "riscv32",
            target_arch = "riscv64"
        )
    ))]
    let value = {
        let mut value = value;
        // SAFETY: an empty text: nothing happens.
        unsafe { core::arch::asm!("/* {0} */", inout(reg) value, options(nomem, nostack, preserves_flags)) };
        value
    };
    value
}
