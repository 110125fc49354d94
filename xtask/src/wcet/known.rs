//! What code is known by its looks: an exchange that is a loop, and what ends the program.

use super::instruction::{Flow, Instruction};

/// Whether a loop is nothing but an exchange: it reads exclusively, writes exclusively, and goes on until nobody came between.
pub fn is_exchange(instructions: &[Instruction]) -> bool {
    const MOST: usize = 8;
    let of_memory: Vec<_> = instructions.iter().filter(|one| one.loads + one.stores > 0).collect();
    let calls = instructions.iter().any(|one| matches!(one.flow, Flow::Call(_) | Flow::IndirectCall));
    instructions.len() <= MOST
        && !calls
        && of_memory.len() == 2
        && of_memory.iter().all(|one| one.exclusive)
        && of_memory.iter().any(|one| one.loads > 0)
        && of_memory.iter().any(|one| one.stores > 0)
}

/// Functions that end the program, or begin to.
pub fn is_end(name: &str) -> bool {
    [
        "core::panicking",
        "core::option::unwrap_failed",
        "core::option::expect_failed",
        "core::result::unwrap_failed",
        "core::cell::panic",
        "core::slice::index",
        "core::str::slice_error",
        "std::process::abort",
        "std::panicking",
        "std::rt::",
        "core::fmt",
        "alloc::fmt",
        "alloc::alloc::handle_alloc_error",
        "alloc::raw_vec",
        "rust_begin_unwind",
        "__rustc::rust_begin_unwind",
        "_Unwind_Resume",
        "abort",
    ]
    .iter()
    .any(|end| name.starts_with(end))
}
