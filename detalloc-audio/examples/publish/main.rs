//! Impulse responses that are swapped while they play.
//!
//! The control side makes an impulse response, with all the allocations that takes, and publishes it. The callback reads
//! the newest one wait-free, fades over to it in one block, and lets go of the old one, which is destroyed on the reaper.
//!
//! ```text
//! cargo run --release --example publish -- --wav rooms.wav
//! cargo run --release --example publish --features cpal -- --impulse hall.wav --impulse plate.wav
//! ```

#[path = "../common/mod.rs"]
mod common;
mod convolver;
mod rooms;
#[path = "../common/tape.rs"]
mod tape;

use clap::Parser;
use common::Stage;
use convolver::Convolver;
use detalloc_audio::{AudioBudget, Publish, RtHeap};
use std::{path::PathBuf, process::ExitCode};
use tape::Tape;

/// In debug builds, any use of the system heap in the callback aborts.
#[cfg(debug_assertions)]
#[global_allocator]
static GLOBAL: detalloc_audio::AllocDisabler = detalloc_audio::AllocDisabler;

/// Swap impulse responses while they play.
#[derive(Debug, Parser)]
struct Cli {
    /// A WAV to play into the rooms [default: a plucked phrase]
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// A WAV of an impulse response, of which the first 2048 frames count; may be given again [default: three made rooms]
    #[arg(long, value_name = "FILE")]
    impulse: Vec<PathBuf>,
    /// From one swap to the next, in seconds
    #[arg(long, default_value_t = 1.0, value_parser = every)]
    every: f64,
    #[command(flatten)]
    stage: common::Options,
}

fn every(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|seconds| (0.01..=60.0).contains(seconds)).ok_or("from 0.01 to 60".to_owned())
}

fn main() -> ExitCode {
    common::run(play)
}

fn play(cli: &Cli) -> Result<(), String> {
    let stage = Stage::open(&cli.stage, false)?;
    let tape = Tape::open(cli.input.as_deref(), stage.rate_hz)?;
    let mut rooms = rooms::from(&cli.impulse, stage.rate_hz)?;
    let room = Publish::new(rooms()).map_err(|error| format!("no reaper: {error}"))?;

    let mut heap = RtHeap::new();
    let budget =
        AudioBudget::new(stage.rate_hz.into(), stage.max_frames).slices::<f32>(stage.max_frames as usize, 2);
    heap.reconfigure(&budget).map_err(|error| error.to_string())?;
    let mut convolver = Convolver::new(tape, room.reader());
    let seconds = cli.stage.seconds.unwrap_or(8.0);
    let mut next = cli.every;
    stage.play(
        heap,
        seconds,
        move |rt, _, output| convolver.render(rt, output),
        move |now| {
            if now >= next {
                room.set(rooms());
                next += cli.every;
            }
            true
        },
    )
}
