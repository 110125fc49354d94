//! Plays one performance through one format: the main thread loads, services and reports, an audio thread of its own
//! processes block after block.
//!
//! Everything the audio thread touches is allocated and written to once before it starts, its stack included, so that
//! what the probe counts is the plugin's doing.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::input::Input;
use crate::failure::Failure;
use crate::host::{
    Block, Config, Event, Format, HostError, Instance, InstanceReport, Library, Probe, Processor,
};
use crate::number;

/// What to play, the same for every format.
#[derive(Clone, Copy, Debug)]
pub struct Performance<'a> {
    /// The plugin's package name.
    pub plugin: &'a str,
    /// Sample rate and block size.
    pub config: Config,
    /// Notes and parameter changes, in order.
    pub events: &'a [Event],
    /// Length in frames.
    pub frames: u64,
    /// The audio that goes into the plugin's input; silence without.
    pub input: Option<&'a Input>,
    /// The file that the plugin is told, in its state, to play.
    pub sample: Option<&'a Path>,
    /// Whether callbacks are paced by the clock.
    pub realtime: bool,
}

/// One format's performance.
pub struct Render {
    /// The format.
    pub format: Format,
    /// Left and right, as long as the performance.
    pub channels: [Vec<f32>; 2],
    /// What was measured.
    pub probe: Probe,
    /// What the plugin says about itself at the end.
    pub report: InstanceReport,
}

/// Plays `performance` through the bundle, telling `progress` the frames done so far about thirty times a second.
///
/// # Errors
///
/// [`Failure::CannotRun`] if and only if the plugin cannot be hosted, cannot play its sample or gives no report.
pub fn render(
    format: Format,
    bundle: &Path,
    performance: &Performance<'_>,
    progress: impl Fn(u64),
) -> Result<Render, Failure> {
    let mut instance = Instance::load(format, bundle, performance.config)?;
    // Beside the host, and for the rest of the process: the stacks of violations point into it.
    let library = Library::open(&format.binary(bundle, performance.plugin), performance.plugin)?;
    if let Some(sample) = performance.sample {
        instance.load_state(&sample_state(sample))?;
    }
    let processor = instance.activate()?;
    if let Some(sample) = performance.sample {
        await_sample(&mut instance, &library, sample)?;
    }

    let rate = f64::from(performance.config.rate_hz);
    let mut player = Player::new(performance, processor);
    let done = AtomicU64::new(0);
    let (played, player) = std::thread::scope(|scope| {
        let audio = std::thread::Builder::new().name("audio".to_owned()).spawn_scoped(scope, || {
            let played = player.play(performance, rate, &done);
            (played, player)
        });
        let audio = audio.map_err(|error| Failure::CannotRun(format!("audio thread: {error}")))?;
        while !audio.is_finished() {
            instance.service();
            progress(done.load(Ordering::Relaxed));
            std::thread::sleep(Duration::from_millis(33));
        }
        audio.join().map_err(|_| Failure::Check(format!("{}: the audio thread panicked", format.name())))
    })?;
    played?;
    progress(performance.frames);

    let report = newest(&library)?;
    instance.deactivate(player.processor)?;
    library.keep_loaded();
    Ok(Render { format, channels: player.output, probe: player.probe, report })
}

fn newest(library: &Library) -> Result<InstanceReport, Failure> {
    let mut report = library.report()?;
    report.instances.pop().ok_or_else(|| Failure::CannotRun("the plugin reports no live instance".to_owned()))
}

/// A state of nice-plug's that changes nothing but the sample: parameters it does not name keep their values.
pub fn sample_state(sample: &Path) -> Vec<u8> {
    let path = serde_json::Value::String(sample.to_string_lossy().into_owned());
    let state = serde_json::json!({
        "version": env!("CARGO_PKG_VERSION"),
        "params": {},
        "fields": { "sample-path": path.to_string() },
    });
    state.to_string().into_bytes()
}

/// Waits until the plugin plays `sample`: it may load it in the background.
fn await_sample(instance: &mut Instance, library: &Library, sample: &Path) -> Result<(), Failure> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let source = newest(library)?.source;
        if source.kind == "file" && source.status.starts_with("Playing") {
            return Ok(());
        }
        if Instant::now() > deadline || source.status.starts_with("Cannot") {
            return Err(Failure::file(sample, format!("the plugin does not play it: {}", source.status)));
        }
        instance.service();
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The audio thread's belongings.
struct Player {
    processor: Processor,
    probe: Probe,
    block: [Vec<f32>; 2],
    output: [Vec<f32>; 2],
}

impl Player {
    fn new(performance: &Performance<'_>, processor: Processor) -> Self {
        let block = number::index(u64::from(performance.config.max_block));
        let frames = number::index(performance.frames);
        let deadline_ns =
            f64::from(performance.config.max_block) / f64::from(performance.config.rate_hz) * 1e9;
        // Written, not only reserved; and a frame that is never rendered would show as not a number.
        let written = |frames: usize| [vec![f32::NAN; frames], vec![f32::NAN; frames]];
        Player {
            processor,
            probe: Probe::new(number::count(deadline_ns)),
            block: written(block),
            output: written(frames),
        }
    }

    fn play(
        &mut self,
        performance: &Performance<'_>,
        rate_hz: f64,
        done: &AtomicU64,
    ) -> Result<(), HostError> {
        touch_stack();
        let begin = Instant::now();
        let frames_per_block = self.block[0].len();
        let [left, right] = &mut self.output;
        let blocks = left.chunks_mut(frames_per_block).zip(right.chunks_mut(frames_per_block));
        let mut start = 0_u64;
        let mut events = performance.events;
        for (left, right) in blocks {
            let frames = left.len();
            let [in_left, in_right] = &mut self.block;
            let input = [&mut in_left[..frames], &mut in_right[..frames]];
            match performance.input {
                Some(audio) => audio.copy_looped(start, input),
                None => input.into_iter().for_each(|channel| channel.fill(0.0)),
            }
            let end = start + number::length(frames);
            let (now, later) = events.split_at(events.partition_point(|event| event.frame < end));
            events = later;

            if performance.realtime {
                let due = begin + Duration::from_secs_f64(number::real(start) / rate_hz);
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
            }
            let block = Block {
                start,
                events: now,
                input: [&self.block[0][..frames], &self.block[1][..frames]],
                output: [left, right],
            };
            self.processor.process(block, &mut self.probe)?;
            start = end;
            done.store(start, Ordering::Relaxed);
        }
        self.processor.stop();
        Ok(())
    }
}

/// Writes to more of this thread's stack than a callback will use, so that none of it faults later.
#[inline(never)]
fn touch_stack() {
    let mut stack = [0_u8; 256 * 1024];
    std::hint::black_box(&mut stack).fill(1);
    std::hint::black_box(&stack);
}
