//! AArch64 and Thumb-2, by capstone, which has to see a whole function at once: whether an instruction of Thumb is conditional
//! is said by one before it.

use std::collections::BTreeMap;

use capstone::arch::ArchDetail;
use capstone::arch::arm::ArmCC;
use capstone::prelude::*;

use super::instruction::{Flow, Instruction, Stack};

/// Decodes a stretch of AArch64 code.
///
/// # Errors
///
/// Capstone's.
pub fn decode_a64(bytes: &[u8], address: u64) -> Result<BTreeMap<u64, Instruction>, capstone::Error> {
    let capstone = Capstone::new().arm64().mode(arch::arm64::ArchMode::Arm).detail(true).build()?;
    decode(&capstone, bytes, address, |instruction, decoded| {
        a64(instruction.mnemonic, instruction.operands, decoded)
    })
}

/// Decodes a stretch of Thumb-2 code.
///
/// # Errors
///
/// Capstone's.
pub fn decode_t32(bytes: &[u8], address: u64) -> Result<BTreeMap<u64, Instruction>, capstone::Error> {
    let capstone = Capstone::new()
        .arm()
        .mode(arch::arm::ArchMode::Thumb)
        .extra_mode(std::iter::once(arch::arm::ArchExtraMode::MClass))
        .detail(true)
        .build()?;
    decode(&capstone, bytes, address, t32)
}

/// An instruction in words.
struct Words<'a> {
    mnemonic: &'a str,
    operands: &'a str,
    is_conditional: bool,
}

fn decode(
    capstone: &Capstone,
    bytes: &[u8],
    address: u64,
    classify: impl Fn(&Words<'_>, &mut Instruction),
) -> Result<BTreeMap<u64, Instruction>, capstone::Error> {
    let mut decoded = BTreeMap::new();
    for instruction in capstone.disasm_all(bytes, address)?.iter() {
        let detail = capstone.insn_detail(instruction)?;
        let is_conditional = match detail.arch_detail() {
            ArchDetail::ArmDetail(detail) => !matches!(detail.cc(), ArmCC::ARM_CC_AL | ArmCC::ARM_CC_INVALID),
            _ => false,
        };
        let length = u64::try_from(instruction.len()).unwrap_or(1);
        let mut plain = Instruction::plain(instruction.address(), instruction.address() + length);
        classify(
            &Words {
                mnemonic: instruction.mnemonic().unwrap_or_default(),
                operands: instruction.op_str().unwrap_or_default(),
                is_conditional,
            },
            &mut plain,
        );
        decoded.insert(plain.address, plain);
    }
    Ok(decoded)
}

/// The number behind the last `#`: where a branch leads.
fn last_number(operands: &str) -> Option<u64> {
    number(operands.rsplit_once('#')?.1)?.try_into().ok()
}

/// `0x30`, `-0x30]!` or `48`.
fn number(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let end = digits.find(|letter: char| !letter.is_ascii_alphanumeric()).unwrap_or(digits.len());
    let value = match digits[..end].strip_prefix("0x") {
        Some(hex) => i64::from_str_radix(hex, 16).ok()?,
        None => digits[..end].parse().ok()?,
    };
    Some(if negative { -value } else { value })
}

fn to(target: Option<u64>, flow: impl FnOnce(u64) -> Flow) -> Flow {
    target.map_or(Flow::Undecodable, flow)
}

fn a64(mnemonic: &str, operands: &str, decoded: &mut Instruction) {
    let target = last_number(operands);
    decoded.flow = match mnemonic {
        "b" => to(target, Flow::Jump),
        "cbz" | "cbnz" | "tbz" | "tbnz" => to(target, Flow::Branch),
        "bl" => to(target, Flow::Call),
        "br" | "braa" | "brab" => Flow::IndirectJump,
        "blr" | "blraa" | "blrab" => Flow::IndirectCall,
        "ret" | "retaa" | "retab" => Flow::Return,
        "brk" | "udf" | "hlt" => Flow::Trap,
        "svc" | "hvc" | "smc" => Flow::System,
        _ if mnemonic.starts_with("b.") => to(target, Flow::Branch),
        _ => Flow::Next,
    };
    let begins = |with: &[&str]| with.iter().any(|start| mnemonic.starts_with(start));
    let pair = if begins(&["ldp", "stp", "ldnp", "stnp", "ldpsw", "ldxp", "stxp", "ldaxp", "stlxp"]) {
        2
    } else {
        1
    };
    // With the large system extensions; the others come in loops.
    let one_go =
        begins(&["swp", "cas", "ldadd", "ldset", "ldclr", "ldeor", "ldsmax", "ldsmin", "ldumax", "ldumin"])
            || begins(&["stadd", "stset", "stclr", "steor"]);
    let exclusive = begins(&["ldxr", "ldaxr", "stxr", "stlxr", "ldxp", "ldaxp", "stxp", "stlxp"]);
    decoded.atomics = u32::from(one_go || exclusive);
    decoded.exclusive = exclusive;
    decoded.loads = if one_go {
        1
    } else if begins(&["ld"]) {
        pair
    } else {
        0
    };
    decoded.stores = if one_go {
        1
    } else if begins(&["st"]) {
        pair
    } else {
        0
    };
    decoded.divides = begins(&["udiv", "sdiv", "fdiv"]);
    decoded.stack = a64_stack(mnemonic, operands);
}

fn a64_stack(mnemonic: &str, operands: &str) -> Stack {
    let behind_hash = |text: &str| text.split_once('#').and_then(|(_, text)| number(text));
    if let Some((_, address)) = operands.split_once("[sp") {
        // Before: `[sp, #-0x20]!`; behind: `[sp], #0x20`.
        let moves = address.ends_with('!') || address.starts_with(']') && address.contains('#');
        return Stack::Moves(if moves { behind_hash(address).unwrap_or(0) } else { 0 });
    }
    match (mnemonic, operands.strip_prefix("sp, ")) {
        ("sub" | "add", Some(rest)) if rest.starts_with("sp, #") => {
            let shift = if rest.contains("lsl #12") { 12 } else { 0 };
            match behind_hash(rest) {
                Some(bytes) if mnemonic == "sub" => Stack::Moves(-(bytes << shift)),
                Some(bytes) => Stack::Moves(bytes << shift),
                None => Stack::Sets,
            }
        }
        ("and", Some(rest)) => {
            let mask = behind_hash(rest).unwrap_or(-16);
            Stack::Rounds(mask.wrapping_neg())
        }
        // Comparing reads it only.
        ("cmp" | "cmn" | "str" | "stur", _) | (_, None) => Stack::Moves(0),
        (_, Some(_)) => Stack::Sets,
    }
}

fn t32(words: &Words<'_>, decoded: &mut Instruction) {
    let Words { mnemonic, operands, is_conditional } = *words;
    let name = mnemonic.split('.').next().unwrap_or_default();
    let begins = |with: &[&str]| with.iter().any(|start| name.starts_with(start));
    let target = last_number(operands);
    let registers = || match operands.split_once('{') {
        Some((_, list)) => u32::try_from(list.split(',').count()).unwrap_or(1),
        None => 1,
    };
    let is_branch =
        name == "b" || name.len() == 3 && name.starts_with('b') && !matches!(name, "bic" | "bfc" | "bfi");
    let loads_counter =
        begins(&["ldr", "ldm", "pop"]) && (operands.starts_with("pc,") || operands.ends_with("pc}"));
    decoded.flow = match name {
        "cbz" | "cbnz" => to(target, Flow::Branch),
        "blx" if !operands.starts_with('#') => Flow::IndirectCall,
        _ if begins(&["bl"]) && operands.starts_with('#') && !is_branch => to(target, Flow::Call),
        "bl" => to(target, Flow::Call),
        "tbb" | "tbh" => Flow::IndirectJump,
        "udf" | "bkpt" => Flow::Trap,
        "svc" => Flow::System,
        _ if begins(&["bx"]) && operands == "lr" || loads_counter && begins(&["pop", "ldm"]) => {
            if is_conditional {
                Flow::ConditionalReturn
            } else {
                Flow::Return
            }
        }
        _ if begins(&["bx"]) || loads_counter || begins(&["mov"]) && operands.starts_with("pc,") => {
            Flow::IndirectJump
        }
        _ if is_branch && operands.starts_with('#') => {
            to(target, if is_conditional || name != "b" { Flow::Branch } else { Flow::Jump })
        }
        _ => Flow::Next,
    };
    let exclusive = begins(&["ldrex", "strex", "ldaex", "stlex"]);
    let pair = if begins(&["ldrd", "strd"]) { 2 } else { 1 };
    decoded.atomics = u32::from(exclusive);
    decoded.exclusive = exclusive;
    decoded.loads = if begins(&["pop", "ldm", "vldm", "vpop"]) {
        registers()
    } else if begins(&["ldr", "lda", "vldr"]) {
        pair
    } else {
        0
    };
    decoded.stores = if begins(&["push", "stm", "vstm", "vpush"]) {
        registers()
    } else if begins(&["str", "stl", "vstr"]) {
        pair
    } else {
        0
    };
    decoded.divides = begins(&["udiv", "sdiv", "vdiv"]);
    let words = i64::from(registers()) * 4;
    let behind_hash = |text: &str| text.rsplit_once('#').and_then(|(_, text)| number(text));
    decoded.stack = match name {
        "push" => Stack::Moves(-words),
        "pop" => Stack::Moves(words),
        "vpush" => Stack::Moves(-2 * words),
        "vpop" => Stack::Moves(2 * words),
        _ if begins(&["stmdb"]) && operands.starts_with("sp!") => Stack::Moves(-words),
        _ if begins(&["ldm"]) && operands.starts_with("sp!") => Stack::Moves(words),
        _ if begins(&["sub"]) && operands.starts_with("sp,") => {
            behind_hash(operands).map_or(Stack::Sets, |bytes| Stack::Moves(-bytes))
        }
        _ if begins(&["add"]) && operands.starts_with("sp,") => {
            behind_hash(operands).map_or(Stack::Sets, Stack::Moves)
        }
        _ if operands.contains("[sp") && operands.ends_with('!') => {
            Stack::Moves(behind_hash(operands).unwrap_or(0))
        }
        _ if operands.contains("[sp], #") => Stack::Moves(behind_hash(operands).unwrap_or(0)),
        _ if begins(&["mov"]) && operands.starts_with("sp,") => Stack::Sets,
        _ => Stack::Moves(0),
    };
}
