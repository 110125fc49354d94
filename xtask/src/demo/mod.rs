//! `demo`: the main job. Plays MIDI over audio through the release bundles, CLAP and VST3, with in-process hosts, and
//! ends in the figures that this project is about.
//!
//! All input is read and all output places are checked before anything is built or rendered. Files appear whole or
//! not at all.

mod input;
mod movement;
mod pluck;
mod render;
mod report;
mod score;
mod table;

use std::path::{Path, PathBuf};
use std::process::Command;

use indicatif::{ProgressBar, ProgressStyle};

use crate::bundle::bundle;
use crate::cli::{DemoArgs, MAX_SECONDS, Source};
use crate::failure::Failure;
use crate::host::{Config, Format};
use crate::json::Json;
use crate::number;
use crate::output::{Output, with_format};
use crate::workspace::Workspace;

use input::Input;
pub use render::sample_state;
use render::{Performance, Render, render};
use report::Report;
use score::Score;

/// The plugin that is played.
const PLUGIN: &str = "graincloud";

/// Seconds after the last note, for grains and feedback to fade.
const TAIL_SECONDS: f64 = 4.0;

/// Runs the subcommand.
///
/// # Errors
///
/// [`Failure::CannotRun`] if and only if an input or output file is bad, the bundles do not build or cannot be hosted;
/// [`Failure::Check`] if and only if the audio thread touched the system heap after warm-up, or the plugin's output is
/// not finite.
pub fn run(args: &DemoArgs) -> Result<(), Failure> {
    let config = Config { rate_hz: args.rate, max_block: args.block };
    let score = match &args.midi {
        Some(path) => score::load(path, args.rate).map_err(|error| Failure::file(path, error))?,
        None => score::built_in(args.rate),
    };
    let input = Input::load(args.audio.as_deref(), args.rate)?;
    let workspace = Workspace::find()?;
    let places = Places::reserve(args, &workspace)?;

    let bundles = bundle(&workspace, PLUGIN, true)?;
    let sample = match args.source {
        Source::Input => None,
        Source::File => Some(input.as_file(&workspace.target.join("demo"), args.rate)?),
    };
    let frames = frames(args, &score);
    let events = movement::join(movement::movement(args.rate, frames), &score.events);
    let performance = Performance {
        plugin: PLUGIN,
        config,
        events: &events,
        frames,
        input: sample.is_none().then_some(&input),
        sample: sample.as_deref(),
        realtime: args.realtime,
    };

    let play = |format: Format| {
        let bar = progress_bar(format, frames);
        let render = render(format, bundles.path(format), &performance, |done| bar.set_position(done));
        bar.finish_and_clear();
        render
    };
    let renders = [play(Format::Clap)?, play(Format::Vst3)?];
    for (render, place) in renders.iter().zip(&places.wavs) {
        place.write_wav(args.rate, &render.channels)?;
    }
    let names = Format::ALL.map(|format| bundles.path(format).display().to_string());
    let report = Report::new(rustc_version(&workspace), args.realtime, config, &renders, names);
    places.show(&report)?;
    verdict(&renders, &report)
}

/// The performance's length in frames, at least one.
fn frames(args: &DemoArgs, score: &Score) -> u64 {
    let rate = f64::from(args.rate);
    let natural = number::real(score.frames) / rate + TAIL_SECONDS;
    let seconds = args.seconds.unwrap_or_else(|| {
        if natural > MAX_SECONDS {
            eprintln!("The notes last {natural:.0} s; playing the first {MAX_SECONDS:.0} s.");
        }
        natural.min(MAX_SECONDS)
    });
    number::count(seconds * rate).max(1)
}

/// Where the results go.
struct Places {
    wavs: [Output; 2],
    json: Json,
}

impl Places {
    fn reserve(args: &DemoArgs, workspace: &Workspace) -> Result<Self, Failure> {
        let out = match &args.out {
            Some(out) => absolute(out)?,
            None => {
                let folder = workspace.target.join("demo");
                std::fs::create_dir_all(&folder).map_err(|error| Failure::file(&folder, error))?;
                folder.join("demo.wav")
            }
        };
        let wav = |format: Format| Output::reserve(with_format(&out, format.name())?);
        // Independent of the working folder, as above.
        let json = match &args.json {
            Some(path) if path != Path::new("-") => Json::reserve(Some(&absolute(path)?))?,
            other => Json::reserve(other.as_deref())?,
        };
        let places = Places { wavs: [wav(Format::Clap)?, wav(Format::Vst3)?], json };
        places.apart_from(args)?;
        Ok(places)
    }

    /// Refuses to write over what is read, or twice to one place.
    fn apart_from(&self, args: &DemoArgs) -> Result<(), Failure> {
        let written: Vec<&Path> = self.wavs.iter().map(Output::path).chain(self.json.path()).collect();
        let read = [&args.midi, &args.audio].into_iter().flatten();
        let same = |one: &Path, other: &Path| {
            one == other
                || std::fs::canonicalize(one)
                    .is_ok_and(|one| std::fs::canonicalize(other).is_ok_and(|other| one == other))
        };
        for (place, path) in written.iter().enumerate() {
            if written[..place].iter().any(|other| same(other, path)) {
                return Err(Failure::file(path, "cannot be written: it is meant for another result too"));
            }
            if read.clone().any(|input| same(input, path)) {
                return Err(Failure::file(path, "cannot be written: it is read as an input"));
            }
        }
        Ok(())
    }

    fn show(&self, report: &Report) -> Result<(), Failure> {
        let wavs = self.wavs.each_ref().map(|wav| wav.path().display().to_string()).join("\n");
        self.json.show(report, |colours| format!("{}\n{wavs}\n", table::table(report, colours)))
    }
}

/// Independent of the working folder, which building changes.
fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| Failure::file(path, error))
}

fn progress_bar(format: Format, frames: u64) -> ProgressBar {
    // Draws on stderr, and nothing at all when that is no terminal.
    let bar = ProgressBar::new(frames).with_prefix(format.name());
    match ProgressStyle::with_template("{prefix} {wide_bar} {percent:>3} % {eta}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// What `rustc -V` says in the workspace.
pub(crate) fn rustc_version(workspace: &Workspace) -> String {
    let output = Command::new("rustc").arg("-V").current_dir(&workspace.root).output();
    output.map_or_else(
        |error| format!("unknown: {error}"),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}

fn verdict(renders: &[Render; 2], report: &Report) -> Result<(), Failure> {
    let mut faults = Vec::new();
    for (render, figures) in renders.iter().zip(&report.formats) {
        let name = render.format.name();
        if figures.audio_thread.touched_heap() {
            explain(render);
            faults.push(format!("{name}: the audio thread touched the system heap after warm-up"));
        }
        if figures.not_finite > 0 {
            faults.push(format!("{name}: {} samples are not finite", figures.not_finite));
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(Failure::Check(faults.join("; "))) }
}

/// Says in which calls the heap was touched.
fn explain(render: &Render) {
    let report = render.probe.report();
    let first = report.allocations.first.into_iter().chain(report.frees.first).min().unwrap_or_default();
    eprintln!(
        "{}: system heap touched, first in callback {first}:\n{}",
        render.format.name(),
        report.stacks()
    );
}
