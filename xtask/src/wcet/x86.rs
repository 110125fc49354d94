//! x86-64.

use iced_x86::{
    Code, Decoder, DecoderOptions, FlowControl, InstructionInfoFactory, Mnemonic, OpAccess, OpKind, Register,
};

use super::instruction::{Flow, Instruction, Stack};

/// Decodes the instruction that begins these bytes. `linked` says where a place leads that the loader fills in once and for all.
pub fn decode(bytes: &[u8], address: u64, linked: impl Fn(u64) -> Option<u64>) -> Instruction {
    let x86 = Decoder::with_ip(64, bytes, address, DecoderOptions::NONE).decode();
    if x86.is_invalid() {
        return Instruction { flow: Flow::Undecodable, ..Instruction::plain(address, address + 1) };
    }
    let mut decoded = Instruction::plain(address, x86.next_ip());
    decoded.flow = match x86.flow_control() {
        _ if matches!(x86.mnemonic(), Mnemonic::Syscall | Mnemonic::Sysenter) => Flow::System,
        _ if matches!(x86.mnemonic(), Mnemonic::Ud2 | Mnemonic::Int3 | Mnemonic::Hlt) => Flow::Trap,
        FlowControl::Next => Flow::Next,
        FlowControl::ConditionalBranch => Flow::Branch(x86.near_branch_target()),
        FlowControl::UnconditionalBranch => Flow::Jump(x86.near_branch_target()),
        FlowControl::Call => Flow::Call(x86.near_branch_target()),
        FlowControl::Return => Flow::Return,
        FlowControl::IndirectBranch => place(&x86).and_then(linked).map_or(Flow::IndirectJump, Flow::Jump),
        FlowControl::IndirectCall => place(&x86).and_then(linked).map_or(Flow::IndirectCall, Flow::Call),
        FlowControl::Interrupt => Flow::System,
        FlowControl::Exception | FlowControl::XbeginXabortXend => Flow::Undecodable,
    };
    let mut factory = InstructionInfoFactory::new();
    let pushes = i64::from(x86.stack_pointer_increment());
    for memory in factory.info(&x86).used_memory() {
        use OpAccess::{CondRead, CondWrite, Read, ReadCondWrite, ReadWrite, Write};
        let (reads, writes) = match memory.access() {
            Read | CondRead => (1, 0),
            Write | CondWrite => (0, 1),
            ReadWrite | ReadCondWrite => (1, 1),
            _ => (0, 0),
        };
        decoded.loads += reads;
        decoded.stores += writes;
    }
    let exchanges_memory = x86.mnemonic() == Mnemonic::Xchg && decoded.stores > 0;
    decoded.atomics = u32::from(x86.has_lock_prefix() || exchanges_memory);
    decoded.divides = matches!(
        x86.mnemonic(),
        Mnemonic::Div
            | Mnemonic::Idiv
            | Mnemonic::Divss
            | Mnemonic::Divsd
            | Mnemonic::Divps
            | Mnemonic::Divpd
            | Mnemonic::Fdiv
    );
    decoded.repeats = x86.has_rep_prefix() && x86.is_string_instruction();
    decoded.stack = stack(&x86, pushes);
    decoded
}

/// The place that it reads where it leads to, if that is always the same.
fn place(x86: &iced_x86::Instruction) -> Option<u64> {
    x86.is_ip_rel_memory_operand().then(|| x86.ip_rel_memory_address())
}

fn stack(x86: &iced_x86::Instruction, pushes: i64) -> Stack {
    if pushes != 0 {
        return Stack::Moves(pushes);
    }
    let writes_it =
        x86.op_count() > 0 && x86.op0_kind() == OpKind::Register && x86.op0_register() == Register::RSP;
    if !writes_it || matches!(x86.mnemonic(), Mnemonic::Cmp | Mnemonic::Test) {
        // `leave` puts back what the prologue saved.
        return if x86.code() == Code::Leaveq { Stack::Sets } else { Stack::Moves(0) };
    }
    let is_immediate = |kind| {
        matches!(
            kind,
            OpKind::Immediate8to64 | OpKind::Immediate32to64 | OpKind::Immediate8 | OpKind::Immediate32
        )
    };
    match x86.mnemonic() {
        Mnemonic::Sub if is_immediate(x86.op1_kind()) => {
            Stack::Moves(x86.immediate(1).cast_signed().wrapping_neg())
        }
        Mnemonic::Add if is_immediate(x86.op1_kind()) => Stack::Moves(x86.immediate(1).cast_signed()),
        Mnemonic::And if is_immediate(x86.op1_kind()) => {
            Stack::Rounds(x86.immediate(1).cast_signed().wrapping_neg())
        }
        Mnemonic::Lea if x86.memory_base() == Register::RSP => {
            Stack::Moves(x86.memory_displacement64().cast_signed())
        }
        _ => Stack::Sets,
    }
}
