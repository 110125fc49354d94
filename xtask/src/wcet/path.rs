//! What is found: blocks, and paths through them.

use std::collections::{BTreeMap, BTreeSet};

use super::instruction::Instruction;
use super::source::Exception;

/// What the longest path of an operation takes, and what stands in the way of saying so.
#[derive(Clone, Debug, Default)]
pub struct Worst {
    /// `None`: it never returns.
    pub path: Option<Path>,
    /// The most of the stack that any path takes, in bytes, the calls' own included.
    pub stack_bytes: i64,
    /// What must not be, in words.
    pub problems: BTreeSet<String>,
    /// What is allowed by exception.
    pub exceptions: BTreeSet<Exception>,
    /// Where the blocks of all its functions begin, each with the ends of the stretch.
    pub blocks: BTreeMap<u64, Stretch>,
}

/// Where a block lies, and what is known of it.
#[derive(Clone, Debug)]
pub struct Stretch {
    /// Where its last instruction begins.
    pub last: u64,
    /// Where its function begins.
    pub function: u64,
    /// Whether the program ends in it.
    pub is_end: bool,
    /// Where it leads.
    pub next: Vec<u64>,
}

/// A path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Path {
    /// Its instructions, the operation's return not included.
    pub instructions: u64,
    /// How often it reads memory.
    pub loads: u64,
    /// How often it writes memory.
    pub stores: u64,
    /// How often it does so as one with other processors.
    pub atomics: u64,
    /// Where its blocks begin.
    pub blocks: Vec<u64>,
}

impl Path {
    /// The other one, too, behind this one.
    pub fn add(&mut self, other: &Path) {
        self.instructions = self.instructions.saturating_add(other.instructions);
        self.loads = self.loads.saturating_add(other.loads);
        self.stores = self.stores.saturating_add(other.stores);
        self.atomics = self.atomics.saturating_add(other.atomics);
        self.blocks.extend(&other.blocks);
    }

    /// So many times in a row.
    pub fn times(&self, rounds: u64) -> Path {
        Path {
            instructions: self.instructions.saturating_mul(rounds),
            loads: self.loads.saturating_mul(rounds),
            stores: self.stores.saturating_mul(rounds),
            atomics: self.atomics.saturating_mul(rounds),
            blocks: self.blocks.clone(),
        }
    }
}

/// Instructions without a branch but the last one; or another function, to which a branch leads in place of a call and a return.
pub struct Block {
    /// In order.
    pub instructions: Vec<Instruction>,
    /// Where it leads, within the function.
    pub next: Vec<u64>,
    /// Whether the function may end here.
    pub returns: bool,
    /// The branch that leads to another function.
    pub tail: Option<u64>,
}
