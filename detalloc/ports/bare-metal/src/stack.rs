//! Whether the stack has kept clear of the statics, which it would overwrite silently.

pub use end::{had_room, mark};

/// Of `cortex-m-rt`: what the stack must leave alone is written to its end, right above the statics.
#[cfg(target_arch = "arm")]
mod end {
    unsafe extern "C" {
        static mut _stack_end: [u32; 16];
    }

    const LEFT_ALONE: [u32; 16] = [0x5AC3_3CA5; 16];

    /// Before anything deep is called.
    pub fn mark() {
        // SAFETY: the stack is far above as yet, and nothing else lies there.
        unsafe { (&raw mut _stack_end).write_volatile(LEFT_ALONE) };
    }

    /// Whether the stack has never reached its end.
    pub fn had_room() -> bool {
        // SAFETY: it was written.
        unsafe { (&raw const _stack_end).read_volatile() == LEFT_ALONE }
    }
}

/// The board has a megabyte for it.
#[cfg(target_arch = "riscv32")]
mod end {
    pub fn mark() {}

    pub fn had_room() -> bool {
        true
    }
}
