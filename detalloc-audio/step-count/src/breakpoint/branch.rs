//! Branches: performed by the handler instead of the processor.

use iced_x86::{ConditionCode, FlowControl, Instruction, Mnemonic, OpKind, Register};

/// The registers of the code that is counted.
pub(super) struct Registers<'a>(pub(super) &'a mut [libc::greg_t; 23]);

impl Registers<'_> {
    pub(super) fn instruction_pointer(&self) -> u64 {
        self.get(libc::REG_RIP)
    }

    pub(super) fn set_instruction_pointer(&mut self, address: u64) {
        self.set(libc::REG_RIP, address);
    }

    /// Whether the processor traps after the next instruction.
    pub(super) fn set_single_step(&mut self, on: bool) {
        const TRAP_FLAG: u64 = 1 << 8;
        let flags = self.get(libc::REG_EFL) & !TRAP_FLAG;
        self.set(libc::REG_EFL, flags | if on { TRAP_FLAG } else { 0 });
    }

    /// Does what the branch does, but for going there: where it leads. `None` is one that cannot be followed.
    ///
    /// # Safety
    /// The processor was about to execute it.
    pub(super) unsafe fn perform(&mut self, branch: &Instruction) -> Option<u64> {
        let stack = self.get(libc::REG_RSP);
        match branch.flow_control() {
            FlowControl::UnconditionalBranch => Some(branch.near_branch_target()),
            FlowControl::ConditionalBranch => {
                let taken = self.takes(branch)?;
                Some(if taken { branch.near_branch_target() } else { branch.next_ip() })
            }
            // SAFETY: the processor would read from there.
            FlowControl::IndirectBranch => unsafe { self.operand(branch) },
            FlowControl::Call | FlowControl::IndirectCall => {
                // SAFETY: the processor would read from there and write below the stack pointer.
                unsafe {
                    let target = if branch.op0_kind() == OpKind::NearBranch64 {
                        branch.near_branch_target()
                    } else {
                        self.operand(branch)?
                    };
                    ((stack - 8) as *mut u64).write(branch.next_ip());
                    self.set(libc::REG_RSP, stack - 8);
                    Some(target)
                }
            }
            FlowControl::Return => {
                let extra = if branch.op_count() == 1 { u64::from(branch.immediate16()) } else { 0 };
                self.set(libc::REG_RSP, stack + 8 + extra);
                // SAFETY: the processor would read from there.
                Some(unsafe { (stack as *const u64).read() })
            }
            _ => None,
        }
    }

    /// Whether a conditional branch is taken.
    fn takes(&mut self, branch: &Instruction) -> Option<bool> {
        let flags = self.get(libc::REG_EFL);
        let flag = |bit: u32| flags & 1 << bit != 0;
        let (carry, parity, zero, sign, overflow) = (flag(0), flag(2), flag(6), flag(7), flag(11));
        Some(match branch.condition_code() {
            ConditionCode::o => overflow,
            ConditionCode::no => !overflow,
            ConditionCode::b => carry,
            ConditionCode::ae => !carry,
            ConditionCode::e => zero,
            ConditionCode::ne => !zero,
            ConditionCode::be => carry || zero,
            ConditionCode::a => !carry && !zero,
            ConditionCode::s => sign,
            ConditionCode::ns => !sign,
            ConditionCode::p => parity,
            ConditionCode::np => !parity,
            ConditionCode::l => sign != overflow,
            ConditionCode::ge => sign == overflow,
            ConditionCode::le => zero || sign != overflow,
            ConditionCode::g => !zero && sign == overflow,
            ConditionCode::None if branch.mnemonic() == Mnemonic::Jrcxz => self.get(libc::REG_RCX) == 0,
            _ => return None,
        })
    }

    /// The value of the operand of an indirect branch.
    ///
    /// # Safety
    /// The processor was about to read it.
    unsafe fn operand(&self, branch: &Instruction) -> Option<u64> {
        match branch.op0_kind() {
            OpKind::Register => self.named(branch.op0_register()),
            OpKind::Memory => {
                // A segment other than these has its base in no register that is at hand.
                if matches!(branch.memory_segment(), Register::FS | Register::GS) {
                    return None;
                }
                let address = branch.virtual_address(0, 0, |register, _, _| match register {
                    Register::CS | Register::DS | Register::ES | Register::SS => Some(0),
                    _ => self.named(register),
                })?;
                // SAFETY: the caller says so.
                Some(unsafe { (address as *const u64).read_unaligned() })
            }
            _ => None,
        }
    }

    fn named(&self, register: Register) -> Option<u64> {
        let index = match register {
            Register::RAX => libc::REG_RAX,
            Register::RBX => libc::REG_RBX,
            Register::RCX => libc::REG_RCX,
            Register::RDX => libc::REG_RDX,
            Register::RSI => libc::REG_RSI,
            Register::RDI => libc::REG_RDI,
            Register::RBP => libc::REG_RBP,
            Register::RSP => libc::REG_RSP,
            Register::R8 => libc::REG_R8,
            Register::R9 => libc::REG_R9,
            Register::R10 => libc::REG_R10,
            Register::R11 => libc::REG_R11,
            Register::R12 => libc::REG_R12,
            Register::R13 => libc::REG_R13,
            Register::R14 => libc::REG_R14,
            Register::R15 => libc::REG_R15,
            _ => return None,
        };
        Some(self.get(index))
    }

    fn get(&self, index: libc::c_int) -> u64 {
        u64::from_ne_bytes(self.0[usize::try_from(index).unwrap_or(0)].to_ne_bytes())
    }

    fn set(&mut self, index: libc::c_int, value: u64) {
        self.0[usize::try_from(index).unwrap_or(0)] = i64::from_ne_bytes(value.to_ne_bytes());
    }
}
