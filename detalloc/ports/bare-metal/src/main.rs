//! Runs the allocator on a processor without an operating system: the vectors that every target is compared with, and the
//! core's promises. Prints a line each through semihosting, and ends the emulator with a status of 0 if and only if all is
//! well. `cargo xtask reach` builds and runs it.
#![no_std]
#![no_main]

mod checks;
mod interrupt;
mod stack;
mod start;

use core::{mem::MaybeUninit, ptr::NonNull};
use detalloc_vectors::{Failed, TEXT, vectors};
use panic_halt as _;
use semihosting::{println, process};

/// As the board has room.
const REGION_BYTES: usize = number(env!("REGION_KIB")) * 1024;

/// What a variable of `build.rs` says.
const fn number(text: &str) -> usize {
    let (digits, mut number, mut at) = (text.as_bytes(), 0, 0);
    while at < digits.len() {
        number = 10 * number + (digits[at] - b'0') as usize;
        at += 1;
    }
    number
}

static mut REGION: [MaybeUninit<u8>; REGION_BYTES] = [MaybeUninit::uninit(); REGION_BYTES];
static mut SLOTS: [Option<NonNull<u8>>; 64] = [None; 64];

fn main() -> ! {
    stack::mark();
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
    // Past its end it would have overwritten what was checked.
    if !stack::had_room() {
        println!("FAILED check the stack has room");
        all_well = false;
    }
    println!("{}", if all_well { "all well" } else { "not well" });
    process::exit(i32::from(!all_well));
}
