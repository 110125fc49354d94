//! Measures one thing in a process of its own, and prints it as JSON: what `cargo xtask bench` shows is made of this.
//!
//! | arguments | what |
//! |---|---|
//! | `callbacks SCENARIO COUNT` | so many callbacks of every engine |
//! | `growth [quick]` | instructions, when something grows |
//! | `memory [NAME=TRACE ...]` | memory for traces |
//! | `counts [quick]` | single operations, in instructions |
//! | `ticks [quick]` | single operations, in time |

mod growth;
mod memory;
mod operations;

use detalloc_audio::{OnViolation, Routed};
use detalloc_benches::callback::{Run, Scenario, play};
use serde::Serialize;
use std::{alloc::System, env, error::Error, fs};

/// For the engine `detalloc-routed`; the others call their allocators themselves.
#[global_allocator]
static GLOBAL: Routed<System> = Routed::contain(System).on_violation(OnViolation::Count);

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["callbacks", scenario, callbacks] => {
            let scenario = Scenario::ALL.into_iter().find(|known| known.name() == scenario);
            let scenario = scenario.ok_or("no such scenario")?;
            Line::Callbacks(play(scenario, callbacks.parse()?)).print()
        }
        ["growth"] => growth::print(false),
        ["growth", "quick"] => growth::print(true),
        ["memory", ref files @ ..] => memory::print(files),
        ["resident", allocator, trace] => memory::print_resident(allocator, trace),
        ["counts"] => operations::print_counts(false),
        ["counts", "quick"] => operations::print_counts(true),
        ["ticks"] => operations::print_ticks(false),
        ["ticks", "quick"] => operations::print_ticks(true),
        _ => Err("see the documentation of this program for its arguments".into()),
    }
}

/// What is printed, one on a line.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Line {
    Callbacks(Run),
    Growth(growth::Point),
    Memory(memory::Taken),
    Operation(operations::Measured),
    Clock { tick_ns: f64 },
}

impl Line {
    fn print(&self) -> Result<(), Box<dyn Error>> {
        println!("{}", serde_json::to_string(self)?);
        Ok(())
    }
}

/// How much memory the process has, in bytes; 0 where the system does not say.
fn resident_bytes() -> u64 {
    const PAGE_BYTES: u64 = 4096;
    let pages = || fs::read_to_string("/proc/self/statm").ok()?.split(' ').nth(1)?.parse::<u64>().ok();
    pages().unwrap_or(0) * PAGE_BYTES
}
