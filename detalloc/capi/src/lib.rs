//! The C interface: `include/detalloc.h` is generated from this crate by `cargo xtask header`.
//!
//! Every function takes whatever C hands it: a null, destroyed or never initialised allocator, a foreign, interior or freed
//! block, a count that overflows. It answers with an error and changes nothing. Allocating and freeing take constant
//! time, as in Rust, and nothing unwinds into C.
//!
//! How it is kept: an allocator lies at the start of the caller's buffer and carries a seal over its own address, which is
//! compared before anything else is read; everything behind it is the core's. Values from C arrive as integers and are compared
//! before they become a `bool`, an enumeration or a slice.
//!
//! What it does not do: know whether a pointer leads to memory at all, or whether two threads use one allocator that is not
//! `thread_safe`.
//!
//! Invariants that the unsafe code leans on:
//!
//! - **(C1)** A pointer from C that is not null is aligned, leads to what its parameter's type says, or to memory of the size
//!   that is said beside it, and stays valid for the call. Of a handle it is enough that a word can be read there, and of a
//!   block nothing is asked. The header says so at its beginning.
//! - **(C2)** Something with a right seal was written by its `init` function, into a buffer that its caller has
//!   lent until `destroy`; nothing moves it.
//! - **(C3)** The cells of an allocator that is not `thread_safe`, of an arena and of each end of a ring are touched by one
//!   thread at a time. Allocators that are `thread_safe` have no cells.
//! - **(C4)** While a hook runs, the ways are busy, and no operation reaches the heap of an allocator that is not `thread_safe`.
#![no_std]
#![allow(non_camel_case_types, reason = "the names are those of the C header")]

#[cfg(not(feature = "freestanding"))]
extern crate std;

mod allocator;
mod arena;
mod clock;
mod config;
mod error;
mod hooks;
mod internal;
mod operations;
mod remote;
mod report;
mod ring;
mod sealed;
mod stats;

pub use allocator::{
    det_alloc_destroy, det_alloc_init, det_alloc_init_pools, det_alloc_size, det_alloc_size_pools,
    det_allocator_t,
};
pub use arena::{
    det_arena_alloc, det_arena_destroy, det_arena_init, det_arena_peak, det_arena_reset, det_arena_t,
    det_arena_used,
};
pub use clock::{det_get_cycles, det_start_cycles};
pub use config::{
    DET_MAX_POOLS, Flag, det_config_for_use_case, det_config_t, det_default_config, det_pool_config_t,
    det_suggest_config, det_use_case_t,
};
pub use error::{det_error_string, det_error_t, det_last_error, det_version_string};
pub use hooks::{det_alloc_hook_t, det_free_hook_t, det_set_alloc_hook, det_set_free_hook};
pub use internal::{det_free_fn_t, det_malloc_fn_t, det_set_internal_allocator};
pub use operations::{
    det_alloc, det_alloc_aligned, det_alloc_array, det_alloc_array_aligned, det_alloc_usable_size,
    det_calloc, det_free, det_prefetch, det_realloc,
};
pub use remote::{det_adopt_remote_frees, det_remote_free};
pub use report::{det_debug_print, det_validate};
pub use ring::{
    det_ring_commit, det_ring_destroy, det_ring_grant, det_ring_init, det_ring_read, det_ring_release,
    det_ring_size, det_ring_t,
};
pub use stats::{DET_STATS_VERSION, det_get_pool_stats, det_get_stats, det_pool_stats_t, det_stats_t};

/// Nothing leads here: `tests/programs.rs` finds no code that panics in what is linked.
#[cfg(feature = "freestanding")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}

// What the unwind tables of the precompiled `core` name. Nothing unwinds, so nothing calls it. Weak and hidden, because in a
// program with other Rust code it is the standard library's that has to be called. WebAssembly has no such tables.
#[cfg(all(feature = "freestanding", not(any(windows, target_vendor = "apple", target_family = "wasm"))))]
core::arch::global_asm!(".weak rust_eh_personality", ".hidden rust_eh_personality", "rust_eh_personality:");

/// As above, where object files know no such symbols, or differ in how they write them.
#[cfg(all(feature = "freestanding", any(windows, target_vendor = "apple")))]
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}
