//! Traces: seeded lists of operations that every allocator replays, the same in every run.
//!
//! | name | blocks | order |
//! |---|---|---|
//! | `fixed` | 64 B | 500 rounds; round *k* allocates 1 + *k* mod 8 blocks and frees them, the last first |
//! | `random` | 16 to 4,096 B, uniform | 1,000 are allocated; then 2,000 times a random one is freed and another allocated |
//! | `comb` | 256 B and 512 B | twice: 1,000 of 256 B, every other one freed, 500 of 512 B, all freed in random order |
//! | `audio` | 64 B to 16 KiB, log-uniform | 640 callbacks; each first frees the blocks whose life is over, the oldest first, and then allocates 0 to 40, uniform, that live 1 to 500 callbacks, uniform; about 5,000 are live in the end |
//!
//! All blocks are aligned to 16 bytes. Random numbers are those of xorshift64* from one seed, the upper half of each
//! modulo the range.

mod audio;
mod demand;
mod history;
mod random;
mod recorded;

use core::alloc::Layout;
use detalloc::Profile;

pub use self::{
    audio::{Audio, Shape, grain_bytes},
    demand::Demand,
    history::History,
    random::Random,
    recorded::recorded,
};

/// One operation. Blocks are known by slots, which are used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Allocates a block for this layout into an empty slot. When it is refused, the slot stays empty.
    Allocate {
        /// The slot.
        slot: usize,
        /// What is asked for.
        layout: Layout,
    },
    /// Frees the block of a slot, if there is one.
    Free {
        /// The slot.
        slot: usize,
    },
}

/// A named list of operations.
#[derive(Clone, Debug)]
pub struct Trace {
    /// As the counts name it.
    pub name: String,
    /// The operations, in order.
    pub operations: Vec<Operation>,
    /// How many of the first operations only lead up to the steady state, and are not measured.
    pub warm_up: usize,
}

impl Trace {
    /// How many slots the operations use.
    #[must_use]
    pub fn slots(&self) -> usize {
        let slot = |operation: &Operation| match *operation {
            Operation::Allocate { slot, .. } | Operation::Free { slot } => slot + 1,
        };
        self.operations.iter().map(slot).max().unwrap_or(0)
    }

    /// What the operations need when nothing is refused.
    #[must_use]
    pub fn demand(&self) -> Demand {
        Demand::of(self.operations.iter().copied())
    }

    /// What a configuration for it can be suggested from.
    #[must_use]
    pub fn profile(&self) -> Profile {
        let mut profile = Profile::new();
        let mut slots = vec![None; self.slots()];
        for operation in &self.operations {
            match *operation {
                Operation::Allocate { slot, layout } => {
                    profile.allocated(layout);
                    slots[slot] = Some(layout);
                }
                Operation::Free { slot } => {
                    slots[slot].take().into_iter().for_each(|layout| profile.freed(layout));
                }
            }
        }
        profile
    }
}

/// Every trace, in the order of the table.
#[must_use]
pub fn all() -> [Trace; 4] {
    [fixed(), random(), comb(), audio()]
}

/// The trace `fixed`: the best case of every allocator.
#[must_use]
pub fn fixed() -> Trace {
    let mut operations = Vec::new();
    for round in 0..500 {
        let blocks = 0..=round % 8;
        operations.extend(blocks.clone().map(|slot| Operation::Allocate { slot, layout: layout(64) }));
        operations.extend(blocks.rev().map(|slot| Operation::Free { slot }));
    }
    Trace { name: "fixed".to_owned(), operations, warm_up: 0 }
}

/// The trace `random`: any size at any time.
#[must_use]
pub fn random() -> Trace {
    random_of(1000)
}

/// The trace `random` with so many live blocks.
#[must_use]
pub fn random_of(live: usize) -> Trace {
    let mut random = Random::new();
    let allocate =
        |slot, random: &mut Random| Operation::Allocate { slot, layout: layout(16 + random.below(4081)) };
    let mut operations: Vec<_> = (0..live).map(|slot| allocate(slot, &mut random)).collect();
    for _ in 0..2 * live {
        let slot = random.below(live);
        operations.extend([Operation::Free { slot }, allocate(slot, &mut random)]);
    }
    Trace { name: "random".to_owned(), operations, warm_up: 0 }
}

/// The trace `comb`: what fragments a heap that merges.
#[must_use]
pub fn comb() -> Trace {
    comb_of(1000)
}

/// The trace `comb` with so many blocks of 256 B.
#[must_use]
pub fn comb_of(teeth: usize) -> Trace {
    let mut random = Random::new();
    let mut operations = Vec::new();
    for _ in 0..2 {
        operations.extend((0..teeth).map(|slot| Operation::Allocate { slot, layout: layout(256) }));
        operations.extend((0..teeth).step_by(2).map(|slot| Operation::Free { slot }));
        operations
            .extend((0..teeth).step_by(2).map(|slot| Operation::Allocate { slot, layout: layout(512) }));
        let mut order: Vec<_> = (0..teeth).collect();
        random.shuffle(&mut order);
        operations.extend(order.into_iter().map(|slot| Operation::Free { slot }));
    }
    Trace { name: "comb".to_owned(), operations, warm_up: 0 }
}

/// The trace `audio`: what a dense cloud of grains asks for. The first 500 callbacks, in which no block is older than
/// the oldest ones will be, are warm-up.
#[must_use]
pub fn audio() -> Trace {
    let operations: Vec<_> = Audio::new(640).collect();
    let warm_up = Audio::new(500).count();
    Trace { name: "audio".to_owned(), operations, warm_up }
}

/// The layout of a block of so many bytes, as all traces align it.
///
/// # Panics
/// When it exceeds the address space.
#[must_use]
pub fn layout(bytes: usize) -> Layout {
    Layout::from_size_align(bytes, 16).expect("a small size and a power of two")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn every_slot_is_empty_when_it_is_allocated_and_full_when_it_is_freed() {
        for trace in all() {
            let mut live = HashMap::new();
            for operation in &trace.operations {
                match *operation {
                    Operation::Allocate { slot, layout } => assert_eq!(live.insert(slot, layout), None),
                    Operation::Free { slot } => assert!(live.remove(&slot).is_some()),
                }
            }
        }
    }

    #[test]
    fn at_least_two_thousand_of_each_operation_are_measured() {
        for trace in all() {
            let measured = &trace.operations[trace.warm_up..];
            let frees =
                measured.iter().filter(|operation| matches!(operation, Operation::Free { .. })).count();
            assert!(frees >= 2000 && measured.len() - frees >= 2000, "{}: {frees}", trace.name);
        }
    }

    #[test]
    fn the_audio_trace_has_some_five_thousand_blocks_live_at_its_peak() {
        let demand = audio().demand();
        assert!((4_500..=5_500).contains(&demand.peak_live_blocks), "{}", demand.peak_live_blocks);
    }
}
