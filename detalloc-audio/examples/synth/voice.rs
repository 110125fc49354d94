//! One voice: a tone with two overtones, that fades in, dies away slowly while the key is down, and fades out.

use std::f32::consts::TAU;

const ATTACK_SECONDS: f32 = 0.004;
const DECAY_SECONDS: f32 = 1.5;
const RELEASE_SECONDS: f32 = 0.08;
/// How fast what a stolen voice sounded like dies away: too slow for a click, too fast for a tone.
const RESIDUE_SECONDS: f32 = 0.003;
/// Below this a voice is over: -80 dB.
const SILENT: f32 = 1e-4;
/// Leaves room for all voices of a thick chord.
const GAIN: f32 = 0.12;

pub struct Voice {
    key: u8,
    held: bool,
    since: u64,
    /// In turns, and turns a sample.
    phase: f32,
    step: f32,
    level: f32,
    /// What the level rises to, and how far in each sample.
    peak: f32,
    attack: f32,
    /// What the level is multiplied by in each sample, once it has risen.
    decay: f32,
    release: f32,
    /// What a stolen voice left behind.
    residue: f32,
    residue_decay: f32,
    last: f32,
}

impl Voice {
    /// `velocity` from 0 to 1; `since` says which of two is older.
    pub fn new(rate_hz: f32, key: u8, velocity: f32, since: u64) -> Self {
        let fading = |seconds: f32| (-1.0 / (seconds * rate_hz)).exp();
        let peak = velocity.clamp(0.05, 1.0);
        Self {
            key,
            held: true,
            since,
            phase: 0.0,
            step: 440.0 * ((f32::from(key) - 69.0) / 12.0).exp2() / rate_hz,
            level: 0.0,
            peak,
            attack: peak / (ATTACK_SECONDS * rate_hz),
            decay: fading(DECAY_SECONDS),
            release: fading(RELEASE_SECONDS),
            residue: 0.0,
            residue_decay: fading(RESIDUE_SECONDS),
            last: 0.0,
        }
    }

    /// Begins where another voice is cut off, so that nobody hears the cut.
    pub fn taking_over(mut self, stolen: &Self) -> Self {
        self.residue = stolen.last;
        self.last = stolen.last;
        self
    }

    pub fn key(&self) -> u8 {
        self.key
    }

    /// The smallest one is the first to be stolen: released before held, old before young.
    pub fn age_key(&self) -> (bool, u64) {
        (self.held, self.since)
    }

    pub fn release(&mut self) {
        self.held = false;
    }

    pub fn is_over(&self) -> bool {
        self.peak == 0.0 && self.level < SILENT && self.residue.abs() < SILENT
    }

    pub fn sample(&mut self) -> f32 {
        if !self.held {
            self.level *= self.release;
            self.peak = 0.0;
        } else if self.level < self.peak {
            self.level = (self.level + self.attack).min(self.peak);
        } else {
            self.level *= self.decay;
            self.peak = if self.level < SILENT { 0.0 } else { self.level };
        }
        self.phase = (self.phase + self.step).fract();
        self.residue *= self.residue_decay;
        let turn = TAU * self.phase;
        let tone = turn.sin() + 0.3 * (2.0 * turn).sin() + 0.1 * (3.0 * turn).sin();
        self.last = GAIN * self.level * tone + self.residue;
        self.last
    }
}
