//! Where each processor begins, and what it brings along: its critical section.

#[cfg(target_arch = "arm")]
use cortex_m as _;
#[cfg(target_arch = "riscv32")]
use riscv as _;

#[cfg(target_arch = "arm")]
#[cortex_m_rt::entry]
fn start() -> ! {
    crate::main()
}

#[cfg(target_arch = "riscv32")]
#[riscv_rt::entry]
fn start() -> ! {
    crate::main()
}
