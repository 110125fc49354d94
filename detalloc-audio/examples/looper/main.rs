//! A looper: what comes in becomes a layer of a loop, time and again, each over the ones before.
//!
//! Every layer is one pool buffer, an `RtVec` that is allocated in the callback in which its recording begins: in constant
//! time, however long the loop is. When the pools have none left, the oldest layer makes room.
//!
//! ```text
//! cargo run --release --example looper -- --seconds 20 --wav loop.wav
//! cargo run --release --example looper --features cpal -- --loop-seconds 4
//! ```

#[path = "../common/mod.rs"]
mod common;
mod engine;
#[path = "../common/tape.rs"]
mod tape;

use clap::Parser;
use common::{CHANNELS, Stage};
use detalloc_audio::{AudioBudget, RtHeap, RtVec};
use engine::Looper;
use std::{path::PathBuf, process::ExitCode};
use tape::Tape;

/// In debug builds, any use of the system heap in the callback aborts.
#[cfg(debug_assertions)]
#[global_allocator]
static GLOBAL: detalloc_audio::AllocDisabler = detalloc_audio::AllocDisabler;

/// Record what comes in, and layer it in a loop.
#[derive(Debug, Parser)]
struct Cli {
    /// A WAV to play into the looper [default: the device's input, and without one a plucked phrase]
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// The length of the loop
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=60))]
    loop_seconds: u16,
    /// How many layers there is room for
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=32))]
    layers: u16,
    #[command(flatten)]
    stage: common::Options,
}

fn main() -> ExitCode {
    common::run(play)
}

fn play(cli: &Cli) -> Result<(), String> {
    let stage = Stage::open(&cli.stage, cli.input.is_none())?;
    let tape = if cli.input.is_some() || !stage.listens() {
        Some(Tape::open(cli.input.as_deref(), stage.rate_hz)?)
    } else {
        None
    };
    let samples = stage.rate_hz as usize * usize::from(cli.loop_seconds) * CHANNELS;
    let layers = usize::from(cli.layers);
    let mut heap = RtHeap::new();
    let budget = AudioBudget::new(stage.rate_hz.into(), stage.max_frames)
        .slices::<f32>(samples, layers)
        .slices::<RtVec<f32>>(layers, 1);
    heap.reconfigure(&budget).map_err(|error| error.to_string())?;
    let list = heap.enter(|rt| rt.vec(layers)).map_err(|refusal| refusal.to_string())?;
    let mut looper = Looper::new(samples, list, stage.max_frames, tape);
    let seconds = cli.stage.seconds.unwrap_or(f64::from(cli.loop_seconds) * f64::from(cli.layers + 2));
    stage.play(heap, seconds, move |rt, input, output| looper.render(rt, input, output), |_| true)
}
