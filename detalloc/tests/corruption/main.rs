//! Corruption, injected byte by byte: each one is reported by `validate`, refused by the operation that meets it, or harmless, and
//! none is followed out of the region. Regions lie between pages that nobody may touch, so that following one would end the
//! process; and whatever is handed out is compared with the region's bounds.
//!
//! Here are the guards, the shared heap, the heap as a stranger sees it, and the arena. The words of the heap are gone through kind by
//! kind, by their names, in `src/region/corruption.rs`.
//!
//! What no check can know, because what is forged may be true, counts as *harmless*: counts of refusals and borrowing, a high water
//! within its bounds, a hint that is superfluous, padding. With it in place every block is still handed out once.
//!
//! Two things are not here, because they look at nothing: a typed pool follows its own words unchecked, which is why it takes 8
//! instructions, and the two ends of a ring trust the positions and headers that lie between them.
//!
//! Not under Miri: to write where references read, as a broken program does, is what it rightly minds.
#![cfg(not(miri))]

mod arena;
mod fenced;
#[cfg(not(asan))]
mod guards;
mod heap;
mod shared;
mod tally;

/// What each byte is overwritten with, by exclusive or.
const PATTERNS: [u8; 4] = [0x01, 0x10, 0x80, 0xFF];
