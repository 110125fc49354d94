//! Replays a trace on an allocator.

use crate::{
    allocators::{Calls, Subject},
    traces::{Operation, Trace},
};
use core::{alloc::Layout, ptr};
use serde::Serialize;

/// What an operation was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// An allocation from its own class.
    Alloc,
    /// An allocation that borrowed a larger block.
    AllocBorrowed,
    /// An allocation that was refused.
    AllocRefused,
    /// A free of a block of its own class.
    Free,
    /// A free of a borrowed block.
    FreeBorrowed,
}

/// One operation, to be done and measured.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// What to call.
    pub calls: Calls,
    /// The block to free; null is an allocation.
    pub block: *mut u8,
    /// The block's layout.
    pub layout: Layout,
}

impl Request {
    /// Does it, unmeasured: the block that was allocated, or null.
    ///
    /// # Safety
    /// The calls belong to an allocator that is still there, and a block to free is live and of this layout.
    pub unsafe fn perform(&self) -> *mut u8 {
        let Calls { allocator, allocate, free } = self.calls;
        // SAFETY: the caller's promise.
        unsafe {
            if self.block.is_null() {
                return allocate(allocator, ptr::null_mut(), self.layout.size(), self.layout.align());
            }
            free(allocator, self.block, self.layout.size(), self.layout.align());
        }
        ptr::null_mut()
    }
}

/// Replays a trace, each operation through `measure`, which returns what [`Request::perform`] does and what that cost: the
/// kinds and costs after the warm-up. In the end, what is still live is freed, unmeasured.
///
/// # Panics
/// When the allocator gives out a block that is not aligned.
///
/// # Safety
/// `measure` performs each request once and returns the block that it got.
pub unsafe fn replay(
    trace: &Trace,
    subject: &mut dyn Subject,
    mut measure: impl FnMut(Request) -> (*mut u8, u64),
) -> Vec<(Kind, u64)> {
    // Before the first operation: one of the subjects is the system heap.
    let mut costs = Vec::with_capacity(trace.operations.len());
    let mut slots = vec![None; trace.slots()];
    for (number, operation) in trace.operations.iter().enumerate() {
        let measured = number >= trace.warm_up;
        let mut run = |request: Request| {
            if measured {
                return measure(request);
            }
            // SAFETY: the subject is there, and slots hold live blocks.
            (unsafe { request.perform() }, 0)
        };
        let (kind, cost) = match *operation {
            Operation::Allocate { slot, layout } => {
                let (block, cost) =
                    run(Request { calls: subject.calls(layout), block: ptr::null_mut(), layout });
                if block.is_null() {
                    (Kind::AllocRefused, cost)
                } else {
                    assert!(block.addr().is_multiple_of(layout.align()), "a misaligned block");
                    let borrowed = subject.is_borrowed(block, layout);
                    slots[slot] = Some((block, layout, borrowed));
                    (if borrowed { Kind::AllocBorrowed } else { Kind::Alloc }, cost)
                }
            }
            Operation::Free { slot } => {
                let Some((block, layout, borrowed)) = slots[slot].take() else { continue };
                let (_, cost) = run(Request { calls: subject.calls(layout), block, layout });
                (if borrowed { Kind::FreeBorrowed } else { Kind::Free }, cost)
            }
        };
        if measured {
            costs.push((kind, cost));
        }
    }
    for (block, layout, _) in slots.into_iter().flatten() {
        // SAFETY: as above.
        unsafe { Request { calls: subject.calls(layout), block, layout }.perform() };
    }
    costs
}
