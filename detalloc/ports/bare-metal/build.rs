//! Where the board's memory lies, how much of it the region gets, and how fast its processor's timer goes.
//!
//! The board is the one that `BOARD` names, or else the usual one of the target: `netduinoplus2` (STM32F405: 1 MiB of
//! flash and 128 KiB of RAM), `microbit` (nRF51: 256 KiB and 16 KiB) or `virt` (RISC-V, of which 2 MiB are used).

use std::{env, error::Error, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-env-changed=BOARD");
    let target = env::var("TARGET")?;
    let usual = match target.split('-').next() {
        Some("thumbv6m") => "microbit",
        Some("riscv32imac") => "virt",
        _ => "netduinoplus2",
    };
    let board = env::var("BOARD").unwrap_or_else(|_| usual.to_owned());
    // The rest of the memory is for the stack and the statics. The timer's ticks are those of the 1,024 ns that the emulator
    // has an instruction take, at 168, 16 and 10 MHz.
    let (memory, region_kib, ticks) = match board.as_str() {
        "netduinoplus2" => {
            ("FLASH : ORIGIN = 0x08000000, LENGTH = 1M\nRAM : ORIGIN = 0x20000000, LENGTH = 128K", 104, 172)
        }
        "microbit" => ("FLASH : ORIGIN = 0, LENGTH = 256K\nRAM : ORIGIN = 0x20000000, LENGTH = 16K", 8, 16),
        "virt" => {
            ("FLASH : ORIGIN = 0x80000000, LENGTH = 1M\nRAM : ORIGIN = 0x80100000, LENGTH = 1M", 104, 10)
        }
        _ => return Err(format!("{board}: unknown board").into()),
    };
    let aliases = ["TEXT", "RODATA", "DATA", "BSS", "HEAP", "STACK"].map(|region| {
        let place = if matches!(region, "TEXT" | "RODATA") { "FLASH" } else { "RAM" };
        format!("REGION_ALIAS(\"REGION_{region}\", {place});\n")
    });
    let aliases = if board == "virt" { aliases.concat() } else { String::new() };
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("memory.x"), format!("MEMORY {{\n{memory}\n}}\n{aliases}"))?;
    println!("cargo::rustc-link-search={}", out.display());
    if board == "virt" {
        println!("cargo::rustc-link-arg-bins=-Tmemory.x");
    }
    println!("cargo::rustc-link-arg-bins=-Tlink.x");
    println!("cargo::rustc-env=BOARD={board}");
    println!("cargo::rustc-env=REGION_KIB={region_kib}");
    println!("cargo::rustc-env=TICKS_PER_INSTRUCTION={ticks}");
    Ok(())
}
