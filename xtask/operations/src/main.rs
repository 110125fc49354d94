//! Every real-time operation, as a function of its own in a linked program, which `cargo xtask wcet` takes apart. Run on x86-64
//! Linux, the program measures them: for every operation the instructions it takes at most, and the code that ran.
#![cfg_attr(target_os = "none", no_std, no_main)]

mod heap;
mod operation;

#[cfg(feature = "audio")]
mod audio;
#[cfg(all(feature = "audio", target_os = "linux", target_arch = "x86_64"))]
mod driver;
#[cfg(feature = "whole")]
mod remote;

/// Keeps what nobody calls.
#[used]
static ALL: &[&[operation::Operation]] = &[
    heap::OPERATIONS,
    #[cfg(feature = "whole")]
    remote::OPERATIONS,
    #[cfg(feature = "audio")]
    audio::OPERATIONS,
];

#[cfg(all(feature = "audio", target_os = "linux", target_arch = "x86_64"))]
fn main() {
    driver::main();
}

#[cfg(not(any(target_os = "none", all(feature = "audio", target_os = "linux", target_arch = "x86_64"))))]
fn main() {
    eprintln!("operations are measured on x86-64 Linux only");
}

#[cfg(target_os = "none")]
#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    core::hint::black_box(ALL);
    loop {}
}

#[cfg(target_os = "none")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
