//! FreeRTOS on an emulated board, over detalloc or, with the feature `heap-4`, over the kernel's own heap: where the program of
//! `check.c` begins, how it prints and how it ends. `cargo xtask reach --target freertos` runs both.
#![no_std]
#![no_main]

use core::{
    ffi::{CStr, c_char},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};
use cortex_m_rt::entry;
use detalloc_c as _;
use semihosting::{println, process};

/// Whether every check so far has held.
static ALL_WELL: AtomicBool = AtomicBool::new(true);

unsafe extern "C" {
    /// Of `check.c`: starts the scheduler and does not return.
    safe fn check();
}

#[entry]
fn start() -> ! {
    println!("heap {}", if cfg!(feature = "heap-4") { "heap_4" } else { "detalloc" });
    check();
    finish()
}

/// # Safety
/// A string that ends with a zero.
unsafe fn text<'a>(what: *const c_char) -> &'a str {
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(what) }.to_str().unwrap_or("?")
}

/// Prints what an operation took.
///
/// # Safety
/// `what` is a string that ends with a zero.
#[unsafe(no_mangle)]
unsafe extern "C" fn say_count(what: *const c_char, fragments: u32, least: u32, most: u32) {
    // SAFETY: the caller's promise.
    println!("behind {fragments} {} {least} {most}", unsafe { text(what) });
}

/// Prints whether something holds.
///
/// # Safety
/// As [`say_count`].
#[unsafe(no_mangle)]
unsafe extern "C" fn say_check(what: *const c_char, holds: bool) {
    if !holds {
        ALL_WELL.store(false, Relaxed);
    }
    // SAFETY: the caller's promise.
    println!("{} check {}", if holds { "ok" } else { "FAILED" }, unsafe { text(what) });
}

/// Ends the program, and the emulator with it.
#[unsafe(no_mangle)]
extern "C" fn finish() -> ! {
    let is_well = ALL_WELL.load(Relaxed);
    println!("{}", if is_well { "all well" } else { "not well" });
    process::exit(i32::from(!is_well))
}
