//! A live block of a heap that is driven, and what was written to it.

use crate::model::Place;
use core::{alloc::Layout, ops::Range, ptr::NonNull};

/// A live block, and what was written to it.
pub(crate) struct Block {
    pub(crate) start: NonNull<u8>,
    pub(crate) layout: Layout,
    pub(super) place: Place,
    pub(super) fill: u8,
}

/// As many bytes are written and read back at either end of a block.
const EDGE_BYTES: usize = 48;

impl Block {
    /// What is written: the beginning and the end of what was asked for.
    fn edges(len: usize) -> [Range<usize>; 2] {
        [0..len.min(EDGE_BYTES), len.saturating_sub(EDGE_BYTES)..len]
    }

    pub(super) fn write(&self) {
        for edge in Self::edges(self.layout.size()) {
            // SAFETY: within a live block of this size that is nobody else's.
            unsafe { self.start.add(edge.start).write_bytes(self.fill, edge.len()) };
        }
    }

    /// That the first `len` bytes are as they were written.
    pub(super) fn check(&self, len: usize) {
        for edge in Self::edges(self.layout.size()) {
            let edge = edge.start.min(len)..edge.end.min(len);
            // SAFETY: written before, within a live block that is nobody else's.
            let bytes = unsafe {
                core::slice::from_raw_parts(self.start.add(edge.start).as_ptr().cast_const(), edge.len())
            };
            assert!(
                bytes.iter().all(|&byte| byte == self.fill),
                "a block of {} bytes has changed",
                self.layout.size()
            );
        }
    }
}
