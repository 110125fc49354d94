//! A deterministic memory allocator in the caller's memory, for code that has a deadline.
//!
//! - **Constant time.** [`Allocate::allocate`] and [`Allocate::free`] execute the same number of instructions whatever the
//!   history, the number of pools, the number of live blocks or the size: 36 and 42 on x86-64-v3, checks and counts
//!   included (`cargo xtask opcount`; [proof][constant-time]). A pool of more than `usize::BITS`² blocks takes 113 to 131 more, and a class that has
//!   run dry another one, bounded too.
//! - **In the caller's memory.** Blocks and metadata lie in the region that the caller gave; nothing else is
//!   ever touched, and [`Config::bytes_needed`] says in a `const` how much that is.
//! - **Silent.** No system call, no lock, no panic and no formatting on any allocation path ([of the machine
//!   code][longest-paths], [by the kernel][silence]).
//! - **Checked.** A double free, a foreign, interior or misaligned pointer is refused and named, in release
//!   builds too, and changes nothing; only a double free on another thread, at the very
//!   moment at which the owner takes over the first one, can go unseen. [`Heap::validate`] checks every invariant of the metadata
//!   ([proof][corruption]).
//! - **Counted.** Use, high water, refusals and borrowing per pool, readable from any thread through [`Meter`].
//! - **Freed from anywhere.** The owner of a [`Heap`] allocates; any thread frees through [`RemoteFree`], without waiting
//!   ([proof][core-interleavings]).
//!
//! [constant-time]: https://github.com/lvntky/detalloc/blob/main/xtask/PROOF.md#constant-time
//! [longest-paths]: https://github.com/lvntky/detalloc/blob/main/xtask/PROOF.md#longest-paths
//! [silence]: https://github.com/lvntky/detalloc/blob/main/xtask/PROOF.md#silence
//! [corruption]: https://github.com/lvntky/detalloc/blob/main/xtask/PROOF.md#corruption
//! [core-interleavings]: https://github.com/lvntky/detalloc/blob/main/xtask/PROOF.md#core-interleavings
//!
//! ```
//! use core::{alloc::Layout, mem::MaybeUninit};
//! use detalloc::{Allocate, Config, Heap, PoolConfig};
//!
//! // A configuration that cannot work does not compile.
//! const CONFIG: Config = Config::constant(&[PoolConfig::new(64, 128), PoolConfig::new(1024, 16)]);
//! let mut region = [MaybeUninit::uninit(); CONFIG.bytes_needed()];
//!
//! let mut heap = Heap::new(&mut region, &CONFIG)?;
//! let block = heap.allocate(Layout::new::<[f32; 12]>())?;
//! // SAFETY: nothing uses the block after this.
//! unsafe { heap.free(block)? };
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What it does not do: grow, merge or split blocks, or move them. Memory is divided into pools once, so there
//! is no external fragmentation, and a request takes a whole block of the smallest pool that holds it. A pool for every
//! class ([`class`]) loses at most 15 bytes a block, or 1/16 above 256 bytes; fewer pools lose more.
//!
//! # Threads
//!
//! | | who allocates | who frees | guarantee |
//! |---|---|---|---|
//! | [`Heap`] | its owner | its owner | wait-free: bounded whatever others do; where it takes home what they freed, as `RemoteFree` |
//! | [`RemoteFree`] | | any thread | wait-free where the target exchanges a word in one instruction (x86-64, AArch64 with LSE), lock-free elsewhere |
//! | [`SharedHeap`] | any thread | any thread | frees as `RemoteFree`; allocations lock-free: one thread always gets on, a certain one may have to try again |
//! | [`Spin`] | any thread | any thread | blocking: who is preempted while it holds the lock stops all others |
//!
//! Only the first two belong on an audio thread: give each such thread a `Heap` of its own, and let the others free through
//! `RemoteFree`.
//!
//! # Layers
//!
//! What is not wanted costs nothing, because it is another type around the heap: [`Observed`] for hooks, cycles and traces,
//! [`Guarded`](guard::Guarded) for overruns and writes to free blocks, [`Local`] for collections. All of them, and the
//! heaps, are an [`Allocate`].
//!
//! # Small systems
//!
//! `default-features = false` makes the code smaller: `large-pools` stands for pools of more than `usize::BITS`² blocks, and
//! `remote-free` for [`RemoteFree`], so what is left is a heap of small pools for one owner. Its operations with all that they
//! call take 1,100 bytes on a Cortex-M4 instead of 3,836 (`cargo xtask reach`). Where no cache needs lines of its own, a pool
//! costs 64 bytes besides its bitmap.
#![no_std]
#![cfg_attr(feature = "nightly", feature(allocator_api))]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(any(test, doctest, feature = "os"))]
extern crate std;

mod allocate;
mod arena;
mod bitmap;
pub mod class;
mod config;
mod cycles;
mod error;
pub mod guard;
mod heap;
mod hooks;
pub mod interop;
mod line;
mod local;
pub mod memory;
mod observe;
mod opaque;
mod parts;
mod plan;
mod policy;
mod pool;
mod preset;
mod profile;
mod region;
#[cfg(all(target_has_atomic = "ptr", feature = "remote-free"))]
mod remote;
#[cfg(not(all(target_has_atomic = "ptr", feature = "remote-free")))]
#[path = "no_remote.rs"]
mod remote;
#[cfg(all(target_has_atomic = "ptr", feature = "remote-free"))]
mod remote_free;
mod report;
mod ring;
#[doc(hidden)]
pub mod sanitizer;
#[cfg(target_has_atomic = "ptr")]
mod shared;
mod slow;
#[cfg(target_has_atomic = "ptr")]
mod spin;
mod stats;
mod suggest;
mod sync;
pub mod trace;
mod typed;
mod usage;
mod validate;
mod wcet;

pub use crate::{
    allocate::Allocate,
    arena::Arena,
    config::{Borrow, Config, MAX_BLOCKS, MAX_POOLS, PoolConfig},
    cycles::Clock,
    error::{AllocError, ArenaFull, ConfigError, FreeError, InitError, ResizeError, StillLive},
    heap::Heap,
    hooks::{Hook, HookFn, HookKind, Hooks},
    local::Local,
    observe::{Event, Observed, Observer},
    plan::MAX_ALIGN_BYTES,
    policy::{Checked, Policy, Unchecked},
    preset::Preset,
    profile::Profile,
    report::debug_print,
    ring::{
        Grant, Received, RingConsumer, RingError, RingProducer, checked_ring_bytes_needed, ring,
        ring_bytes_needed,
    },
    stats::{Meter, PoolStats, Room, Stats},
    typed::{Pool, PoolBox, PoolFull},
    usage::Usage,
    validate::{Broken, Corruption},
    wcet::{OperationStats, Wcet, WcetStats},
};

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub use crate::cycles::Cycles;
#[cfg(all(target_arch = "arm", target_os = "none"))]
pub use crate::cycles::Dwt;
#[cfg(all(any(target_arch = "riscv32", target_arch = "riscv64"), target_os = "none"))]
pub use crate::cycles::Mcycle;
#[cfg(all(target_has_atomic = "ptr", feature = "remote-free"))]
pub use crate::remote_free::RemoteFree;
#[cfg(target_has_atomic = "ptr")]
pub use crate::{
    shared::SharedHeap,
    spin::Spin,
    typed::{Claim, StaticPool},
};
