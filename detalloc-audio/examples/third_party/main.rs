//! Somebody else's crate that allocates in the callback, contained.
//!
//! The effect makes a robot of what it hears, with realfft: its convenient `process` makes scratch space on every call, and
//! `make_output_vec` is what it says. Under `Routed` all of them come from this heap's pools, and the system heap is never
//! touched. The budget says how large they are; a recording of a session would say it too.
//!
//! ```text
//! cargo run --release --example third_party -- --wav robot.wav
//! ```

#[path = "../common/mod.rs"]
mod common;
mod robot;
#[path = "../common/tape.rs"]
mod tape;

use clap::Parser;
use common::Stage;
use detalloc_audio::{AudioBudget, Inner, Routed, RtHeap};
use robot::{FRAMES, Robot};
use std::{path::PathBuf, process::ExitCode};
use tape::Tape;

/// Everything that any crate allocates in a callback comes from the callback's heap.
#[global_allocator]
static GLOBAL: Routed = Routed::contain(Inner);

/// Make a robot with a crate that allocates in the callback.
#[derive(Debug, Parser)]
struct Cli {
    /// A WAV to play into the effect [default: a plucked phrase]
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    #[command(flatten)]
    stage: common::Options,
}

fn main() -> ExitCode {
    common::run(play)
}

fn play(cli: &Cli) -> Result<(), String> {
    let stage = Stage::open(&cli.stage, false)?;
    let tape = Tape::open(cli.input.as_deref(), stage.rate_hz)?;
    let mut heap = RtHeap::new();
    // What is alive at once: a windowed frame, its spectrum, and scratch space for one transform. In a debug build, what
    // is missing here ends the program with its size and the stack of the call.
    let budget = AudioBudget::new(stage.rate_hz.into(), stage.max_frames)
        .slices::<f32>(FRAMES, 1)
        .slices::<[f32; 2]>(FRAMES / 2 + 1, 1)
        .slices::<[f32; 2]>(2 * FRAMES, 1);
    heap.reconfigure(&budget).map_err(|error| error.to_string())?;
    let mut robot = Robot::new(tape);
    let seconds = cli.stage.seconds.unwrap_or(8.0);
    stage.play(heap, seconds, move |_, _, output| robot.render(output), |_| true)
}
