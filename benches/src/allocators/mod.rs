//! Ours and its rivals, all called the same way: as Rust's `GlobalAlloc` would be, a block for a layout, null for a
//! refusal.
//!
//! Each operation is a function of its own, not inlined, into which all that the allocator lets be inlined is inlined.
//! The rivals that need a region get one; the others take their memory from the system.

mod arenas;
mod ours;
mod system;
mod typed;

use crate::traces::Demand;
use core::{alloc::Layout, mem::MaybeUninit};
use detalloc::Config;

/// An operation of an allocator, with a block, its size and its alignment, of which it takes what it needs.
pub type Operation<R> = unsafe extern "C-unwind" fn(*mut (), *mut u8, usize, usize) -> R;

/// What to call for blocks of one layout.
#[derive(Clone, Copy, Debug)]
pub struct Calls {
    /// What both functions are called on.
    pub allocator: *mut (),
    /// Allocates a block; null is a refusal.
    pub allocate: Operation<*mut u8>,
    /// Frees a block.
    pub free: Operation<()>,
}

/// An allocator, ready.
///
/// # Safety
/// The calls may be made as long as the subject is there, with blocks that they allocated themselves for the same layout
/// and with no layout of no bytes; a block is as large and as aligned as its layout says.
pub unsafe trait Subject {
    /// What to call for blocks of this layout.
    fn calls(&mut self, layout: Layout) -> Calls;

    /// How many bytes a live block of this layout has, where the allocator says or documents it.
    fn usable_bytes(&self, _block: *mut u8, _layout: Layout) -> Option<usize> {
        None
    }

    /// Whether this block, allocated for this layout, was borrowed from a larger class.
    fn is_borrowed(&self, _block: *mut u8, _layout: Layout) -> bool {
        false
    }
}

/// How much memory an allocator gets for a trace.
#[derive(Clone, Debug)]
pub struct Room {
    /// The pools of those that have pools.
    pub config: Config,
    /// The region of those that merge and split, in bytes.
    pub arena_bytes: usize,
}

impl Room {
    /// Enough for everyone: a block for every peak; four times the peak for those that fragment or round up, and 16 KiB
    /// for their metadata.
    #[must_use]
    pub fn ample(demand: &Demand) -> Self {
        Self { config: demand.config(), arena_bytes: 4 * demand.peak_live_bytes + 16 * 1024 }
    }

    /// Too little: see [`Demand::starved`]; three quarters of the peak for those that merge and split.
    #[must_use]
    pub fn starved(demand: &Demand) -> Self {
        Self { config: demand.starved(), arena_bytes: demand.peak_live_bytes * 3 / 4 }
    }
}

/// Sets an allocator up.
pub type Build = fn(&Room) -> Box<dyn Subject>;

/// Every allocator by its name, ours first.
pub const ALL: &[(&str, Build)] = &[
    ("detalloc-typed", typed::pools),
    ("detalloc", ours::checked),
    ("detalloc-unchecked", ours::unchecked),
    ("rlsf", arenas::rlsf),
    ("talc", arenas::talc),
    ("linked-list", arenas::linked_list),
    ("buddy", arenas::buddy),
    #[cfg(target_env = "gnu")]
    ("glibc", system::glibc),
    #[cfg(feature = "c-rivals")]
    ("mimalloc", system::mimalloc),
    #[cfg(feature = "c-rivals")]
    ("jemalloc", system::jemalloc),
    #[cfg(feature = "c-rivals")]
    ("snmalloc", system::snmalloc),
];

/// The system heap. As the two below, it needs nothing to be called on, and may be called on any thread.
pub(crate) const SYSTEM: Build = system::glibc;

/// mimalloc.
#[cfg(feature = "c-rivals")]
pub(crate) const MIMALLOC: Build = system::mimalloc;

/// jemalloc.
#[cfg(feature = "c-rivals")]
pub(crate) const JEMALLOC: Build = system::jemalloc;

/// Gives the free memory of the system heap back to the system.
pub fn trim() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: may be called at any time, on any thread.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Memory that may be lent as if for ever; whatever borrows it goes before it.
struct Region(*mut [MaybeUninit<u8>]);

impl Region {
    /// A region with every page touched.
    fn new(bytes: usize) -> Self {
        // Ones: zeroes would come from the system untouched.
        Self(Box::into_raw(vec![MaybeUninit::new(1); bytes].into_boxed_slice()))
    }

    /// All of it.
    ///
    /// # Safety
    /// It is lent once, and the region stays until what borrows it is gone.
    unsafe fn lend(&self) -> &'static mut [MaybeUninit<u8>] {
        // SAFETY: from a box; the caller's promise.
        unsafe { &mut *self.0 }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: from a box, and nothing borrows it any more.
        drop(unsafe { Box::from_raw(self.0) });
    }
}
