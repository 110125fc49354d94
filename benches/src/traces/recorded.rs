//! Traces that were recorded from a program.

use super::{Operation, Trace};
use core::alloc::Layout;
use detalloc::trace::{Record, Trace as Recording, TraceError};
use std::collections::HashMap;

/// What a recording has asked for and got; what was refused then is left out. A block that moved when it changed its size is
/// allocated anew and then freed.
///
/// # Errors
/// [`TraceError`] if and only if the bytes are no recording.
pub fn recorded(name: &str, bytes: &[u8]) -> Result<Trace, TraceError> {
    let mut operations = Vec::new();
    let mut live = HashMap::new();
    let (mut empty, mut slots) = (Vec::new(), 0);
    for record in Recording::parse(bytes)?.records() {
        let (came, went) = match record? {
            Record::Allocated { block, layout } => (Some((block, layout)), None),
            Record::Freed { block } => (None, Some(block)),
            Record::Reallocated { block, moved_to, new_bytes } => {
                (Layout::from_size_align(new_bytes, 16).ok().map(|layout| (moved_to, layout)), Some(block))
            }
            Record::Refused { .. } | Record::ReallocateRefused { .. } | Record::Mark(_) => (None, None),
        };
        let left = went.and_then(|block| live.remove(&block));
        if let Some((block, layout)) = came {
            let slot = empty.pop().unwrap_or(slots);
            slots = slots.max(slot + 1);
            operations.push(Operation::Allocate { slot, layout });
            live.insert(block, slot);
        }
        if let Some(slot) = left {
            operations.push(Operation::Free { slot });
            empty.push(slot);
        }
    }
    Ok(Trace { name: name.to_owned(), operations, warm_up: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traces::layout;
    use core::{mem::MaybeUninit, ptr::NonNull};
    use detalloc::{Event, Observer, trace::Recorder};

    #[test]
    fn slots_are_used_again_and_blocks_keep_theirs() {
        let mut places = [MaybeUninit::<u8>::uninit(); 64];
        let block = |at: usize| NonNull::from(&mut places[at]).cast();
        let blocks = [0, 16].map(block);
        let mut memory = [0; 4096];
        let mut recorder = Recorder::new(&mut memory).unwrap();
        let allocated = |block| Event::Allocated { layout: layout(16), block };
        for event in [
            allocated(blocks[0]),
            allocated(blocks[1]),
            Event::Freed { block: blocks[0], layout: None },
            allocated(blocks[0]),
        ] {
            recorder.observe((), &event);
        }
        let allocate = |slot| Operation::Allocate { slot, layout: layout(16) };
        let trace = recorded("recorded", recorder.into_trace()).unwrap();
        assert_eq!(trace.operations, [allocate(0), allocate(1), Operation::Free { slot: 0 }, allocate(0)]);
    }

    #[test]
    fn what_is_no_recording_is_an_error() {
        assert!(recorded("nothing", &[]).is_err());
    }
}
