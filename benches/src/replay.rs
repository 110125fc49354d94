//! Replays a trace on an allocator.

use crate::{
    allocators::{Calls, Subject},
    traces::{Operation, Trace},
};
use core::{alloc::Layout, fmt, mem, ptr};
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

/// A subject with the blocks that it has given out. In the end what is still live is freed, unmeasured.
pub struct Playing<'s> {
    subject: &'s mut dyn Subject,
    slots: Vec<Option<(*mut u8, Layout, bool)>>,
}

impl<'s> Playing<'s> {
    /// Nothing is live yet, and there are so many slots.
    pub fn new(subject: &'s mut dyn Subject, slots: usize) -> Self {
        Self { subject, slots: vec![None; slots] }
    }

    /// Does one operation through `measure`, which returns what [`Request::perform`] does and what that cost: its kind and
    /// cost. `None`: the slot to free is empty, as its allocation was refused.
    ///
    /// # Panics
    /// When the allocator gives out a block that is not aligned, or there is no such slot.
    ///
    /// # Safety
    /// `measure` performs the request once and returns the block that it got.
    pub unsafe fn perform(
        &mut self,
        operation: Operation,
        measure: impl FnOnce(Request) -> (*mut u8, u64),
    ) -> Option<(Kind, u64)> {
        match operation {
            Operation::Allocate { slot, layout } => {
                let calls = self.subject.calls(layout);
                let (block, cost) = measure(Request { calls, block: ptr::null_mut(), layout });
                if block.is_null() {
                    return Some((Kind::AllocRefused, cost));
                }
                assert!(block.addr().is_multiple_of(layout.align()), "a misaligned block");
                let borrowed = self.subject.is_borrowed(block, layout);
                self.slots[slot] = Some((block, layout, borrowed));
                Some((if borrowed { Kind::AllocBorrowed } else { Kind::Alloc }, cost))
            }
            Operation::Free { slot } => {
                let (block, layout, borrowed) = self.slots[slot].take()?;
                let (_, cost) = measure(Request { calls: self.subject.calls(layout), block, layout });
                Some((if borrowed { Kind::FreeBorrowed } else { Kind::Free }, cost))
            }
        }
    }

    /// How many bytes are live: as they were asked for, and as the blocks have them where that is known.
    #[must_use]
    pub fn live_bytes(&self) -> (usize, Option<usize>) {
        let live = || self.slots.iter().flatten();
        let usable = live().map(|&(block, layout, _)| self.subject.usable_bytes(block, layout));
        (live().map(|(_, layout, _)| layout.size()).sum(), usable.sum())
    }
}

impl Drop for Playing<'_> {
    fn drop(&mut self) {
        for (block, layout, _) in mem::take(&mut self.slots).into_iter().flatten() {
            // SAFETY: the subject is there, and slots hold its live blocks.
            unsafe { Request { calls: self.subject.calls(layout), block, layout }.perform() };
        }
    }
}

impl fmt::Debug for Playing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Playing").field("slots", &self.slots.len()).finish_non_exhaustive()
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
    let mut playing = Playing::new(subject, trace.slots());
    for (number, &operation) in trace.operations.iter().enumerate() {
        if number < trace.warm_up {
            // SAFETY: performed once; the subject is there, and slots hold live blocks.
            unsafe { playing.perform(operation, |request| (request.perform(), 0)) };
        } else {
            // SAFETY: the caller's promise.
            costs.extend(unsafe { playing.perform(operation, &mut measure) });
        }
    }
    costs
}
