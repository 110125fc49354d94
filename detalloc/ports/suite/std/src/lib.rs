//! What the core's tests use of the standard library, from `core` and `alloc`, where there is no system for the rest.
#![no_std]

extern crate alloc as lib;

pub use core::*;
pub use lib::{borrow, boxed, collections, fmt, format, rc, slice, str, string, vec};
#[doc(hidden)]
pub use semihosting;

/// Output goes through the debugger's door.
#[macro_export]
macro_rules! println {
    ($($text:tt)*) => { $crate::semihosting::println!($($text)*) };
}

/// `core::sync` and `alloc::sync`.
pub mod sync {
    pub use core::sync::*;
    #[cfg(target_has_atomic = "ptr")]
    pub use lib::sync::*;
}

/// What every file has without asking.
pub mod bare_prelude {
    pub use crate::println;
    pub use lib::borrow::ToOwned;
    pub use lib::boxed::Box;
    pub use lib::format;
    pub use lib::string::{String, ToString};
    pub use lib::vec;
    pub use lib::vec::Vec;
}
