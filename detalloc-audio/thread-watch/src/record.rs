//! The per-thread record. It is a constant-initialised thread-local without a destructor, so that neither the first
//! access nor the end of the thread runs code: it may be touched from inside `malloc` at any time of a thread's life.

use std::cell::Cell;

use crate::{Touch, TouchKind};

/// How many touches of a thread keep their stacks until they are taken. The first ones tell where to look; a
/// callback that allocates every time would otherwise fill memory with the same stack.
pub const MAX_TOUCHES: usize = 8;

/// How many return addresses of a stack are kept: from the heap function to well into the plugin.
pub const MAX_FRAMES: usize = 32;

/// What happened to the system heap in a watched section.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Allocations, each reallocation included.
    pub allocs: u64,
    /// Frees of a block, each reallocation of a block included.
    pub frees: u64,
}

struct Record {
    armed: Cell<bool>,
    allocs: Cell<u64>,
    frees: Cell<u64>,
    touches: Cell<usize>,
    kinds: [Cell<Option<TouchKind>>; MAX_TOUCHES],
    stacks: [[Cell<usize>; MAX_FRAMES]; MAX_TOUCHES],
}

thread_local! {
    static RECORD: Record = const {
        Record {
            armed: Cell::new(false),
            allocs: Cell::new(0),
            frees: Cell::new(0),
            touches: Cell::new(0),
            kinds: [const { Cell::new(None) }; MAX_TOUCHES],
            stacks: [const { [const { Cell::new(0) }; MAX_FRAMES] }; MAX_TOUCHES],
        }
    };
}

/// Counts a touch if this thread is watched. Called from inside the heap functions.
#[inline]
pub(crate) fn note(kind: TouchKind) {
    RECORD.with(|record| {
        if record.armed.get() {
            note_watched(record, kind);
        }
    });
}

#[cold]
fn note_watched(record: &Record, kind: TouchKind) {
    let (allocs, frees) = kind.weight();
    record.allocs.set(record.allocs.get() + allocs);
    record.frees.set(record.frees.get() + frees);

    let slot = record.touches.get();
    if slot < MAX_TOUCHES {
        record.touches.set(slot + 1);
        record.kinds[slot].set(Some(kind));
        // The unwinder may allocate; that is ours, not the watched code's.
        record.armed.set(false);
        capture(&record.stacks[slot]);
        record.armed.set(true);
    }
}

fn capture(stack: &[Cell<usize>; MAX_FRAMES]) {
    let mut depth = 0;
    // SAFETY: `trace_unsynchronized` asks for one caller at a time because of Windows' dbghelp; this crate's stacks
    // are taken on Linux only, where the unwinder keeps no state between threads. The closure does not unwind.
    unsafe {
        backtrace::trace_unsynchronized(|frame| {
            stack[depth].set(frame.ip() as usize);
            depth += 1;
            depth < MAX_FRAMES
        });
    }
    for unused in &stack[depth..] {
        unused.set(0);
    }
}

/// Takes a stack and forgets it.
pub(crate) fn capture_once() {
    capture(&[const { Cell::new(0) }; MAX_FRAMES]);
}

/// A watched section; ends on drop, so a panic in it leaves the thread as it was.
pub(crate) struct Section {
    before: Counts,
    was_armed: bool,
}

impl Section {
    pub(crate) fn begin() -> Self {
        RECORD.with(|record| Section { before: record.counts(), was_armed: record.armed.replace(true) })
    }

    pub(crate) fn end(self) -> Counts {
        RECORD.with(|record| {
            record.armed.set(self.was_armed);
            let now = record.counts();
            Counts { allocs: now.allocs - self.before.allocs, frees: now.frees - self.before.frees }
        })
    }
}

impl Drop for Section {
    fn drop(&mut self) {
        RECORD.with(|record| record.armed.set(self.was_armed));
    }
}

impl Record {
    fn counts(&self) -> Counts {
        Counts { allocs: self.allocs.get(), frees: self.frees.get() }
    }
}

pub(crate) fn take() -> Vec<Touch> {
    RECORD.with(|record| {
        let taken = record.touches.replace(0);
        (0..taken)
            .filter_map(|slot| {
                let kind = record.kinds[slot].take()?;
                let stack = record.stacks[slot].iter().map(Cell::get).take_while(|&ip| ip != 0).collect();
                Some(Touch { kind, stack })
            })
            .collect()
    })
}

pub(crate) fn discard() {
    RECORD.with(|record| record.touches.set(0));
}
