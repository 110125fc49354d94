//! The control-flow graph of a function, and its longest path.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::components::{Part, Ways};
use super::image::Image;
use super::instruction::{Flow, Instruction, Stack};
use super::source::{Exception, Kind, Source};

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
    /// Where the blocks of all its functions begin.
    pub blocks: BTreeSet<u64>,
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
    fn add(&mut self, other: &Path) {
        self.instructions += other.instructions;
        self.loads += other.loads;
        self.stores += other.stores;
        self.atomics += other.atomics;
        self.blocks.extend(&other.blocks);
    }

    fn times(&self, rounds: u64) -> Path {
        Path {
            instructions: self.instructions * rounds,
            loads: self.loads * rounds,
            stores: self.stores * rounds,
            atomics: self.atomics * rounds,
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

/// Takes functions apart, each once.
pub struct Analysis<'a> {
    image: &'a mut Image,
    source: &'a Source,
    known: HashMap<u64, Worst>,
    /// The functions on the way to this one.
    open: Vec<u64>,
}

impl<'a> Analysis<'a> {
    /// Of the functions of this program.
    pub fn new(image: &'a mut Image, source: &'a Source) -> Self {
        Analysis { image, source, known: HashMap::new(), open: Vec::new() }
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
        worst.blocks = blocks.keys().copied().collect();
        let own: BTreeMap<u64, Option<Path>> =
            blocks.iter().map(|(&start, block)| (start, self.cost(start, block, &mut worst))).collect();
        worst.stack_bytes += self.depth(entry, &blocks, &mut worst);
        let ways = Ways { blocks: &blocks, own: &own };
        let all = blocks.keys().copied().collect();
        worst.path = self.longest(&ways, entry, &Part { among: &all, header: None }, &mut worst);
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

    /// All rounds of a loop: the longest way through it, as often as the exception says.
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
        let inside = Part { among: component, header: Some(header) };
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
        let rounds = if let Kind::Loop(rounds) = exception.kind { rounds } else { 1 };
        worst.exceptions.insert(exception);
        self.longest(ways, header, &inside, worst).map(|path| path.times(rounds))
    }
}

/// Whether a loop is nothing but an exchange: it reads exclusively, writes exclusively, and goes on until nobody came between.
fn is_exchange(instructions: &[Instruction]) -> bool {
    const MOST: usize = 8;
    let of_memory: Vec<_> = instructions.iter().filter(|one| one.loads + one.stores > 0).collect();
    let calls = instructions.iter().any(|one| matches!(one.flow, Flow::Call(_) | Flow::IndirectCall));
    instructions.len() <= MOST
        && !calls
        && of_memory.len() == 2
        && of_memory.iter().all(|one| one.exclusive)
        && of_memory.iter().any(|one| one.loads > 0)
        && of_memory.iter().any(|one| one.stores > 0)
}

/// Functions that end the program, or begin to.
fn is_end(name: &str) -> bool {
    [
        "core::panicking",
        "core::option::unwrap_failed",
        "core::option::expect_failed",
        "core::result::unwrap_failed",
        "core::cell::panic",
        "core::slice::index",
        "core::str::slice_error",
        "std::process::abort",
        "std::panicking",
        "std::rt::",
        "core::fmt",
        "alloc::fmt",
        "alloc::alloc::handle_alloc_error",
        "alloc::raw_vec",
        "rust_begin_unwind",
        "__rustc::rust_begin_unwind",
        "_Unwind_Resume",
        "abort",
    ]
    .iter()
    .any(|end| name.starts_with(end))
}
