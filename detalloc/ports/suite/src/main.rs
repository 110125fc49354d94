//! Runs the core's tests on a processor without an operating system. Prints a line each through semihosting, and ends the
//! emulator with a status of 0 if and only if all is well. `cargo xtask reach` builds and runs it.
#![no_std]
#![no_main]

#[path = "../../bare-metal/src/start.rs"]
mod start;

/// The tests, as `build.rs` has put them together.
#[allow(
    missing_docs,
    unused,
    unexpected_cfgs,
    clippy::all,
    clippy::undocumented_unsafe_blocks,
    reason = "checked where they are"
)]
mod suite {
    /// A test and its name.
    pub type Test = (&'static str, fn());

    include!(concat!(env!("OUT_DIR"), "/suite.rs"));
}

use core::{
    mem::MaybeUninit, panic::PanicInfo, ptr, sync::atomic::AtomicPtr, sync::atomic::Ordering::Relaxed,
};
use embedded_alloc::LlffHeap;
use semihosting::{println, process};
use suite::Test;

/// For what the tests themselves need.
const HEAP_BYTES: usize = 2 << 20;

#[global_allocator]
static HEAP: LlffHeap = LlffHeap::empty();

/// The test that runs.
static CURRENT: AtomicPtr<Test> = AtomicPtr::new(ptr::null_mut());

fn main() -> ! {
    static mut MEMORY: [MaybeUninit<u8>; HEAP_BYTES] = [MaybeUninit::uninit(); HEAP_BYTES];
    // SAFETY: called once, and nothing else names the memory.
    unsafe { HEAP.init((&raw mut MEMORY).addr(), HEAP_BYTES) };
    suite::run_tests(&mut |test| {
        CURRENT.store(ptr::from_ref(test).cast_mut(), Relaxed);
        (test.1)();
        println!("ok test {}", test.0);
    });
    for (what, tests) in suite::LEFT_OUT {
        println!("not run tests that need {what}: {tests}");
    }
    println!("all well");
    process::exit(0);
}

/// A test that fails ends the program, as nothing unwinds.
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    // SAFETY: null, or one of the tests.
    let name = unsafe { CURRENT.load(Relaxed).as_ref() }.map_or("before any test", |test| test.0);
    println!("FAILED {name}: {}", info.message());
    process::exit(1);
}
