//! The control-flow graph of a function, and its longest path.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::components::{Part, Ways};
use super::image::Image;
use super::instruction::{Flow, Instruction, Stack};
use super::known::{is_end, is_exchange};
use super::path::{Block, Path, Stretch, Worst};
use super::source::{Exception, Kind, Source};

/// Takes functions apart, each once.
pub struct Analysis<'a> {
    image: &'a mut Image,
    source: &'a Source,
    /// How many levels the bitmap of a pool has at most.
    levels: u32,
    known: HashMap<u64, Worst>,
    /// The functions on the way to this one.
    open: Vec<u64>,
}

impl<'a> Analysis<'a> {
    /// Of the functions of this program, for pools whose bitmap has at most so many levels.
    pub fn new(image: &'a mut Image, source: &'a Source, levels: u32) -> Self {
        Analysis { image, source, levels, known: HashMap::new(), open: Vec::new() }
    }

    /// The longest path of the function that begins here, with all that it calls.
    pub fn worst(&mut self, entry: u64) -> Worst {
        if let Some(known) = self.known.get(&entry) {
            return known.clone();
        }
        let mut worst = Worst::default();
        if self.open.contains(&entry) {
            worst.problems.insert(format!("{} calls itself", self.name(entry)));
            return worst;
        }
        self.open.push(entry);
        let blocks = self.blocks(entry);
        let own: BTreeMap<u64, Option<Path>> =
            blocks.iter().map(|(&start, block)| (start, self.cost(start, block, &mut worst))).collect();
        worst.blocks.extend(blocks.iter().filter_map(|(&start, block)| {
            let last = block.instructions.last()?.address;
            let is_end =
                block.instructions.iter().any(|one| matches!(one.flow, Flow::Trap)) || own[&start].is_none();
            Some((start, Stretch { last, function: entry, is_end, next: block.next.clone() }))
        }));
        worst.stack_bytes += self.depth(entry, &blocks, &mut worst);
        let ways = Ways { blocks: &blocks, own: &own };
        let all = blocks.keys().copied().collect();
        worst.path =
            self.longest(&ways, entry, &Part { among: &all, header: None, leaving: false }, &mut worst);
        self.open.pop();
        self.known.insert(entry, worst.clone());
        worst
    }

    fn name(&self, address: u64) -> String {
        self.image.name(address).map_or_else(|| format!("{address:#x}"), str::to_owned)
    }

    /// The blocks of the function that begins here.
    fn blocks(&mut self, entry: u64) -> BTreeMap<u64, Block> {
        let (start, end) = match self.image.function_at(entry) {
            Some(function) => (function.address, function.end),
            None => (entry, entry + 1),
        };
        let inside = |target: u64| (start..end).contains(&target);
        // Every instruction that can be reached, and where branches lead to.
        let mut reached = BTreeMap::new();
        let mut leaders = BTreeSet::from([entry]);
        let mut blocks = BTreeMap::new();
        let mut open = vec![entry];
        while let Some(address) = open.pop() {
            if !inside(address) || reached.contains_key(&address) {
                continue;
            }
            let instruction = self.image.instruction(address);
            reached.insert(address, instruction);
            let (goes_on, target) = match instruction.flow {
                Flow::Branch(target) => (true, Some(target)),
                Flow::Jump(target) => (false, Some(target)),
                Flow::ConditionalReturn => (true, None),
                // Behind what never returns there is other code, or none.
                Flow::Call(target) if self.never_returns(address, target) => continue,
                Flow::Next | Flow::Call(_) | Flow::IndirectCall | Flow::System => {
                    open.push(instruction.next);
                    continue;
                }
                Flow::Return | Flow::Trap | Flow::IndirectJump | Flow::Undecodable => (false, None),
            };
            let leads_to = target.into_iter().chain(goes_on.then_some(instruction.next));
            for target in leads_to {
                if inside(target) {
                    leaders.insert(target);
                    open.push(target);
                } else {
                    let other = Block {
                        instructions: Vec::new(),
                        next: Vec::new(),
                        returns: true,
                        tail: Some(address),
                    };
                    blocks.insert(target, other);
                }
            }
        }
        for &leader in &leaders {
            let mut instructions = Vec::new();
            let mut address = leader;
            while let Some(instruction) = reached.get(&address) {
                instructions.push(*instruction);
                address = instruction.next;
                let goes_on = matches!(
                    instruction.flow,
                    Flow::Next | Flow::Call(_) | Flow::IndirectCall | Flow::System
                );
                if !goes_on || leaders.contains(&address) {
                    break;
                }
            }
            let Some(last) = instructions.last() else { continue };
            let (mut next, returns) = match last.flow {
                Flow::Branch(target) => (vec![target, last.next], false),
                Flow::Jump(target) => (vec![target], false),
                Flow::Return | Flow::IndirectJump => (Vec::new(), true),
                Flow::ConditionalReturn => (vec![last.next], true),
                Flow::Trap | Flow::Undecodable => (Vec::new(), false),
                Flow::Next | Flow::Call(_) | Flow::IndirectCall | Flow::System => (vec![last.next], false),
            };
            // Behind a call that never returns there may be nothing.
            next.retain(|next| leaders.contains(next) || blocks.contains_key(next));
            blocks.insert(leader, Block { instructions, next, returns, tail: None });
        }
        blocks
    }

    /// Whether a call comes back, as far as can be known.
    fn never_returns(&mut self, at: u64, callee: u64) -> bool {
        if self.source.exception([at, callee], Kind::Call).is_some() || self.open.contains(&callee) {
            return false;
        }
        let begins = self.image.function_at(callee).is_some_and(|function| function.address == callee);
        is_end(&self.name(callee)) || begins && self.worst(callee).path.is_none()
    }

    /// What a block takes, with what it calls. `None`: it does not come to its end.
    fn cost(&mut self, start: u64, block: &Block, worst: &mut Worst) -> Option<Path> {
        let mut path = Path::default();
        if let Some(branch) = block.tail {
            return self.call(branch, start, &mut path, worst).then_some(path);
        }
        path.blocks.extend(block.instructions.first().map(|first| first.address));
        if let Some(deeper) = self.deeper(block) {
            worst.exceptions.insert(deeper);
            return None;
        }
        let mut ends = false;
        for instruction in &block.instructions {
            path.instructions += 1;
            path.loads += u64::from(instruction.loads);
            path.stores += u64::from(instruction.stores);
            path.atomics += u64::from(instruction.atomics);
            let at = instruction.address;
            if instruction.divides {
                self.needs(Kind::Division, at, "a division", worst);
            }
            if instruction.repeats {
                self.needs(Kind::Call, at, "an instruction that repeats itself", worst);
            }
            let callee = match instruction.flow {
                Flow::Call(target) => Some(target),
                Flow::IndirectCall => {
                    self.needs(Kind::Indirect, at, "a call through a register or memory", worst);
                    None
                }
                Flow::IndirectJump => {
                    self.needs(Kind::Indirect, at, "a jump through a register or memory", worst);
                    None
                }
                Flow::System => {
                    self.needs(Kind::System, at, "a system call", worst);
                    None
                }
                Flow::Undecodable => {
                    worst.problems.insert(format!("{}: code that cannot be decoded", self.place(at)));
                    None
                }
                Flow::Trap => {
                    // Behind a call that never returns, as the compiler puts it, nothing is left to say.
                    if !ends {
                        self.needs(Kind::End, at, "the program ends", worst);
                    }
                    ends = true;
                    None
                }
                _ => None,
            };
            if let Some(callee) = callee {
                ends |= !self.call(at, callee, &mut path, worst);
            }
        }
        (!ends).then_some(path)
    }

    /// Says why a block is on no path of a pool of so few levels, if it is on none.
    fn deeper(&self, block: &Block) -> Option<Exception> {
        let addresses = block.instructions.iter().map(|instruction| instruction.address);
        let exception = self.source.exception(addresses, Kind::Levels(0))?;
        matches!(exception.kind, Kind::Levels(levels) if levels > self.levels).then_some(exception)
    }

    /// Adds what a call takes. `false`: it does not return.
    fn call(&mut self, at: u64, callee: u64, path: &mut Path, worst: &mut Worst) -> bool {
        let name = self.name(callee);
        if self.image.function_at(callee).is_none_or(|function| function.address != callee) {
            self.needs(Kind::Call, at, &format!("a call of {name}, of which nothing is known"), worst);
            return true;
        }
        // Whether it is one that the reader allows is asked first: what is allowed is not looked into.
        if let Some(exception) = self.source.exception([at, callee], Kind::Call) {
            worst.exceptions.insert(exception);
            return true;
        }
        if is_end(&name) {
            self.needs(Kind::End, at, &format!("a call of {name}"), worst);
            return false;
        }
        let called = self.worst(callee);
        worst.problems.extend(called.problems);
        worst.exceptions.extend(called.exceptions);
        worst.blocks.extend(called.blocks);
        called.path.map(|called| path.add(&called)).is_some()
    }

    /// Something that has to be allowed by an exception.
    fn needs(&self, kind: Kind, at: u64, what: &str, worst: &mut Worst) {
        match self.source.exception([at], kind) {
            Some(exception) => drop(worst.exceptions.insert(exception)),
            None => drop(worst.problems.insert(format!("{}: {what}", self.place(at)))),
        }
    }

    /// Where code comes from, in words.
    fn place(&self, address: u64) -> String {
        let lines: Vec<String> =
            self.source.lines(address).iter().map(|(file, line)| format!("{file}:{line}")).collect();
        if lines.is_empty() { self.name(address) } else { lines.join(" in ") }
    }

    /// The most of the stack that a function takes, with what it calls.
    fn depth(&mut self, entry: u64, blocks: &BTreeMap<u64, Block>, worst: &mut Worst) -> i64 {
        let mut at_start = BTreeMap::from([(entry, 0_i64)]);
        let mut open = vec![entry];
        let mut most = 0;
        while let Some(start) = open.pop() {
            let Some(block) = blocks.get(&start) else { continue };
            let mut depth = at_start[&start];
            for instruction in &block.instructions {
                match instruction.stack {
                    // A call puts the return address there, and the return takes it.
                    Stack::Moves(bytes)
                        if !matches!(instruction.flow, Flow::Call(_) | Flow::IndirectCall | Flow::Return) =>
                    {
                        depth -= bytes;
                    }
                    Stack::Rounds(bytes) => depth += bytes - 1,
                    Stack::Moves(_) | Stack::Sets => {}
                }
                most = most.max(depth);
                if let Flow::Call(callee) = instruction.flow
                    && let Some(known) = self.known.get(&callee)
                {
                    most = most.max(depth + self.image.call_bytes() + known.stack_bytes);
                }
            }
            if let (Some(_), Some(known)) = (block.tail, self.known.get(&start)) {
                most = most.max(depth + known.stack_bytes);
            }
            for &next in &block.next {
                if at_start.get(&next).is_none_or(|known| *known < depth) && depth < 1 << 20 {
                    at_start.insert(next, depth);
                    open.push(next);
                }
            }
        }
        if most >= 1 << 20 {
            worst.problems.insert(format!("{}: the stack grows without end", self.place(entry)));
        }
        most
    }

    /// How many leaves a group has at most: one where a word has a bit for each, and a word's bits times as many a level more.
    fn leaves_of_a_group(&self) -> u64 {
        self.image.word_bits().saturating_pow(self.levels.saturating_sub(2))
    }

    /// The longest path from a block through these blocks: to a return or, in a loop, to wherever the round ends.
    fn longest(&self, ways: &Ways<'_>, entry: u64, part: &Part<'_>, worst: &mut Worst) -> Option<Path> {
        // Each component behind those that it leads to.
        let mut best: BTreeMap<u64, Option<Path>> = BTreeMap::new();
        for component in ways.components(entry, part) {
            let around = ways
                .is_loop(&component, part)
                .then(|| self.rounds(ways, &component, entry, part, worst))
                .flatten();
            // A loop may be left by any of its blocks.
            let all_exits = component.iter().flat_map(|&block| {
                let outside = ways.next(block, part).filter(|next| !component.contains(next));
                let further: Vec<_> = outside.map(|next| best.get(&next).cloned().flatten()).collect();
                further.into_iter().chain(ways.ends(block, part).then(|| Some(Path::default())))
            });
            let rest = all_exits.flatten().max_by_key(|path| path.instructions);
            for &block in &component {
                let own = around.clone().or_else(|| ways.own.get(&block).cloned().flatten());
                let path = own.zip(rest.clone()).map(|(mut own, rest)| {
                    own.add(&rest);
                    own
                });
                best.insert(block, path);
            }
        }
        best.remove(&entry).flatten()
    }

    /// All rounds of a loop: the longest way through it, as often as the exception says, and the look that
    /// ends it.
    fn rounds(
        &self,
        ways: &Ways<'_>,
        component: &BTreeSet<u64>,
        entry: u64,
        part: &Part<'_>,
        worst: &mut Worst,
    ) -> Option<Path> {
        // It is entered by one that something outside leads to.
        let entered = part.among.iter().filter(|start| !component.contains(start));
        let header = entered.flat_map(|&start| ways.next(start, part)).find(|next| component.contains(next));
        let header = header.or_else(|| component.contains(&entry).then_some(entry))?;
        let inside = Part { among: component, header: Some(header), leaving: false };
        // What lies in loops of its own has exceptions of its own.
        let inner: BTreeSet<u64> =
            ways.components(header, &inside).into_iter().filter(|inner| inner.len() > 1).flatten().collect();
        let own = component.iter().filter(|block| !inner.contains(block));
        let instructions: Vec<Instruction> =
            own.flat_map(|block| ways.blocks[block].instructions.iter().copied()).collect();
        let addresses = instructions.iter().map(|instruction| instruction.address);
        let exception = if is_exchange(&instructions) {
            Some(Exception {
                kind: Kind::Retry,
                reason: "this processor has no single instruction for an exchange: what is said to be wait-free is \
                         lock-free here"
                    .to_owned(),
                line: ("every exchange".to_owned(), 0),
            })
        } else {
            self.source.exception(addresses, Kind::Retry)
        };
        let Some(exception) = exception else {
            worst.problems.insert(format!("{}: a loop", self.place(header)));
            return None;
        };
        let rounds = match exception.kind {
            Kind::Loop { rounds, group: false } => rounds,
            Kind::Loop { rounds, group: true } => rounds.saturating_mul(self.leaves_of_a_group()),
            _ => 1,
        };
        worst.exceptions.insert(exception);
        let mut all = self.longest(ways, header, &inside, worst)?.times(rounds);
        // Where a round begins with the look whether there is one, and does not end with it, there is one look more.
        let leaving = Part { leaving: true, ..inside };
        if let Some(last) = self.longest(ways, header, &leaving, worst) {
            all.add(&last);
        }
        Some(all)
    }
}
