//! How the two ends of a ring agree on who has which bytes, without the bytes: `tests/loom_ring.rs` explores it.
//!
//! Memory is a circle of granules. A message is a header granule, which says how long it is, and its payload; it is
//! contiguous, so where the end of memory is too near, a header with [`SKIP`] sends the reader to the beginning. `tail` is
//! where the next message goes and `head` where the oldest one is; both are distances in bytes. They are equal in an
//! empty ring, so the last free granule is never filled.
//!
//! Orderings. Each end stores its own position with Release and loads the other's with Acquire. So (a) a reader that sees
//! `tail` past a message sees its header and payload; (b) a writer that sees `head` past a message writes there only after
//! the reader has read it. Weaken either and the model finds a race.

use super::{
    line::Line,
    sync::{AtomicUsize, Ordering},
};

/// Messages and their headers begin at multiples of this many bytes.
pub const GRANULE_BYTES: usize = 16;

/// The header of no message: the next one is at the beginning.
pub const SKIP: usize = usize::MAX;

/// The positions that both ends see.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Positions {
    /// Stored by the writer.
    pub tail: Line<AtomicUsize>,
    /// Stored by the reader.
    pub head: Line<AtomicUsize>,
}

/// There is no place for a message: how many bytes are free in one piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoPlace {
    pub free: usize,
}

/// The writing end.
#[derive(Debug, Default)]
pub struct Writer {
    tail: usize,
    /// Where the reader was when the writer last looked: it is there or further.
    head: usize,
}

/// A place for a message.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Where its header goes, in bytes.
    pub header: usize,
    /// Where the header goes that sends the reader there, if it has to be sent.
    skip: Option<usize>,
}

/// What a message of this length takes with its header, in bytes.
pub const fn frame_bytes(len: usize) -> Option<usize> {
    match len.checked_next_multiple_of(GRANULE_BYTES) {
        Some(payload) => payload.checked_add(GRANULE_BYTES),
        None => None,
    }
}

impl Writer {
    /// Finds a place for a message of `len` bytes in a circle of `capacity`.
    #[inline]
    pub fn place(&mut self, positions: &Positions, capacity: usize, len: usize) -> Result<Place, NoPlace> {
        let needed = frame_bytes(len).ok_or(NoPlace { free: 0 })?;
        self.place_before(capacity, needed).or_else(|_| {
            // (b)
            self.head = positions.head.0.load(Ordering::Acquire);
            self.place_before(capacity, needed)
        })
    }

    /// The same for a reader that is where it was last seen.
    fn place_before(&self, capacity: usize, needed: usize) -> Result<Place, NoPlace> {
        let Self { tail, head } = *self;
        // In one piece from the tail, and from the beginning; one granule less where that would meet the head.
        let (from_tail, from_begin) = if tail < head {
            (head - tail - GRANULE_BYTES, 0)
        } else if head == 0 {
            (capacity - tail - GRANULE_BYTES, 0)
        } else {
            (capacity - tail, head - GRANULE_BYTES)
        };
        if needed <= from_tail {
            Ok(Place { header: tail, skip: None })
        } else if needed <= from_begin {
            Ok(Place { header: 0, skip: Some(tail) })
        } else {
            Err(NoPlace { free: from_tail.max(from_begin) })
        }
    }

    /// Publishes a message of `len` bytes, no more than its place was found for. `set_header` writes a header.
    #[inline]
    pub fn publish(
        &mut self,
        positions: &Positions,
        capacity: usize,
        place: Place,
        len: usize,
        mut set_header: impl FnMut(usize, usize),
    ) {
        set_header(place.header, len);
        if let Some(at) = place.skip {
            set_header(at, SKIP);
        }
        // No longer than what was placed, so it does not overflow.
        // wcet: unreached: it does not overflow
        let end = place.header + frame_bytes(len).unwrap_or(0);
        self.tail = if end == capacity { 0 } else { end };
        // (a)
        positions.tail.0.store(self.tail, Ordering::Release);
    }
}

/// The reading end.
#[derive(Debug, Default)]
pub struct Reader {
    head: usize,
}

/// A message.
#[derive(Clone, Copy, Debug)]
pub struct Message {
    /// Where its payload begins, in bytes.
    pub payload: usize,
    /// Its length, in bytes.
    pub len: usize,
}

impl Reader {
    /// The oldest message, if there is one. `header` reads a header.
    #[inline]
    pub fn next(&self, positions: &Positions, header: impl Fn(usize) -> usize) -> Option<Message> {
        // (a)
        if self.head == positions.tail.0.load(Ordering::Acquire) {
            return None;
        }
        let (at, len) = match header(self.head) {
            SKIP => (0, header(0)),
            len => (self.head, len),
        };
        Some(Message { payload: at + GRANULE_BYTES, len })
    }

    /// Gives the place of the oldest message back.
    #[inline]
    pub fn release(&mut self, positions: &Positions, capacity: usize, message: Message) {
        // wcet: unreached: what was placed did not overflow
        let end = message.payload + frame_bytes(message.len).unwrap_or(0) - GRANULE_BYTES;
        self.head = if end == capacity { 0 } else { end };
        // (b)
        positions.head.0.store(self.head, Ordering::Release);
    }
}
