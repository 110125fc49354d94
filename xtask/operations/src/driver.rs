//! Runs every operation in as many situations as there are, and prints what each took at most and which code ran.

mod announced;
mod callbacks;
mod core_heap;
mod crowd;
mod integration;
mod others;
mod starving;
mod starving_regions;

use crate::{heap, operation::Operation};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use step_count::Stepper;

/// What was measured of one operation.
#[derive(Default)]
struct Measured {
    instructions: u64,
    ran: BTreeSet<(u64, u64)>,
}

/// In place of a number of levels: deep pools, but not the longest ways through them.
pub const DEEP: u32 = u32::MAX;

/// Steps through operations.
pub struct Driver {
    stepper: Stepper,
    measured: BTreeMap<(&'static str, u32), Measured>,
    /// How many levels the bitmaps of the pools of this world have at most.
    levels: u32,
    /// Whether what runs is bounded, so that its instructions count.
    is_bounded: bool,
    random: u64,
}

impl Driver {
    /// Calls an operation and notes what it took.
    ///
    /// # Safety
    /// As the operation.
    unsafe fn call<T>(
        &mut self,
        name: &'static str,
        operation: Operation,
        on: *mut T,
        block: *mut u8,
        size: usize,
        align: usize,
    ) -> *mut u8 {
        // SAFETY: the caller's promise.
        let (result, instructions) = unsafe { self.stepper.call(operation, on.cast(), block, size, align) };
        let measured = self.measured.entry((name, self.levels)).or_default();
        if self.is_bounded {
            measured.instructions = measured.instructions.max(instructions);
        }
        measured.ran.extend(self.stepper.take_ran());
        result
    }

    /// Runs what ends in something that no bound is given for: a call that an exception allows. Only which code ran counts.
    fn unbounded<R>(&mut self, body: impl FnOnce(&mut Self) -> R) -> R {
        self.is_bounded = false;
        let result = body(self);
        self.is_bounded = true;
        result
    }

    /// Runs functions that operations share, in a way that no operation does.
    fn elsewhere<R>(&mut self, body: impl FnOnce() -> R) -> R {
        let (result, _) = self.stepper.step(body);
        self.measured.entry(("", self.levels)).or_default().ran.extend(self.stepper.take_ran());
        result
    }

    /// Below the limit; the same in every run.
    fn below(&mut self, limit: usize) -> usize {
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.random >> 33).unwrap_or(0) % limit.max(1)
    }
}

/// Calls the operation of a name on an object.
macro_rules! step {
    ($driver:expr, $module:ident::$name:ident, $on:expr) => {
        step!($driver, $module::$name, $on, core::ptr::null_mut(), 0, 0)
    };
    ($driver:expr, $module:ident::$name:ident, $on:expr, $block:expr, $size:expr, $align:expr) => {
        // SAFETY: the object, block and layout are what the operation wants; see where this is called.
        unsafe { $driver.call(stringify!($name), $crate::$module::$name, $on, $block, $size, $align) }
    };
}
pub(crate) use step;

/// Measures all of them.
pub fn main() {
    let stepper = match Stepper::new() {
        Ok(stepper) => stepper,
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(2);
        }
    };
    let mut driver =
        Driver { stepper, measured: BTreeMap::new(), levels: 2, is_bounded: true, random: 0x5EED };
    core_heap::all(&mut driver);
    starving::all(&mut driver);
    others::all(&mut driver);
    integration::all(&mut driver);
    starving_regions::all(&mut driver);
    callbacks::all(&mut driver);
    let base = heap::allocate as *const () as u64;
    let from_base = |address: u64| address.wrapping_sub(base).cast_signed();
    let rows: Vec<_> = driver
        .measured
        .iter()
        .map(|((operation, levels), measured)| {
            let ran = measured.ran.iter().map(|&(first, last)| (from_base(first), from_base(last)));
            json!({
                "operation": operation,
                "levels": levels,
                "instructions": measured.instructions,
                "ran": ran.collect::<Vec<_>>(),
            })
        })
        .collect();
    println!("{}", json!(rows));
}
