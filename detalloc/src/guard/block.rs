//! One guarded block: how its guards are laid and checked.
//!
//! ```text
//! live:   what was asked for | CANARY … (8 bytes or more) | size, seal
//! freed:  FREED …                                         | size, seal
//! new:    0 …                                             | 0, 0
//! ```

use super::{ALLOCATED, CANARY, Damage, FREED, Harm};
use crate::sanitizer;
use core::{ops::Range, ptr, ptr::NonNull, slice};

/// The fewest canaries: what a stray `f64` or pointer overwrites.
const CANARY_BYTES: usize = 8;

const SEAL_BYTES: usize = size_of::<[usize; 2]>();

/// What a block's guards take, in bytes.
pub(super) const OVERHEAD_BYTES: usize = CANARY_BYTES + SEAL_BYTES;

/// Odd, as no block's address is, so that no seal of nothing is zero: `LIVE` and `FREE`.
const LIVE: usize = 0x4C49_5645;
const FREE: usize = 0x4652_4545;

/// What the end of a block says it is.
enum State {
    /// Never allocated by the guard.
    New,
    /// Live, of this size; or freed behind the guard's back.
    Live(usize),
    Freed,
    Overwritten,
}

/// A block with room for its guards.
pub(super) struct Block {
    start: NonNull<u8>,
    usable: usize,
}

impl Block {
    /// The block that the heap has just allocated, as its pointer.
    ///
    /// # Safety
    /// The block is `usable` bytes, at least [`OVERHEAD_BYTES`]; (G1) holds.
    pub(super) unsafe fn allocated(start: NonNull<u8>, usable: usize) -> Self {
        start.as_ptr().expose_provenance();
        Self { start, usable }
    }

    /// A live block that is found again by its address.
    ///
    /// # Safety
    /// It was [`Block::allocated`], with the same size; (G1) holds.
    pub(super) unsafe fn found(start: NonNull<u8>, usable: usize) -> Self {
        let exposed = ptr::with_exposed_provenance_mut(start.as_ptr().addr());
        Self { start: NonNull::new(exposed).unwrap_or(start), usable }
    }

    pub(super) fn start(&self) -> NonNull<u8> {
        self.start
    }

    pub(super) fn addr(&self) -> usize {
        self.start.as_ptr().addr()
    }

    /// Whether a live block of this size would fit.
    pub(super) fn has_room(&self, requested: usize) -> bool {
        requested <= self.usable - OVERHEAD_BYTES
    }

    /// Checks a live block: the size that was asked for.
    pub(super) fn check_live(&self) -> Result<usize, Damage> {
        let seal = self.seal_at();
        sanitizer::open(self.addr() + seal, SEAL_BYTES);
        let state = self.state();
        sanitizer::close(self.addr() + seal, SEAL_BYTES);
        let State::Live(requested) = state else {
            return Err(self.damage(Harm::Overrun { requested_bytes: None }, seal));
        };
        sanitizer::open(self.addr() + requested, seal - requested);
        let written = self.find_other(requested..seal, CANARY);
        sanitizer::close(self.addr() + requested, seal - requested);
        match written {
            Some(at) => Err(self.damage(Harm::Overrun { requested_bytes: Some(requested) }, at)),
            None => Ok(requested),
        }
    }

    /// Checks a block that the heap took for free, and leaves it open.
    pub(super) fn check_free(&self) -> Result<(), Damage> {
        sanitizer::open(self.addr(), self.usable);
        let seal = self.seal_at();
        let left_as = match self.state() {
            State::New => 0,
            State::Freed => FREED,
            State::Live(requested) => {
                sanitizer::freed(self.addr(), self.usable);
                sanitizer::open(self.addr(), self.usable);
                let harm = Harm::Overrun { requested_bytes: Some(requested) };
                return match self.find_other(requested..seal, CANARY) {
                    Some(at) => Err(self.damage(harm, at)),
                    None => Ok(()),
                };
            }
            State::Overwritten => return Err(self.damage(Harm::WriteToFree, seal)),
        };
        match self.find_other(0..seal, left_as) {
            Some(at) => Err(self.damage(Harm::WriteToFree, at)),
            None => Ok(()),
        }
    }

    /// Makes an open block a live one.
    pub(super) fn lay_live(&self, requested: usize) {
        self.fill(0..requested, ALLOCATED);
        self.fill(requested..self.seal_at(), CANARY);
        self.seal(requested, LIVE);
        sanitizer::allocated(self.addr(), requested, self.usable);
    }

    /// Gives a live block another size, for which it has room.
    pub(super) fn lay_resized(&self, requested: usize, new: usize) {
        sanitizer::open(self.addr() + requested, self.usable - requested);
        self.fill(requested..requested.max(new), ALLOCATED);
        self.fill(new..self.seal_at(), CANARY);
        self.seal(new, LIVE);
        sanitizer::resized(self.addr(), requested, new, self.usable);
    }

    /// Makes a live block a free one.
    pub(super) fn lay_freed(&self, requested: usize) {
        sanitizer::open(self.addr() + requested, self.usable - requested);
        self.fill(0..self.seal_at(), FREED);
        self.seal(requested, FREE);
        sanitizer::freed(self.addr(), self.usable);
    }

    fn seal_at(&self) -> usize {
        self.usable - SEAL_BYTES
    }

    fn seal_of(&self, requested: usize, key: usize) -> usize {
        self.addr() ^ requested.rotate_left(usize::BITS / 2) ^ key
    }

    fn state(&self) -> State {
        // SAFETY: (G1, G2) the last bytes of the block; of any alignment.
        let [requested, seal] =
            unsafe { self.start.add(self.seal_at()).cast::<[usize; 2]>().read_unaligned() };
        if requested == 0 && seal == 0 {
            State::New
        } else if !self.has_room(requested) {
            State::Overwritten
        } else if seal == self.seal_of(requested, LIVE) {
            State::Live(requested)
        } else if seal == self.seal_of(requested, FREE) {
            State::Freed
        } else {
            State::Overwritten
        }
    }

    fn seal(&self, requested: usize, key: usize) {
        let words = [requested, self.seal_of(requested, key)];
        // SAFETY: (G1, G2) as for reading it.
        unsafe { self.start.add(self.seal_at()).cast::<[usize; 2]>().write_unaligned(words) };
    }

    /// Fills a range of the block, which is the guard's or about to be handed out.
    fn fill(&self, range: Range<usize>, byte: u8) {
        // SAFETY: (G1, G2) within the block, and nobody else uses it.
        unsafe { self.start.add(range.start).write_bytes(byte, range.len()) };
    }

    /// The first byte of a range of the guard's that is another.
    fn find_other(&self, range: Range<usize>, byte: u8) -> Option<usize> {
        // SAFETY: (G1, G2) within the block, initialised, and nobody else uses it.
        let bytes = unsafe { slice::from_raw_parts(self.start.add(range.start).as_ptr(), range.len()) };
        bytes.iter().position(|&found| found != byte).map(|at| range.start + at)
    }

    fn damage(&self, harm: Harm, at_bytes: usize) -> Damage {
        Damage { harm, block_addr: self.addr(), at_bytes }
    }
}
