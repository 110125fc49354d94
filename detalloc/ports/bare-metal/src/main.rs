//! Runs the allocator on a processor without an operating system: the vectors that every target is compared with, the
//! core's promises. Prints a line each through semihosting, and ends the emulator with a
//! status of 0 if and only if all is well. `cargo xtask reach` builds and runs it.
#![no_std]
#![no_main]

mod checks;
mod start;

use core::{mem::MaybeUninit, ptr::NonNull};
use detalloc_vectors::{Failed, TEXT, vectors};
use panic_halt as _;
use semihosting::{println, process};

/// As the board has room.
const REGION_BYTES: usize = {
    let (digits, mut kib, mut at) = (env!("REGION_KIB").as_bytes(), 0, 0);
    while at < digits.len() {
        kib = 10 * kib + (digits[at] - b'0') as usize;
        at += 1;
    }
    kib * 1024
};

static mut REGION: [MaybeUninit<u8>; REGION_BYTES] = [MaybeUninit::uninit(); REGION_BYTES];
static mut SLOTS: [Option<NonNull<u8>>; 64] = [None; 64];

fn main() -> ! {
    println!("board {}", env!("BOARD"));
    let (region, slots) = (&raw mut REGION, &raw mut SLOTS);
    // SAFETY: called once, and nothing else names the statics.
    let (region, slots) = unsafe { (&mut *region, &mut *slots) };
    let mut all_well = true;
    for vector in vectors(TEXT) {
        let (trace, heap) = (vector.trace, vector.heap);
        match vector.run(region, slots) {
            Ok(outcome) if outcome.is(vector.expected) => println!("ok vector {trace} {heap}"),
            Ok(outcome) => {
                println!("FAILED vector {trace} {heap}: {outcome}");
                all_well = false;
            }
            Err(Failed::Region { needed }) => {
                println!("not run vector {trace} {heap}: needs {needed} bytes of {REGION_BYTES}");
            }
            Err(error) => {
                println!("FAILED vector {trace} {heap}: {error:?}");
                all_well = false;
            }
        }
    }
    for (name, check) in checks::CHECKS {
        let holds = check(region) == Some(true);
        println!("{} check {name}", if holds { "ok" } else { "FAILED" });
        all_well &= holds;
    }
    println!("{}", if all_well { "all well" } else { "not well" });
    process::exit(i32::from(!all_well));
}
