//! The operations of the trace `audio`, for as many callbacks as wanted, one at a time.

use super::{Operation, Random, layout};
use std::collections::VecDeque;

/// How dense a cloud is.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// The most blocks that a callback allocates; the fewest are none.
    pub most: usize,
    /// The longest life of a block, in callbacks; the shortest is 1.
    pub life_callbacks: usize,
}

impl Shape {
    /// That of the trace `audio`.
    pub const AUDIO: Self = Self { most: 40, life_callbacks: 500 };
}

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
    shape: Shape,
    random: Random,
    callbacks: usize,
    begun: usize,
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
        Self::shaped(callbacks, Shape::AUDIO)
    }

    /// The operations of `callbacks` callbacks of another cloud.
    #[must_use]
    pub fn shaped(callbacks: usize, shape: Shape) -> Self {
        Self {
            shape,
            random: Random::new(),
            callbacks,
            begun: 0,
            endings: vec![VecDeque::new(); shape.life_callbacks + 1].into(),
            allocations_left: 0,
            empty_slots: Vec::new(),
            slots: 0,
        }
    }

    /// The callback that the latest operation belongs to, the first being 1.
    #[must_use]
    pub fn callback(&self) -> usize {
        self.begun
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
                self.endings[1 + self.random.below(self.shape.life_callbacks)].push_back(slot);
                return Some(Operation::Allocate { slot, layout });
            }
            if self.begun == self.callbacks {
                return None;
            }
            self.begun += 1;
            self.endings.rotate_left(1);
            self.allocations_left = self.random.below(self.shape.most + 1);
        }
    }
}
