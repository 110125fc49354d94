//! What the synth plays: which grains begin and end in each callback.

use crate::traces::{Audio, Demand, Operation, Shape, layout};

/// A cloud of some 500 grains of 64 B to 16 KiB, log-uniform: lighter than the trace `audio`, so that a callback leaves most
/// of its time to what may go wrong.
const CLOUD: Shape = Shape { most: 16, life_callbacks: 125 };

/// A block of the tape, in samples.
const TAPE_BLOCK: usize = 16 * 1024;

/// What a callback writes to the tape, in samples: a page.
pub(super) const TAPE_SAMPLES: usize = 1024;

/// What happens in one callback.
#[derive(Clone, Debug, Default)]
pub(super) struct Callback {
    /// The slots of the grains that end.
    pub(super) ends: Vec<usize>,
    /// The slots of the grains that begin, and how many samples each has.
    pub(super) begins: Vec<(usize, usize)>,
    /// The slot of the tape's block that is written to.
    pub(super) tape: Option<usize>,
}

/// What all engines play.
#[derive(Clone, Debug)]
pub struct Score {
    pub(super) callbacks: Vec<Callback>,
    /// Grains have the slots below, and the tape those from here on.
    pub(super) grain_slots: usize,
}

impl Score {
    /// A score of so many callbacks. With `tape`, every callback also writes a page of a tape, whose blocks of 64 KiB begin when
    /// they are needed and stay: memory that is touched first long after the beginning.
    #[must_use]
    pub fn new(callbacks: usize, tape: bool) -> Self {
        let mut score = Self { callbacks: vec![Callback::default(); callbacks], grain_slots: 0 };
        let mut audio = Audio::shaped(callbacks, CLOUD);
        while let Some(operation) = audio.next() {
            let callback = &mut score.callbacks[audio.callback() - 1];
            match operation {
                Operation::Free { slot } => callback.ends.push(slot),
                Operation::Allocate { slot, layout } => {
                    callback.begins.push((slot, layout.size() / size_of::<f32>()));
                    score.grain_slots = score.grain_slots.max(slot + 1);
                }
            }
        }
        for (number, callback) in score.callbacks.iter_mut().enumerate().filter(|_| tape) {
            let written = number * TAPE_SAMPLES;
            let slot = score.grain_slots + written / TAPE_BLOCK;
            callback.tape = Some(slot);
            callback.begins.extend(written.is_multiple_of(TAPE_BLOCK).then_some((slot, TAPE_BLOCK)));
        }
        score
    }

    /// How many slots there are.
    pub(super) fn slots(&self) -> usize {
        self.largest_of_each_slot().len()
    }

    /// The most samples that a grain of each slot has.
    pub(super) fn largest_of_each_slot(&self) -> Vec<usize> {
        let mut largest = Vec::new();
        for &(slot, samples) in self.callbacks.iter().flat_map(|callback| &callback.begins) {
            largest.resize(largest.len().max(slot + 1), 0);
            largest[slot] = samples.max(largest[slot]);
        }
        largest
    }

    /// What the memory has to hold. A grain that begins finds the memory of one that ends in the same callback free.
    #[must_use]
    pub fn demand(&self) -> Demand {
        let operations = |callback: &Callback| {
            let ends = callback.ends.clone().into_iter().map(|slot| Operation::Free { slot });
            let begins = callback.begins.clone().into_iter().map(|(slot, samples)| Operation::Allocate {
                slot,
                layout: layout(samples * size_of::<f32>()),
            });
            ends.chain(begins)
        };
        Demand::of(self.callbacks.iter().flat_map(operations))
    }
}
