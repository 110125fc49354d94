//! Traces: what was asked of a heap, recorded in bounded memory, and replayed against any configuration.
//!
//! A [`Recorder`] watches a heap (see [`Observed`](crate::Observed)) and writes into memory of the caller's;
//! [`Trace`] reads what it wrote; `replay` (feature `alloc`) runs a trace on a heap of any configuration and
//! says whether it fits and with what headroom, and `suggest` finds one that does. What a recorder does not see: blocks that other threads free
//! remotely. Such a block counts as live until its place is handed out again, so a replay needs rather too
//! much than too little.
//!
//! # The format, version 1
//!
//! | bytes | content |
//! |---|---|
//! | 0 to 6 | `detrace` in ASCII |
//! | 7 | the version: 1 |
//! | 8 to 15 | length of the records in bytes, little-endian |
//! | 16 to 23 | how many events came after the memory was full, little-endian; they are not in the trace |
//! | from 24 | the records |
//!
//! Numbers within records are varints: seven bits a byte, the lowest first, the top bit set in every byte but
//! the last (LEB128 without a sign), at most 64 bits.
//!
//! A record begins with a head. Bits 0 and 1 of its first byte say what it is; bit 2 is a sign; bits 3 to 6
//! are the lowest four bits of a number, and bit 7 says that a varint with the rest of it follows.
//!
//! | bits 1, 0 | record | after the head |
//! |---|---|---|
//! | 0 | allocated: the head leads to the block | a layout |
//! | 1 | freed: the head leads to the block | |
//! | 2 | reallocated: the head leads to the old block | a head (bits 1 and 0 are 0) that leads to the new one; the new size, a varint |
//! | 3, number 0 | an allocation was refused | a layout |
//! | 3, number 1 | a mark | its number, a varint |
//! | 3, number 2 | a reallocation was refused | a head (bits 1 and 0 are 0) that leads to the block; the size asked for, a varint |
//!
//! A head leads to a block by its distance from the block before, wherever that was last spoken of: the
//! distance in bytes, without its sign, rotated right by four bits, so that multiples of 16 are small
//! numbers. The first block is at distance 0. Thus a trace says how far apart blocks were and not where.
//!
//! A layout is a varint, the size times two; if its lowest bit is set, a byte with the binary logarithm of
//! the alignment follows, and otherwise the alignment was at most 16, which every block has, and is read as
//! 16.
//!
//! Refused frees are not recorded: they change nothing. An allocation takes four or five bytes and a free two
//! or three where the blocks lie within a few megabytes.

#[cfg(feature = "alloc")]
mod follow;
mod format;
mod reader;
mod recorder;
#[cfg(feature = "alloc")]
mod replay;
#[cfg(feature = "alloc")]
mod requests;
#[cfg(feature = "alloc")]
mod suggest;

pub use {
    format::{HEADER_BYTES, MAX_RECORD_BYTES},
    reader::{BlockId, Record, Records, Trace, TraceError},
    recorder::{Position, Recorder, RecorderTooSmall, head},
};
#[cfg(feature = "alloc")]
pub use {
    replay::{Refusal, Replay, ReplayError, replay},
    requests::{Request, requests},
    suggest::{SuggestError, suggest},
};
