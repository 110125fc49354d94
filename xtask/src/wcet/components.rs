//! The loops of a control-flow graph: its strongly connected components.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::path::{Block, Path};

/// A function's blocks, and what each takes.
pub struct Ways<'a> {
    /// The blocks, by where they begin.
    pub blocks: &'a BTreeMap<u64, Block>,
    /// What each takes; nothing: it does not come to its end.
    pub own: &'a BTreeMap<u64, Option<Path>>,
}

/// Some of the blocks of a function: all, or those of a loop, without the ways back to where it begins.
pub struct Part<'a> {
    /// Its blocks.
    pub among: &'a BTreeSet<u64>,
    /// Where the loop begins.
    pub header: Option<u64>,
    /// Paths go no further than to where the loop can be left, and where that is at the end of a round, there is none.
    pub leaving: bool,
}

impl Ways<'_> {
    /// Where a block leads.
    pub fn next(&self, block: u64, part: &Part<'_>) -> impl Iterator<Item = u64> {
        let next = self.blocks.get(&block).map_or(&[][..], |block| &block.next);
        let next =
            if part.leaving && next.iter().any(|next| !part.among.contains(next)) { &[] } else { next };
        next.iter().copied().filter(|next| part.among.contains(next) && part.header != Some(*next))
    }

    /// Whether a component leads back to itself.
    pub fn is_loop(&self, component: &BTreeSet<u64>, part: &Part<'_>) -> bool {
        component.len() > 1 || component.iter().any(|&block| self.next(block, part).any(|next| next == block))
    }

    /// Whether a path may end with this block: by a return, or, in a loop, by the way back or out.
    pub fn ends(&self, block: u64, part: &Part<'_>) -> bool {
        let Some(block) = self.blocks.get(&block) else { return false };
        let is_back = |next: &u64| part.header == Some(*next);
        let is_out = |next: &u64| !part.among.contains(next);
        if part.leaving {
            return block.next.iter().any(is_out) && !block.next.iter().any(is_back);
        }
        block.returns || part.header.is_some() && block.next.iter().any(|next| is_out(next) || is_back(next))
    }

    /// The strongly connected components, each behind those that it leads to (Tarjan).
    pub fn components(&self, entry: u64, part: &Part<'_>) -> Vec<BTreeSet<u64>> {
        let mut search = Search::new(self, part);
        if part.among.contains(&entry) {
            search.visit(entry);
        }
        search.found
    }
}

/// Tarjan's search.
struct Search<'s> {
    ways: &'s Ways<'s>,
    part: &'s Part<'s>,
    number: HashMap<u64, usize>,
    lowest: HashMap<u64, usize>,
    stack: Vec<u64>,
    found: Vec<BTreeSet<u64>>,
}

impl<'s> Search<'s> {
    fn new(ways: &'s Ways<'s>, part: &'s Part<'s>) -> Self {
        Search {
            ways,
            part,
            number: HashMap::new(),
            lowest: HashMap::new(),
            stack: Vec::new(),
            found: Vec::new(),
        }
    }

    fn visit(&mut self, block: u64) {
        let number = self.number.len();
        self.number.insert(block, number);
        self.lowest.insert(block, number);
        self.stack.push(block);
        let next: Vec<u64> = self.ways.next(block, self.part).collect();
        for next in next {
            let reaches = if !self.number.contains_key(&next) {
                self.visit(next);
                self.lowest[&next]
            } else if self.stack.contains(&next) {
                self.number[&next]
            } else {
                continue;
            };
            let lowest = self.lowest[&block].min(reaches);
            self.lowest.insert(block, lowest);
        }
        if self.lowest[&block] == number {
            let at = self.stack.iter().position(|other| *other == block).unwrap_or(0);
            let component = self.stack.drain(at..).collect();
            self.found.push(component);
        }
    }
}
