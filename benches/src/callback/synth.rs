//! The synth: what is the same whatever its memory is.

use super::{
    FRAMES,
    memory::{Memory, Samples},
    score::{Score, TAPE_SAMPLES},
};
use crate::traces::Random;
use std::{
    rc::Rc,
    time::{Duration, Instant},
};

/// What grains are cut from, in samples; at least as long as the longest.
const SOURCE: usize = 48_000;

/// The most of a loader's values that a callback frees.
pub(super) const LOADED: usize = 16;

/// A grain that sounds.
struct Grain<B> {
    block: B,
    /// Where it reads next.
    at: usize,
}

/// What one callback came to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spent {
    /// Entering, freeing, allocating and leaving.
    pub(super) allocating: Duration,
    /// How many grains were left out.
    pub(super) refused: usize,
}

pub(super) struct Synth<M: Memory> {
    // Before the memory it is from.
    grains: Vec<Option<Grain<M::Block>>>,
    memory: M,
    score: Rc<Score>,
    source: Vec<f32>,
    number: usize,
    /// Emptied in every callback; never grown in one.
    ended: Vec<Grain<M::Block>>,
    arrived: Vec<M::Loaded>,
    begun: Vec<Option<M::Block>>,
}

impl<M: Memory> Synth<M> {
    pub(super) fn new(memory: M, score: Rc<Score>) -> Self {
        let mut random = Random::new();
        #[expect(clippy::cast_possible_truncation, reason = "noise")]
        let source = (0..SOURCE).map(|_| random.unit() as f32 - 0.5).collect();
        let most = |count: fn(&super::score::Callback) -> usize| {
            score.callbacks.iter().map(count).max().unwrap_or(0)
        };
        Self {
            grains: (0..score.slots()).map(|_| None).collect(),
            ended: Vec::with_capacity(most(|callback| callback.ends.len())),
            arrived: Vec::with_capacity(LOADED),
            begun: Vec::with_capacity(most(|callback| callback.begins.len())),
            memory,
            score,
            source,
            number: 0,
        }
    }

    pub(super) fn memory(&self) -> &M {
        &self.memory
    }

    /// Plays the next callback of the score, and frees what `loaded` hands over, up to [`LOADED`].
    pub(super) fn callback(
        &mut self,
        loaded: &mut impl FnMut() -> Option<M::Loaded>,
        out: &mut [f32; FRAMES],
    ) -> Spent {
        let Self { memory, score, grains, source, ended, arrived, begun, .. } = self;
        let callback = &score.callbacks[self.number];
        self.number += 1;
        let mut spent = Spent::default();
        let entering = Instant::now();
        let leaving = memory.callback(|scope| {
            spent.allocating += entering.elapsed();
            ended.extend(callback.ends.iter().filter_map(|&slot| grains[slot].take()));
            arrived.extend((0..LOADED).map_while(|_| loaded()));

            let freeing = Instant::now();
            ended.clear();
            arrived.clear();
            spent.allocating += freeing.elapsed();

            let allocating = Instant::now();
            begun.extend(callback.begins.iter().map(|&(slot, samples)| M::allocate(scope, slot, samples)));
            spent.allocating += allocating.elapsed();

            for (&(slot, samples), block) in callback.begins.iter().zip(begun.drain(..)) {
                spent.refused += usize::from(block.is_none());
                grains[slot] = block.map(|mut block| {
                    if slot < score.grain_slots {
                        block.append(&source[..samples]);
                    }
                    Grain { block, at: 0 }
                });
            }
            if let Some(tape) = callback.tape.and_then(|slot| grains[slot].as_mut()) {
                tape.block.append(&source[..TAPE_SAMPLES]);
            }
            mix(&mut grains[..score.grain_slots], out);
            Instant::now()
        });
        spent.allocating += leaving.elapsed();
        spent
    }
}

/// What all grains sound together. Each plays its samples again and again.
fn mix<B: Samples>(grains: &mut [Option<Grain<B>>], out: &mut [f32; FRAMES]) {
    out.fill(0.0);
    for grain in grains.iter_mut().flatten() {
        let samples = grain.block.samples();
        for out in &mut *out {
            *out += 0.01 * samples[grain.at];
            grain.at += 1;
            if grain.at == samples.len() {
                grain.at = 0;
            }
        }
    }
}
