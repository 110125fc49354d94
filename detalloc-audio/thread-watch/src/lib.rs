//! Counts what one thread does that a real-time thread must not.
//!
//! The system heap: allocations and frees of Rust *and* of C while the thread is watched ([`watch`]), in the executable and
//! in every library it loads, release builds included. Each of the first few touches keeps its stack, so that a report can
//! name the call instead of just counting it. And what the kernel counts: page faults and voluntary context switches
//! ([`Usage`]). A thread that is to make no system call at all may have the kernel see to that ([`Silence`]).
//!
//! How calls of the heap are seen: linked into an executable on Linux with glibc, this crate defines `malloc`, `free` and their relatives. The
//! dynamic linker binds every library's calls to the executable's definitions, which count and then forward to
//! glibc's own (`__libc_malloc` …). Rust's default allocator calls `malloc`, so it is seen as well. While a thread is
//! not watched, a call costs one thread-local load and a branch more than before.
//!
//! What it does not do: see an allocator that bypasses `malloc` (`mmap`, `sbrk`, a statically linked mimalloc), work
//! on other platforms, under Miri or a sanitizer (built with `--cfg asan`, `rtsan` or `tsan`), which have a `malloc` of their own,
//! or work where the executable's `malloc` is not the one libraries get. In the latter cases [`available`] is false and counts
//! are `None`: not checked, which is not the same as zero.
//!
//! ```
//! let (_, counts) = thread_watch::watch(|| drop(std::hint::black_box(Box::new(1_u64))));
//! if thread_watch::available() {
//!     assert_eq!(counts, Some(thread_watch::Counts { allocs: 1, frees: 1 }));
//!     assert_eq!(thread_watch::take_touches().len(), 2);
//! } else {
//!     assert_eq!(counts, None);
//! }
//! ```

#[cfg(interposed)]
mod interpose;
#[cfg_attr(not(interposed), allow(dead_code, reason = "nothing is seen"))]
mod record;
mod silence;
#[cfg_attr(not(interposed), allow(dead_code, reason = "nothing is seen"))]
mod touch;
mod usage;

pub use record::{Counts, MAX_FRAMES, MAX_TOUCHES};
pub use silence::Silence;
pub use touch::{Frame, Touch, TouchKind};
pub use usage::Usage;

/// Whether heap calls of this process go through this crate, checked against what the dynamic linker hands out.
///
/// # Time complexity
///
/// The first call looks a symbol up and is not for real-time threads; later ones are one load.
pub fn available() -> bool {
    use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

    const UNKNOWN: u8 = 0;
    const NO: u8 = 1;
    const YES: u8 = 2;
    static KNOWN: AtomicU8 = AtomicU8::new(UNKNOWN);

    if KNOWN.load(Relaxed) == UNKNOWN {
        KNOWN.store(if look_up() { YES } else { NO }, Relaxed);
    }
    KNOWN.load(Relaxed) == YES
}

#[cfg(interposed)]
fn look_up() -> bool {
    interpose::bound()
}

#[cfg(not(interposed))]
fn look_up() -> bool {
    false
}

/// Does once what the first watched section and its first touch would otherwise do: looks [`available`] up and loads
/// the unwinder's own lazy state. Call it on the thread that will be watched.
pub fn prepare() {
    available();
    record::capture_once();
}

/// Runs `body` and counts what it does to the system heap on this thread, or `None` where that cannot be known.
///
/// A reallocation counts as an allocation and a free; freeing null counts as nothing. Up to [`MAX_TOUCHES`] touches
/// keep their stacks for [`take_touches`]. Sections may nest: the outer one counts the inner one's touches too.
///
/// # Time complexity
///
/// Constant besides `body`, once [`prepare`] ran: no allocation, no lock, no system call. A touch that keeps its
/// stack costs an unwinding.
pub fn watch<R>(body: impl FnOnce() -> R) -> (R, Option<Counts>) {
    let known = available();
    let section = record::Section::begin();
    let result = body();
    let counts = section.end();
    (result, known.then_some(counts))
}

/// The touches of this thread that kept their stacks since they were last taken, oldest first; at most
/// [`MAX_TOUCHES`].
///
/// # Time complexity
///
/// Allocates: call it after the real-time part.
pub fn take_touches() -> Vec<Touch> {
    record::take()
}

/// Forgets the touches that [`take_touches`] would give, so that later ones keep their stacks.
///
/// # Time complexity
///
/// Constant.
pub fn discard_touches() {
    record::discard();
}
