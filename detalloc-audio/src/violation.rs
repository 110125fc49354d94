//! What a violation does: ordinary code used the system heap in a callback, where it must not.

use crate::{inside, instance::Instance};
use core::alloc::Layout;
use std::backtrace::Backtrace;

/// What happens after a violation was reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnViolation {
    /// The program ends at once.
    Abort,
    /// The request is served by the system heap, and [`RtHeap::enter`](crate::RtHeap::enter) panics when the callback has ended: an
    /// allocator must not unwind.
    Panic,
    /// The request is served by the system heap, and counted in [`Snapshot::violations`](crate::Snapshot::violations). Only the
    /// first ones of a heap are reported.
    Count,
}

/// How many violations of a heap are reported if they are only counted: enough to see a pattern.
const REPORTED: usize = 8;

/// What the callback asked of the system heap.
#[derive(Clone, Copy)]
pub(crate) enum Request {
    Allocation,
    Free,
}

/// Reports a violation with its stack on the standard error stream, outside of every guard, and does what was chosen.
#[cold]
pub(crate) fn report(on: OnViolation, instance: &Instance, request: Request, layout: Layout) {
    instance.counts.violations.up();
    if on != OnViolation::Count || instance.counts.violations.get() <= REPORTED {
        inside::suspended(|| {
            permitted(|| {
                let what = match request {
                    Request::Allocation => "an allocation",
                    Request::Free => "a free",
                };
                eprintln!(
                    "detalloc: {what} of {} bytes, aligned to {}, reached the system heap in a callback\n{}",
                    layout.size(),
                    layout.align(),
                    Backtrace::force_capture()
                );
            });
        });
    }
    match on {
        OnViolation::Abort => std::process::abort(),
        OnViolation::Panic => instance.set_violated(),
        OnViolation::Count => {}
    }
}

/// Runs something that `assert_no_alloc` allows to use the system heap.
pub(crate) fn permitted<R>(body: impl FnOnce() -> R) -> R {
    #[cfg(debug_assertions)]
    return assert_no_alloc::permit_alloc(body);
    #[cfg(not(debug_assertions))]
    return body();
}

/// Ends a callback with a violation.
#[cold]
pub(crate) fn raise() -> ! {
    // wcet: end: strict mode was told to panic
    panic!("the callback used the system heap; the report above says where");
}
