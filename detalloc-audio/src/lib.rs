//! Memory for audio callbacks: preallocated pools, handles that are safe in a callback, and drops that happen
//! elsewhere.
//!
//! - **Nothing is allocated in the callback.** Pools are built and every page of them touched when the plugin or the
//!   stream is initialised ([`RtHeap::reconfigure`]); inside [`RtHeap::enter`] everything comes from them, in constant
//!   time, without a lock or a system call ([a million callbacks][million], [watched by the kernel][silence]).
//! - **Failure is a value.** An allocation that cannot be served gives back what it was given ([`Refused`]; [proof][fault-injection]).
//! - **Destructors run on the reaper**, a background thread or a plugin's own task ([`ReapTask`]), when a handle is dropped
//!   in a callback. That drop can never be refused. A value without a destructor is free again at once. What is no pool's
//!   travels as a [`Foreign`] value.
//! - **Handles may go anywhere**: freeing is right on any thread, at any time, also after the heap is gone. The region
//!   lives until its last block has come home.
//! - **Ordinary code is contained**: with [`Routed`] as the global allocator, what any crate allocates in a callback comes
//!   from the pools as well, in release builds too.
//! - **Debug builds and tests prove it**: there `enter` runs under `assert_no_alloc`, and any use of the system heap
//!   aborts if [`AllocDisabler`], or [`Routed`] in strict mode, which also says where, is the global allocator. With the feature
//!   `prove`, `prove_rt` counts in any build what a callback does that it must not.
//!
//! [million]: https://github.com/lvntky/detalloc/blob/main/xtask/PROOF.md#million
//! [silence]: https://github.com/lvntky/detalloc/blob/main/xtask/PROOF.md#silence
//! [fault-injection]: https://github.com/lvntky/detalloc/blob/main/xtask/PROOF.md#fault-injection
//!
//! What the audio thread pays is counted (`cargo test --release -p detalloc-audio --test instructions -- --nocapture`;
//! x86-64, rustc 1.95.0): to enter and leave 58 instructions with the extensions of x86-64-v3 and 60 without, a box of a plain
//! value, made and dropped, 88 and 96, a deferred drop 49 and 53.
//!
//! ```
//! use detalloc_audio::{AudioBudget, RtBox, RtHeap};
//!
//! struct Voice { phase: f32 }
//! struct Synth { memory: RtHeap, voices: [Option<RtBox<Voice>>; 16] }
//!
//! impl Synth {
//!     // Not real-time, and may be called again and again.
//!     fn activate(&mut self, sample_rate_hz: f64, max_frames: u32) -> Result<(), detalloc_audio::BudgetError> {
//!         self.memory.reconfigure(&AudioBudget::new(sample_rate_hz, max_frames).objects::<Voice>(16))
//!     }
//!
//!     fn process(&mut self, note_on: bool) {
//!         self.memory.enter(|rt| {
//!             if note_on {
//!                 if let Some(free) = self.voices.iter_mut().find(|voice| voice.is_none()) {
//!                     // A refusal leaves the note out; it does not stop the callback.
//!                     *free = rt.boxed(Voice { phase: 0.0 }).ok();
//!                 }
//!             }
//!             for voice in self.voices.iter_mut().flatten() {
//!                 voice.phase = (voice.phase + 0.01).fract();
//!             }
//!         });
//!     }
//! }
//!
//! let mut synth = Synth { memory: RtHeap::new(), voices: [const { None }; 16] };
//! synth.activate(48_000.0, 64)?;
//! synth.process(true);
//! # Ok::<(), detalloc_audio::BudgetError>(())
//! ```

pub mod adapter;
mod arc;
mod boxed;
mod budget;
mod closed;
mod collected;
mod counts;
mod dead;
mod deferred;
mod denormals;
#[cfg(feature = "fault-injection")]
mod faults;
mod foreign;
mod guard;
mod heap;
mod inside;
mod instance;
mod leaving;
#[cfg(all(feature = "realtime", any(target_os = "linux", target_os = "macos", windows)))]
mod locked;
mod map;
mod meter;
mod owner;
mod prefault;
mod pressure;
#[cfg(feature = "prove")]
pub mod prove;
mod publish;
mod queue;
#[cfg(feature = "realtime")]
mod realtime;
mod reaper;
#[cfg(feature = "record")]
pub mod record;
mod refused;
mod region_chore;
mod routed;
mod scope;
mod shared;
mod string;
mod sync;
mod tailed;
mod tap;
mod thread;
mod timing;
mod topup;
mod vec;
mod violation;
mod visits;
#[doc(hidden)]
pub mod widen;
mod window;

#[cfg(feature = "realtime")]
pub use crate::realtime::{NotPromoted, Promoted, promote_thread};
pub use crate::{
    arc::RtArc,
    boxed::RtBox,
    budget::{AudioBudget, BudgetError},
    collected::{Collected, Reaped},
    denormals::FlushDenormals,
    foreign::Foreign,
    heap::RtHeap,
    map::RtMap,
    meter::{Callbacks, Meter, Snapshot},
    prefault::prefault,
    pressure::Pressure,
    publish::{Publish, Published, Reader},
    queue::RtQueue,
    reaper::ReapTask,
    refused::{Refusal, Refused},
    routed::{Inner, Routed},
    scope::Rt,
    string::RtString,
    tailed::Tailed,
    vec::RtVec,
    violation::OnViolation,
};
pub use assert_no_alloc::AllocDisabler;
#[cfg(all(feature = "realtime", any(target_os = "linux", target_os = "macos", windows)))]
pub use detalloc::memory::Locked;
pub use detalloc::{AllocError, PoolConfig, PoolStats};

/// The README's examples, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
