//! Stretches of code without a branch.

use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic};
use std::slice;

/// The longest instruction, in bytes.
const LONGEST: usize = 15;

const PAGE_BYTES: u64 = 4096;

/// How many stretches are remembered: a power of two. Those of one allocator are some hundreds.
const REMEMBERED: usize = 1 << 13;

/// Instructions one after the other, of which only the last one is a branch.
#[derive(Clone, Copy, Default)]
pub(super) struct Block {
    pub(super) start: u64,
    /// How many there are, with the branch.
    pub(super) instructions: u64,
    pub(super) branch: Instruction,
    /// Whether the branch may be written over. The code that the kernel lends to every process may not.
    pub(super) is_writable: bool,
}

impl Block {
    /// Where the branch is.
    pub(super) fn branch_address(&self) -> u64 {
        self.branch.ip()
    }

    /// Decodes from an address to the next branch, and makes the page of the branch writable if it can be.
    fn decode(start: u64) -> Self {
        let mut address = start;
        let mut instructions = 0;
        loop {
            // SAFETY: the processor is about to run this code; the decoder reads no further than the instruction, and no
            // breakpoint stands.
            let code = unsafe { slice::from_raw_parts(address as *const u8, LONGEST) };
            let branch = Decoder::with_ip(64, code, address, DecoderOptions::NONE).decode();
            instructions += 1;
            // A system call goes on behind itself.
            if branch.flow_control() == FlowControl::Next || branch.mnemonic() == Mnemonic::Syscall {
                address = branch.next_ip();
                continue;
            }
            let page = address & !(PAGE_BYTES - 1);
            let all = libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC;
            // SAFETY: the page of code that is about to run.
            let is_writable = unsafe { libc::mprotect(page as *mut libc::c_void, 4096, all) } == 0;
            return Self { start, instructions, branch, is_writable };
        }
    }
}

/// Which stretches have run since somebody asked last: from the first to the last instruction. As long as there is room: a set
/// that is full forgets what comes.
pub(super) struct Ran(Box<[(u64, u64)]>);

impl Ran {
    pub(super) fn new() -> Self {
        Self(vec![(0, 0); REMEMBERED].into_boxed_slice())
    }

    /// Notes a stretch. Constant on average; without allocating.
    pub(super) fn note(&mut self, block: &Block) {
        let first = place_of(block.start);
        for probe in 0..self.0.len() {
            let place = &mut self.0[(first + probe) % REMEMBERED];
            if place.0 == 0 {
                *place = (block.start, block.branch_address());
                return;
            }
            if place.0 == block.start {
                return;
            }
        }
    }

    /// All of them, and forgets them.
    pub(super) fn take(&mut self) -> Vec<(u64, u64)> {
        let taken = self.0.iter().copied().filter(|&(start, _)| start != 0).collect();
        self.0.fill((0, 0));
        taken
    }
}

/// Where a stretch is looked for first.
fn place_of(start: u64) -> usize {
    let hash = start.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (u64::BITS - REMEMBERED.trailing_zeros());
    usize::try_from(hash).unwrap_or(0)
}

/// The stretches that have run, so that each is decoded once. Nothing is allocated after the start: what is counted may be
/// the system heap.
pub(super) struct Blocks(pub(super) Box<[Block]>);

impl Blocks {
    pub(super) fn new() -> Self {
        Self(vec![Block::default(); REMEMBERED].into_boxed_slice())
    }

    /// The stretch that begins at an address. Of two that share a place, the later one has it.
    pub(super) fn beginning(&mut self, start: u64) -> Block {
        let place = &mut self.0[place_of(start)];
        if place.start != start {
            *place = Block::decode(start);
        }
        *place
    }
}
