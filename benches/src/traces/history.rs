//! Operations that go on for ever, for what a long history does to an allocator.

use super::{Operation, Random, layout};
use detalloc::Config;

/// The most blocks of a pool that are live at once.
const LIVE: usize = 1000;

/// Blocks of all classes of a configuration are allocated and freed at random, never more than there are, nor more than
/// 1,000 of each class.
#[derive(Clone, Debug)]
pub struct History {
    random: Random,
    block_bytes: Vec<usize>,
    /// Of each class.
    empty: Vec<Vec<usize>>,
    /// Class and slot.
    live: Vec<(usize, usize)>,
    slots: usize,
}

impl History {
    /// From the beginning.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let mut empty: Vec<Vec<usize>> = Vec::new();
        let mut slots = 0;
        for pool in config.pools() {
            let some = pool.blocks.min(LIVE);
            empty.push((slots..slots + some).rev().collect());
            slots += some;
        }
        let block_bytes = config.pools().iter().map(|pool| pool.block_bytes).collect();
        Self { random: Random::new(), block_bytes, empty, live: Vec::new(), slots }
    }

    /// How many slots the operations use.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.slots
    }
}

impl Iterator for History {
    type Item = Operation;

    fn next(&mut self) -> Option<Operation> {
        loop {
            let class = self.random.below(self.empty.len());
            let wants = self.live.is_empty() || self.random.below(2) == 0;
            match wants.then(|| self.empty[class].pop()).flatten() {
                Some(slot) => {
                    self.live.push((class, slot));
                    return Some(Operation::Allocate { slot, layout: layout(self.block_bytes[class]) });
                }
                None if self.live.is_empty() => {}
                None => {
                    let (class, slot) = self.live.swap_remove(self.random.below(self.live.len()));
                    self.empty[class].push(slot);
                    return Some(Operation::Free { slot });
                }
            }
        }
    }
}
