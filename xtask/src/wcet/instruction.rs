//! One instruction, whatever the processor: where it leads, and what it costs.

/// Where an instruction leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// To the next one.
    Next,
    /// Here or to the next one.
    Branch(u64),
    /// Here.
    Jump(u64),
    /// Into this function, and then to the next one.
    Call(u64),
    /// Back.
    Return,
    /// Back or to the next one.
    ConditionalReturn,
    /// Nowhere: it ends the program.
    Trap,
    /// Into the kernel, and then to the next one.
    System,
    /// Wherever a register says.
    IndirectJump,
    /// Into the function that a register or memory says.
    IndirectCall,
    /// Nobody knows.
    Undecodable,
}

/// What an instruction does to the stack pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stack {
    /// Moves it: less than 0 takes memory, in bytes.
    Moves(i64),
    /// Rounds it down: takes less than this.
    Rounds(i64),
    /// Puts back what it was at some time, or something else.
    Sets,
}

/// One instruction.
#[derive(Clone, Copy, Debug)]
pub struct Instruction {
    /// Where it is.
    pub address: u64,
    /// Where the next one is.
    pub next: u64,
    /// Where it leads.
    pub flow: Flow,
    /// How often it reads memory.
    pub loads: u32,
    /// How often it writes memory.
    pub stores: u32,
    /// How often it does so as one with other processors.
    pub atomics: u32,
    /// Whether it is half of an exchange that takes two.
    pub exclusive: bool,
    /// Whether it divides, which takes a time that depends on the numbers.
    pub divides: bool,
    /// Whether it repeats itself a number of times that a register says.
    pub repeats: bool,
    /// What it does to the stack pointer.
    pub stack: Stack,
}

impl Instruction {
    /// One that only goes on.
    pub fn plain(address: u64, next: u64) -> Self {
        Instruction {
            address,
            next,
            flow: Flow::Next,
            loads: 0,
            stores: 0,
            atomics: 0,
            exclusive: false,
            divides: false,
            repeats: false,
            stack: Stack::Moves(0),
        }
    }
}
