//! What the examples share: their options, the stage they play on, and what they say at the end.

#[cfg(feature = "cpal")]
mod card;
mod headless;
mod tally;
mod wav;

use clap::{Args, Parser};
use detalloc_audio::{Rt, RtHeap, adapter::Watch};
use std::{fmt::Display, path::PathBuf, process::ExitCode};
use tally::{Tally, WARM_UP};

/// Every example plays in stereo, interleaved; a sound card may have other ideas.
pub const CHANNELS: usize = 2;

/// Where and how to play.
#[derive(Args, Debug)]
pub struct Options {
    /// The audio system, such as alsa or jack [default: the one the system prefers]
    #[arg(long)]
    pub host: Option<String>,
    /// The device to play on, by its name or id [default: the one the system prefers]
    #[arg(long)]
    pub device: Option<String>,
    /// Frames per callback
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..=8192))]
    pub block: u32,
    /// Sample rate in Hz [default: the device's, and 48000 without one]
    #[arg(long, value_name = "HZ", value_parser = clap::value_parser!(u32).range(8_000..=192_000))]
    pub rate: Option<u32>,
    /// How long to play, more than 0 and up to 600 [default: as long as there is something to play]
    #[arg(long, allow_negative_numbers = true, value_parser = seconds)]
    pub seconds: Option<f64>,
    /// Play on no device, as fast as it goes, and write this WAV (32-bit float)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["host", "device"])]
    pub wav: Option<PathBuf>,
    /// Without a device: keep time as one would, instead of going as fast as it goes
    #[arg(long)]
    pub paced: bool,
    /// Play on no device so many callbacks that may make no system call, and end: status 0, or killed by the kernel at the
    /// first (Linux)
    #[arg(long, value_name = "CALLBACKS", conflicts_with_all = ["host", "device", "wav", "paced", "seconds"])]
    pub silent: Option<usize>,
}

/// The longest performance; a WAV of it is kept in memory.
pub const MAX_SECONDS: f64 = 600.0;

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if seconds > 0.0 && seconds <= MAX_SECONDS => Ok(seconds),
        Ok(seconds) => Err(format!("{seconds} is not in 0..={MAX_SECONDS}, 0 excluded")),
        Err(_) => Err("not a number of seconds".to_owned()),
    }
}

/// Runs an example's `main`: one line for what went wrong, and status 2.
pub fn run<P: Parser>(perform: impl FnOnce(&P) -> Result<(), String>) -> ExitCode {
    match perform(&P::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

/// Where an example plays: on a sound card, or on none.
pub struct Stage {
    pub rate_hz: u32,
    pub max_frames: u32,
    /// There is somebody who listens while it plays.
    #[allow(dead_code, reason = "not every example asks")]
    pub is_live: bool,
    place: Place,
}

enum Place {
    Headless {
        wav: Option<PathBuf>,
        paced: bool,
        silent: Option<usize>,
    },
    #[cfg(feature = "cpal")]
    Card(Box<card::Card>),
}

impl Stage {
    /// The device that the options ask for. Without one, and unless they ask for a certain one, no device.
    pub fn open(options: &Options, with_input: bool) -> Result<Self, String> {
        if options.wav.is_none() && options.silent.is_none() {
            match card(options, with_input) {
                Ok(stage) => return Ok(stage),
                Err(why) if options.host.is_some() || options.device.is_some() => return Err(why),
                Err(why) => println!("{why}: playing without a device; --wav FILE writes what it would play"),
            }
        }
        Ok(Self {
            rate_hz: options.rate.unwrap_or(48_000),
            max_frames: options.block,
            is_live: options.paced,
            place: Place::Headless { wav: options.wav.clone(), paced: options.paced, silent: options.silent },
        })
    }

    /// Whether what comes in is more than silence.
    #[allow(dead_code, reason = "not every example asks")]
    pub fn listens(&self) -> bool {
        match &self.place {
            Place::Headless { .. } => false,
            #[cfg(feature = "cpal")]
            Place::Card(card) => card.listens(),
        }
    }

    /// Plays, and says what the audio side did. `render` gets what comes in (silence without a device), and adds to what
    /// goes out; `control` runs on this thread some hundred times a second of audio, with the time in seconds, until it
    /// has had enough.
    pub fn play(
        self,
        heap: RtHeap,
        seconds: f64,
        render: impl FnMut(&Rt<'_>, &[f32], &mut [f32]) + Send + 'static,
        control: impl FnMut(f64) -> bool,
    ) -> Result<(), String> {
        let meter = heap.meter().ok_or("the heap has no memory")?;
        let tally = Tally::default();
        let watch = match self.place {
            Place::Headless { silent: Some(callbacks), .. } => {
                return Err(headless::silent(&self, heap, callbacks, render, control));
            }
            Place::Headless { ref wav, paced, .. } => {
                let (watch, played) = headless::play(&self, heap, seconds, &tally, paced, render, control)?;
                if let Some(path) = wav {
                    wav::write(path, self.rate_hz, &played)?;
                }
                watch
            }
            #[cfg(feature = "cpal")]
            Place::Card(ref card) => card.play(&self, heap, seconds, &tally, render, control)?,
        };
        self.report(&watch, &meter, &tally)
    }

    fn report(&self, watch: &Watch, meter: &detalloc_audio::Meter, tally: &Tally) -> Result<(), String> {
        let line = |what: &str, figure: &dyn Display| println!("{what:<14}{figure}");
        let snapshot = meter.snapshot();
        line("callbacks", &watch.callbacks());
        line("misses", &snapshot.callbacks.missed);
        line("refusals", &snapshot.refused);
        line("containments", &snapshot.contained);
        line("uncontained", &snapshot.uncontained);
        let faults = tally.faults().map(|faults| format!("{faults} (after the first {WARM_UP} callbacks)"));
        line("page faults", &faults.as_deref().unwrap_or("not checked"));
        if watch.panicked() { Err("the audio callback panicked".to_owned()) } else { Ok(()) }
    }
}

#[cfg(feature = "cpal")]
fn card(options: &Options, with_input: bool) -> Result<Stage, String> {
    let card = card::Card::open(options, with_input)?;
    let (rate_hz, max_frames) = (card.rate_hz(), options.block);
    Ok(Stage { rate_hz, max_frames, is_live: true, place: Place::Card(Box::new(card)) })
}

#[cfg(not(feature = "cpal"))]
fn card(_: &Options, _: bool) -> Result<Stage, String> {
    Err("built without --features cpal".to_owned())
}
