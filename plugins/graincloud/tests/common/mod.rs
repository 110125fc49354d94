//! What the tests of the engine share: a player that feeds it, and signals.
#![allow(dead_code, reason = "every test file uses a part of it")]

use graincloud::engine::{Controls, Counts, Engine, Note, TimedNote, Which};

pub const RATE_HZ: u16 = 48_000;

/// An engine, and the frame that comes next.
pub struct Player {
    pub engine: Engine,
    pub controls: Controls,
    /// Block size, in frames.
    pub block: usize,
    /// By absolute frame, in order.
    pub notes: Vec<(usize, Note)>,
    frame: usize,
}

impl Player {
    pub fn new(controls: Controls) -> Self {
        let mut engine = Engine::new();
        engine.prepare(f64::from(RATE_HZ), 64).unwrap();
        Self { engine, controls, block: 64, notes: Vec::new(), frame: 0 }
    }

    /// Plays so many frames of input; gives the output, left and right.
    pub fn play(&mut self, frames: usize, input: impl Fn(usize) -> [f32; 2]) -> [Vec<f32>; 2] {
        let (mut left, mut right): (Vec<_>, Vec<_>) =
            (self.frame..self.frame + frames).map(|frame| input(frame).into()).unzip();
        let mut begin = 0;
        while begin < frames {
            let end = frames.min(begin + self.block);
            let (from, to) = (self.frame + begin, self.frame + end);
            let notes = self
                .notes
                .iter()
                .filter(|(at, _)| (from..to).contains(at))
                .map(|&(at, note)| TimedNote { offset: u32::try_from(at - from).unwrap(), note });
            self.engine.process(notes, &self.controls, &mut left[begin..end], &mut right[begin..end]);
            begin = end;
        }
        self.frame += frames;
        [left, right]
    }

    /// Lets events happen before the next frame.
    pub fn now(&mut self, notes: impl IntoIterator<Item = Note>) {
        let notes: Vec<_> = notes.into_iter().map(|note| TimedNote { offset: 0, note }).collect();
        self.engine.process(notes.iter().copied(), &self.controls, &mut [], &mut []);
    }

    pub fn counts(&self) -> Counts {
        self.engine.telemetry().snapshot()
    }

    /// Blocks of grains that are live, by the pools' own count: all but the list of grains.
    pub fn blocks_used(&self) -> usize {
        let stats = self.engine.meter().unwrap().snapshot();
        stats.pools().iter().map(|pool| pool.used).sum::<usize>() - 1
    }
}

pub fn on(key: u8) -> Note {
    Note::On { channel: 0, key, velocity: 1.0, id: None }
}

pub fn off(key: u8) -> Note {
    Note::Off(Which { channel: Some(0), key: Some(key), id: None })
}

pub fn choke(key: u8) -> Note {
    Note::Choke(Which { channel: Some(0), key: Some(key), id: None })
}

/// Repeatable noise in -0.5..0.5, different in both channels.
pub fn noise(frame: usize) -> [f32; 2] {
    let hash = |seed: u64| {
        let mut x = (frame as u64 + seed).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        x = (x ^ x >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let [a, b, ..] = (x ^ x >> 32).to_be_bytes();
        f32::from(u16::from_be_bytes([a, b])) / 65_536.0 - 0.5
    };
    [hash(1), hash(1_000_003)]
}

/// A sine of this frequency, at half of full scale, in both channels.
pub fn sine(hz: f64) -> impl Fn(usize) -> [f32; 2] {
    move |frame| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "a test's signal")]
        let value = ((std::f64::consts::TAU * hz * frame as f64 / f64::from(RATE_HZ)).sin() * 0.5) as f32;
        [value; 2]
    }
}

pub fn silence(_: usize) -> [f32; 2] {
    [0.0; 2]
}

pub fn peak(samples: &[f32]) -> f32 {
    samples.iter().fold(0.0, |peak, sample| peak.max(sample.abs()))
}

/// Root of the mean square, in dB.
pub fn level_db(samples: &[f32]) -> f64 {
    let squares: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    10.0 * (squares / f64::from(u32::try_from(samples.len()).unwrap())).log10()
}

/// The largest step from one sample to the next.
pub fn largest_step(samples: &[f32]) -> f32 {
    samples.windows(2).fold(0.0, |step, pair| step.max((pair[1] - pair[0]).abs()))
}

pub fn all_finite_and_normal(samples: &[f32]) -> bool {
    samples.iter().all(|sample| *sample == 0.0 || sample.is_normal())
}
