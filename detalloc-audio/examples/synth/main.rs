//! A polyphonic synthesizer: a MIDI file, the computer's keyboard, or a few chords of its own.
//!
//! Every voice is an `RtBox`. A note for which the pools have no block left steals the oldest voice: the refusal gives the
//! new voice back, and it moves in where the old one lived.
//!
//! ```text
//! cargo run --release --example synth -- --midi piece.mid --wav piece.wav
//! cargo run --release --example synth --features cpal
//! ```

#[path = "../common/mod.rs"]
mod common;
mod engine;
mod keys;
mod score;
mod voice;

use clap::Parser;
use common::{MAX_SECONDS, Stage};
use detalloc_audio::{AudioBudget, RtBox, RtHeap};
use engine::{Note, Synth};
use ringbuf::{HeapRb, traits::Split};
use std::{io::IsTerminal, path::PathBuf, process::ExitCode};
use voice::Voice;

/// In debug builds, any use of the system heap in the callback aborts.
#[cfg(debug_assertions)]
#[global_allocator]
static GLOBAL: detalloc_audio::AllocDisabler = detalloc_audio::AllocDisabler;

/// Play a polyphonic synthesizer whose voices live in pools.
#[derive(Debug, Parser)]
struct Cli {
    /// A standard MIDI file [default: the keyboard where there is one, and otherwise some chords]
    #[arg(long, value_name = "FILE")]
    midi: Option<PathBuf>,
    /// How many voices there is room for
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    voices: u16,
    #[command(flatten)]
    stage: common::Options,
}

/// Lets the last notes fade.
const TAIL_SECONDS: f64 = 1.0;

fn main() -> ExitCode {
    common::run(play)
}

fn play(cli: &Cli) -> Result<(), String> {
    let midi = cli.midi.as_deref().map(score::from_midi).transpose()?;
    let stage = Stage::open(&cli.stage, false)?;
    let (keys, pressed) = HeapRb::<Note>::new(64).split();
    let by_hand = midi.is_none() && stage.is_live && std::io::stdin().is_terminal();
    let keyboard = by_hand.then(|| keys::listen(keys));
    let score = match midi {
        Some(score) => score,
        None if by_hand => Vec::new(),
        None => score::chords(),
    };
    let end = score.last().map_or(MAX_SECONDS, |last| last.0 + TAIL_SECONDS);
    let seconds = cli.stage.seconds.unwrap_or(end.min(MAX_SECONDS));

    let voices = usize::from(cli.voices);
    let mut heap = RtHeap::new();
    let budget = AudioBudget::new(stage.rate_hz.into(), stage.max_frames)
        .objects::<Voice>(voices)
        .slices::<RtBox<Voice>>(voices, 1);
    heap.reconfigure(&budget).map_err(|error| error.to_string())?;
    let list = heap.enter(|rt| rt.vec(voices)).map_err(|refusal| refusal.to_string())?;
    let mut synth = Synth::new(stage.rate_hz, list, score, pressed);
    stage.play(
        heap,
        seconds,
        move |rt, _, output| synth.render(rt, output),
        |_| keyboard.as_ref().is_none_or(|keyboard| !keyboard.wants_to_stop()),
    )
}
