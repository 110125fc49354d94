//! Recording what a session asks of its heaps, for budgets that fit it: the feature `record`, for builds of any profile.
//!
//! Set `DETALLOC_RECORD` to a file's name and play. Every [`RtHeap`](crate::RtHeap) that gets memory writes a trace
//! ([`detalloc::trace`]) of its allocations, frees and refusals, with a mark for every callback: the first one into that file,
//! further ones into `file.2`, `file.3` and so on. No file that is there already is touched. A heap that is
//! reconfigured goes on in its file. Then
//!
//! ```console
//! cargo xtask budget file
//! ```
//!
//! prints pools for [`AudioBudget::recorded`](crate::AudioBudget::recorded), and [`assert_fits`] in a test fails when a
//! recording no longer fits the budget. Scratch memory is not recorded, as it is not allocated one by one.
//!
//! The callback is not disturbed: an event goes into a lane, wait-free, without allocation or system call, at some 20
//! instructions; the reaper writes the file. Were the reaper so late that the lane is full (65,536 events), the recording
//! ends there, the trace says how many events it lacks, and nobody takes it for a whole one. The file is a whole trace after
//! every look of the reaper, so a program may end or crash at any time. A file that cannot be written is said in one
//! line on the standard error stream, and the program goes on.

mod fits;
mod lane;
mod writer;

pub use fits::{Misfit, Short, assert_fits, fits};

use crate::reaper;
use core::{alloc::Layout, ptr::NonNull};
use detalloc::{AllocError, Event};
use lane::{Lane, WORDS};
use std::sync::Arc;
use writer::Writer;

/// How many events can be on their way: more than a second of busy callbacks, 1.5 MiB.
const EVENTS: usize = 1 << 16;

/// Where a heap's events go, if it is recorded.
#[derive(Default)]
pub(crate) struct Tap(Option<Arc<Lane>>);

impl Tap {
    /// For a heap that gets memory for the first time: reads the environment and opens a file. Not for callbacks.
    pub(crate) fn open() -> Self {
        let Some(file) = writer::open() else { return Self(None) };
        let lane = Arc::new(Lane::new(EVENTS));
        reaper::watch(Box::new(Writer::new(Arc::clone(&lane), file)));
        Self(Some(lane))
    }

    #[inline]
    fn send(&self, happened: Happened) {
        if let Some(lane) = &self.0 {
            lane.send(happened.pack());
        }
    }

    #[inline]
    pub(crate) fn callback(&self) {
        self.send(Happened::Callback);
    }

    #[inline]
    pub(crate) fn allocated(&self, block: NonNull<u8>, layout: Layout) {
        self.send(Happened::Allocated(block, layout));
    }

    #[inline]
    pub(crate) fn refused(&self, layout: Layout) {
        self.send(Happened::Refused(layout));
    }

    /// Before the block is given back, so that whoever gets it next says so later.
    #[inline]
    pub(crate) fn freed(&self, block: NonNull<u8>) {
        self.send(Happened::Freed(block));
    }
}

/// An event, and how it lies in two words: an address, and a size with the logarithm of an alignment and a kind below it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Happened {
    Callback,
    Allocated(NonNull<u8>, Layout),
    Refused(Layout),
    Freed(NonNull<u8>),
}

const KIND_BITS: u32 = 2;
const ALIGN_BITS: u32 = 6;

impl Happened {
    fn pack(self) -> [usize; WORDS] {
        let packed = |layout: Layout| {
            // A size that leaves no room for the rest asks for more than any block has, whatever it is.
            let size = layout.size().min(usize::MAX >> (KIND_BITS + ALIGN_BITS));
            let align = layout.align().trailing_zeros() as usize;
            (size << ALIGN_BITS | align) << KIND_BITS
        };
        match self {
            Self::Callback => [0, 0],
            Self::Allocated(block, layout) => [block.as_ptr().addr(), packed(layout) | 1],
            Self::Refused(layout) => [0, packed(layout) | 2],
            Self::Freed(block) => [block.as_ptr().addr(), 3],
        }
    }

    fn unpack([address, rest]: [usize; WORDS]) -> Option<Self> {
        let align = 1 << (rest >> KIND_BITS & ((1 << ALIGN_BITS) - 1));
        let layout = Layout::from_size_align(rest >> (KIND_BITS + ALIGN_BITS), align);
        // Only told apart by their addresses, never followed.
        let block = NonNull::new(core::ptr::without_provenance_mut(address));
        match rest & ((1 << KIND_BITS) - 1) {
            0 => Some(Self::Callback),
            1 => Some(Self::Allocated(block?, layout.ok()?)),
            2 => Some(Self::Refused(layout.ok()?)),
            _ => Some(Self::Freed(block?)),
        }
    }

    /// As the recorder takes it; `None` for a callback.
    fn event(self) -> Option<Event> {
        match self {
            Self::Callback => None,
            Self::Allocated(block, layout) => Some(Event::Allocated { layout, block }),
            Self::Refused(layout) => {
                Some(Event::Refused { layout, error: AllocError::Exhausted { block_bytes: layout.size() } })
            }
            Self::Freed(block) => Some(Event::Freed { block, layout: None }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_survive_the_lane() {
        let block = NonNull::new(core::ptr::without_provenance_mut(0x7FFF_1234_5670)).unwrap();
        let layouts = [(0, 1), (1, 1), (17, 4096), (1 << 31, 64)]
            .map(|(size, align)| Layout::from_size_align(size, align).unwrap());
        for layout in layouts {
            for event in [
                Happened::Callback,
                Happened::Allocated(block, layout),
                Happened::Refused(layout),
                Happened::Freed(block),
            ] {
                assert_eq!(Happened::unpack(event.pack()), Some(event));
            }
        }
    }

    #[test]
    fn a_size_beyond_all_blocks_is_one_that_no_block_has() {
        let huge = Layout::from_size_align(isize::MAX as usize - 15, 16).unwrap();
        match Happened::unpack(Happened::Refused(huge).pack()) {
            Some(Happened::Refused(layout)) => assert!(layout.size() > detalloc::class::MAX_BLOCK_BYTES),
            other => panic!("{other:?}"),
        }
    }
}
