//! Nothing: the programs are in C, as those of users are, and `build.rs` compiles and links them. This package is how the kernel's
//! sources come from a registry.
#![no_std]
