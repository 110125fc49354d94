//! The operations of the trace `audio`, for as many callbacks as wanted, one at a time.

use super::{Operation, Random, layout};
use std::collections::VecDeque;

/// The longest life of a block, in callbacks.
const LIFE_CALLBACKS: usize = 500;

/// The size of a block in the trace `audio`: 64 B to 16 KiB, log-uniform, in bytes.
pub fn grain_bytes(random: &mut Random) -> usize {
    // 64 doubled 0 to 8 times. At most 16 KiB, so that no bit is lost.
    let bytes = 64.0 * (8.0 * random.unit()).exp2();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "64 to 16,384")]
    let bytes = bytes as usize;
    bytes
}

/// The operations of so many callbacks; see the table in [`traces`](super).
#[derive(Clone, Debug)]
pub struct Audio {
    random: Random,
    callbacks_left: usize,
    /// The slots to free in the next callbacks: one list each, the next one first.
    endings: VecDeque<VecDeque<usize>>,
    /// How many blocks this callback has still to allocate.
    allocations_left: usize,
    empty_slots: Vec<usize>,
    slots: usize,
}

impl Audio {
    /// The operations of `callbacks` callbacks.
    #[must_use]
    pub fn new(callbacks: usize) -> Self {
        Self {
            random: Random::new(),
            callbacks_left: callbacks,
            endings: vec![VecDeque::new(); LIFE_CALLBACKS + 1].into(),
            allocations_left: 0,
            empty_slots: Vec::new(),
            slots: 0,
        }
    }
}

impl Iterator for Audio {
    type Item = Operation;

    fn next(&mut self) -> Option<Operation> {
        loop {
            if let Some(slot) = self.endings[0].pop_front() {
                self.empty_slots.push(slot);
                return Some(Operation::Free { slot });
            }
            if self.allocations_left > 0 {
                self.allocations_left -= 1;
                let slot = self.empty_slots.pop().unwrap_or(self.slots);
                self.slots = self.slots.max(slot + 1);
                let layout = layout(grain_bytes(&mut self.random));
                self.endings[1 + self.random.below(LIFE_CALLBACKS)].push_back(slot);
                return Some(Operation::Allocate { slot, layout });
            }
            self.callbacks_left = self.callbacks_left.checked_sub(1)?;
            self.endings.rotate_left(1);
            self.allocations_left = self.random.below(41);
        }
    }
}
