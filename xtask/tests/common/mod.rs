//! What the tests through the real bundles share: the release bundles, built once per test program, and a rig that
//! hosts one instance and checks after every block what must always hold.
//!
//! Tests that use a rig take turns: the plugin reports on all live instances of the process at once.
#![allow(dead_code, reason = "each test program uses its part")]

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use xtask::bundle::{Bundles, bundle};
use xtask::host::{
    Action, AudioThread, Block, Config, Event, Format, Instance, InstanceReport, Library, Probe, Processor,
    parameter_id,
};
use xtask::workspace::Workspace;

/// The plugin under test.
pub const PLUGIN: &str = "graincloud";

/// What most tests announce.
pub const CONFIG: Config = Config { rate_hz: 48_000, max_block: 64 };

/// The automatable parameters.
pub const PARAMETERS: [&str; 8] =
    ["density", "size", "spray", "pitch", "pan_spread", "shape", "feedback", "mix"];

/// The release bundles.
pub fn bundles() -> &'static Bundles {
    static BUNDLES: OnceLock<Bundles> = OnceLock::new();
    BUNDLES.get_or_init(|| {
        let workspace = Workspace::find().expect("cargo runs");
        bundle(&workspace, PLUGIN, true).expect("the release bundles build")
    })
}

/// One test at a time.
pub fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs a test in both formats.
pub fn in_both_formats(test: impl Fn(Format)) {
    let _turn = turn();
    for format in Format::ALL {
        eprintln!("as {}:", format.name());
        test(format);
    }
}

/// A note-on at a frame.
pub fn on(frame: u64, key: u8) -> Event {
    Event { frame, action: Action::NoteOn { channel: 0, key, velocity: 100 } }
}

/// A note-off at a frame.
pub fn off(frame: u64, key: u8) -> Event {
    Event { frame, action: Action::NoteOff { channel: 0, key } }
}

/// A parameter change at a frame.
pub fn set(frame: u64, parameter: &str, normalised: f64) -> Event {
    Event { frame, action: Action::Parameter { id: parameter_id(parameter), normalised } }
}

/// One active instance.
pub struct Rig {
    pub instance: Instance,
    pub processor: Option<Processor>,
    pub probe: Probe,
    library: Library,
    phase: f64,
    rate_hz: u32,
}

impl Rig {
    /// Loads and activates an instance.
    pub fn new(format: Format, config: Config) -> Self {
        Rig::with_state(format, config, None)
    }

    /// Loads an instance, gives it a state and activates it.
    pub fn with_state(format: Format, config: Config, state: Option<&[u8]>) -> Self {
        let path = bundles().path(format);
        let mut instance = Instance::load(format, path, config).expect("the plugin loads");
        let library = Library::open(&format.binary(path, PLUGIN), PLUGIN).expect("its library opens");
        if let Some(state) = state {
            instance.load_state(state).expect("the state is accepted");
        }
        let processor = instance.activate().expect("the plugin activates");
        let probe = Probe::new(u64::MAX);
        Rig { instance, processor: Some(processor), probe, library, phase: 0.0, rate_hz: config.rate_hz }
    }

    /// Ends processing, announces something else and starts again.
    pub fn restart(&mut self, config: Config) {
        self.stop();
        self.instance.reconfigure(config).expect("another configuration is accepted");
        self.rate_hz = config.rate_hz;
        self.start();
    }

    /// Ends processing.
    pub fn stop(&mut self) {
        if let Some(processor) = self.processor.take() {
            self.instance.deactivate(processor).expect("the plugin deactivates");
        }
    }

    /// Starts processing again.
    pub fn start(&mut self) {
        self.processor = Some(self.instance.activate().expect("the plugin activates"));
    }

    /// Processes `input` with events counted from its first frame, and gives the output, checked to be finite.
    pub fn process(&mut self, input: [&[f32]; 2], events: &[Event]) -> [Vec<f32>; 2] {
        let frames = input[0].len();
        // What a host's buffers hold before is anybody's guess.
        let (mut left, mut right) = (vec![f32::NAN; frames], vec![f32::NAN; frames]);
        let block = Block { start: 0, events, input, output: [&mut left, &mut right] };
        let processor = self.processor.as_mut().expect("the rig is active");
        processor.process(block, &mut self.probe).expect("the plugin processes");
        assert!(left.iter().chain(&right).all(|sample| sample.is_finite()), "a sample is not finite");
        assert!(!left.iter().chain(&right).any(|sample| sample.is_subnormal()), "a sample is denormal");
        [left, right]
    }

    /// `frames` frames of a 220 Hz tone that goes on from block to block.
    pub fn tone(&mut self, frames: usize) -> Vec<f32> {
        let step = 220.0 / f64::from(self.rate_hz);
        std::iter::repeat_with(|| {
            self.phase = (self.phase + step).fract();
            xtask::number::single(0.3 * (std::f64::consts::TAU * self.phase).sin())
        })
        .take(frames)
        .collect()
    }

    /// Processes a block of the tone.
    pub fn play(&mut self, frames: usize, events: &[Event]) -> [Vec<f32>; 2] {
        let tone = self.tone(frames);
        self.process([&tone, &tone], events)
    }

    /// Processes `blocks` blocks of the tone and gives the loudest sample.
    pub fn play_blocks(&mut self, blocks: usize, frames: usize) -> f32 {
        (0..blocks).map(|_| peak(&self.play(frames, &[]))).fold(0.0, f32::max)
    }

    /// What the plugin says about the instance that was loaded last.
    pub fn report(&self) -> InstanceReport {
        self.reports().pop().expect("an instance is alive")
    }

    /// What the plugin says about all instances of this format.
    pub fn reports(&self) -> Vec<InstanceReport> {
        self.library.report().expect("the plugin reports").instances
    }

    /// Checks that the plugin's memory is within its pools.
    pub fn check_pools(&self) {
        for report in self.reports() {
            assert!(!report.classes.is_empty(), "the pools are reported");
            for class in &report.classes {
                assert!(class.used <= class.blocks && class.peak <= class.blocks, "{class:?}");
            }
            assert!(report.live <= 2000 && report.live_peak <= 2000, "{} live grains", report.live_peak);
        }
    }

    /// Checks that the plugin still works after what a test did to it: a note is heard, its memory is in its pools,
    /// and after the note and the input end it falls silent.
    pub fn check_alive(&mut self) {
        let block = 64;
        let seconds =
            |seconds: usize, rig: &Rig| usize::try_from(rig.rate_hz).expect("a rate") * seconds / block;
        let all_off: Vec<Event> = (0..128).map(|key| off(0, key)).collect();
        let settings =
            [set(0, "density", 0.7), set(0, "size", 0.3), set(0, "mix", 1.0), set(0, "feedback", 0.0)];
        self.play(block, &[&settings[..], &all_off].concat());
        self.play(block, &[on(0, 60)]);
        let loudest = self.play_blocks(seconds(1, self), block);
        assert!(loudest > 0.01, "a note is heard, loudest sample {loudest}");
        assert!(loudest < 8.0, "and not absurdly loud: {loudest}");
        self.check_pools();

        let silence = vec![0.0; block];
        self.process([&silence, &silence], &[off(0, 60)]);
        // The recording's length and the longest grains.
        let blocks = seconds(20, self);
        let tail = (0..blocks).map(|_| peak(&self.process([&silence, &silence], &[])));
        let last = tail.last().expect("some blocks");
        assert!(last < 1e-4, "it falls silent, last block at {last}");
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if let Some(processor) = self.processor.take() {
            // A failure here would hide the one that the test is about.
            let _ = self.instance.deactivate(processor);
        }
    }
}

/// The loudest sample.
pub fn peak(channels: &[Vec<f32>; 2]) -> f32 {
    channels.iter().flatten().fold(0.0, |peak, sample| peak.max(sample.abs()))
}

/// After warm-up the system heap was not touched, as far as this platform can tell.
pub fn assert_off_the_heap(probe: &Probe) {
    let report = probe.report();
    assert!(!AudioThread::of(&report).touched_heap(), "{report}{}", report.stacks());
}
