//! From a key and the controls to a grain: where it reads, how fast, how long, how loud and where it sounds.

use super::{
    controls::Controls,
    grain::{FRACTION_BITS, Seed, UNITY},
    limits::{CELL, FADE, Rung, rung},
    num::{to_f32, to_u32},
    rng::Rng,
    source::{Channel, LEAD, REMEMBERED, Source},
    voice::Voice,
    window::Window,
};
use std::f32::consts::{FRAC_PI_4, SQRT_2};

/// How far behind the clock a grain reads the live input, at least, in frames: the rest of a cell and a fade lie
/// between the last frame that is recorded and the last that may be read, and interpolation takes two more.
pub(crate) const BEHIND: u64 = (CELL + FADE + 8) as u64;

/// The key that plays the source as it is.
const MIDDLE_KEY: f32 = 60.0;

/// Gain of a note at full velocity (-3 dB): several are played together.
const NOTE_GAIN: f32 = 0.7;

/// Six octaves either way.
const RATIOS: [f32; 2] = [1.0 / 64.0, 64.0];

/// How far apart grains have to read so that a low note (80 Hz) no longer adds up as if they read the same, in seconds.
const COHERENCE_S: f32 = 0.008;

/// Grains are at least this long, in frames: enough for the finest window of the smallest grain.
const SHORTEST: u32 = 32;

/// What a spawned grain is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: Seed,
    pub(crate) rung: &'static Rung,
    pub(crate) gain: f32,
}

/// Chance, and whatever else one spawn leaves to the next.
#[derive(Clone, Debug)]
pub(crate) struct Spawner {
    rng: Rng,
    /// Where the next grain in the exact centre takes its sound from.
    central: Channel,
}

impl Spawner {
    pub(crate) const fn new() -> Self {
        Self { rng: Rng::new(), central: Channel::Left }
    }

    /// Frames until a place spawns again: the period, more or less half of it.
    pub(crate) fn interval(&mut self, controls: &Controls, rate_hz: f32) -> f64 {
        let period = rate_hz / controls.density_hz;
        f64::from(period * (1.0 + 0.5 * self.rng.bipolar()))
    }

    /// Frames until the density control spawns first: any part of a period.
    pub(crate) fn first_interval(&mut self, controls: &Controls, rate_hz: f32) -> f64 {
        f64::from(rate_hz / controls.density_hz * self.rng.unit())
    }

    /// A grain at frame `at`; `voice` is the key it belongs to, if any.
    ///
    /// # Time complexity
    /// Constant.
    pub(crate) fn plan(
        &mut self,
        voice: Option<&Voice>,
        at: u64,
        controls: &Controls,
        rate_hz: f32,
        source: &Source,
    ) -> Plan {
        // The sum of two, most likely in the middle: the low notes of a spray without edges add up far less.
        let chance = 0.5 * (self.rng.unit() + self.rng.unit());
        let pan = self.rng.bipolar() * controls.pan_spread;
        let semitones =
            voice.map_or(0.0, |voice| f32::from(voice.key.key) - MIDDLE_KEY) + controls.pitch_semitones;
        let ratio = (semitones / 12.0).exp2().clamp(RATIOS[0], RATIOS[1]);
        let step = to_u32(ratio * to_f32(UNITY) + 0.5);
        let wanted = to_u32(controls.size_s * rate_hz);
        let spray = u64::from(to_u32(controls.spray_s * rate_hz * chance));
        let (length, from) = match source.recording() {
            Some(recording) => {
                // The part of the source that a grain covers has to fit into it, the last taps included.
                let room = recording.frames();
                let length = wanted.min(frames_covered(room, step)).max(SHORTEST);
                let played = voice.map_or(0, |voice| at.saturating_sub(voice.since));
                let places = (room + 1).saturating_sub(covered(length, step)).max(1);
                (length, LEAD + (played + spray) % places)
            }
            None => {
                let drift = u64::from(step.abs_diff(UNITY)).max(1);
                let room = REMEMBERED - 2 * BEHIND;
                let longest = (room << FRACTION_BITS) / drift;
                let length = u64::from(wanted).min(longest);
                let length = u32::try_from(length).unwrap_or(u32::MAX).max(SHORTEST);
                let (covered, length_frames) = (covered(length, step), u64::from(length));
                let nearest = BEHIND + covered.saturating_sub(length_frames);
                let farthest = REMEMBERED - BEHIND - length_frames.saturating_sub(covered);
                (length, at.saturating_sub((nearest + spray).min(farthest)))
            }
        };
        let rung = rung(to_f32(length) / rate_hz);
        let window = Window::new(length, rung.segments, controls.shape, rate_hz);
        let key = voice.map(|voice| voice.key);
        let gain = voice.map_or(1.0, |voice| voice.gain * NOTE_GAIN)
            * compensation(controls, &window, ratio, rate_hz);
        let seed = Seed {
            position: from << FRACTION_BITS,
            step,
            born: at,
            key,
            channel: self.channel(pan),
            window,
            gains: pan_gains(pan),
        };
        Plan { seed, rung, gain }
    }

    /// The channel on whose side the grain sounds; in turn for those in the exact centre.
    fn channel(&mut self, pan: f32) -> Channel {
        if pan < 0.0 {
            return Channel::Left;
        }
        if pan > 0.0 {
            return Channel::Right;
        }
        let other = if self.central == Channel::Left { Channel::Right } else { Channel::Left };
        std::mem::replace(&mut self.central, other)
    }
}

/// Frames of source that a grain moves over.
fn covered(length: u32, step: u32) -> u64 {
    ((u64::from(length) * u64::from(step)) >> FRACTION_BITS) + 1
}

/// The longest grain that moves over at most so many frames of source.
fn frames_covered(room: u64, step: u32) -> u32 {
    u32::try_from((room << FRACTION_BITS) / u64::from(step.max(1))).unwrap_or(u32::MAX)
}

/// Equal power from the left (-1) to the right (1), with a gain of 1 in the centre.
fn pan_gains(pan: f32) -> [f32; 2] {
    let (right, left) = ((pan + 1.0) * FRAC_PI_4).sin_cos();
    [left * SQRT_2, right * SQRT_2]
}

/// The gain that keeps the level of a cloud the same whatever its density and size.
///
/// Grains that read different sounds add up in power, grains that read the same sound in amplitude. How alike they are
/// follows from how far apart they read: by the spray, and by the drift of a transposed grain against the clock.
fn compensation(controls: &Controls, window: &Window, ratio: f32, rate_hz: f32) -> f32 {
    let seconds = to_f32(window.length) / rate_hz;
    let overlap = controls.density_hz * seconds;
    let (mean, square) = window.means();
    let apart = (controls.spray_s + (ratio - 1.0).abs() * seconds) / COHERENCE_S;
    // The spectrum of a triangle, which is how the spray is distributed, falls with the fourth power.
    let alike = 1.0 / (1.0 + apart.powi(4));
    let power = overlap * square * (1.0 - alike) + (overlap * mean) * (overlap * mean) * alike;
    1.0 / power.max(1.0).sqrt()
}

/// Velocity to gain: at half the velocity a quarter.
pub(crate) fn velocity_gain(velocity: f32) -> f32 {
    velocity.min(1.0) * velocity.min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{
        source::{Material, Recording},
        voice::Key,
    };

    const AT: u64 = 1 << 24;

    fn extremes() -> impl Iterator<Item = (Controls, u8)> {
        let sizes = [0.005, 0.1, 1.0];
        let others = [(0.0, -24.0), (1.0, 24.0), (0.3, 0.0)];
        sizes.into_iter().flat_map(move |size_s| {
            others.into_iter().flat_map(move |(spray_s, pitch_semitones)| {
                [0, 60, 127]
                    .map(|key| (Controls { size_s, spray_s, pitch_semitones, ..Controls::DEFAULT }, key))
            })
        })
    }

    fn voice(key: u8) -> Voice {
        let mut voices = super::super::voice::Voices::new();
        voices.press(AT, Key { channel: 0, key }, None, 1.0);
        *voices.at(0).unwrap()
    }

    #[test]
    fn a_live_grain_never_reads_what_is_not_yet_recorded_nor_what_is_overwritten() {
        let source = Source::new(AT);
        for rate_hz in [8_000.0, 48_000.0, 192_000.0, 384_000.0] {
            for (controls, key) in extremes() {
                let Plan { seed, .. } =
                    Spawner::new().plan(Some(&voice(key)), AT, &controls, rate_hz, &source);
                for age in [0, u64::from(seed.window.length) - 1] {
                    let now = AT + age;
                    let reads = (seed.position + age * u64::from(seed.step)) >> FRACTION_BITS;
                    assert!(reads + 2 + (CELL + FADE) as u64 <= now, "{rate_hz} {controls:?} {key} {age}");
                    assert!(reads - 1 > now + CELL as u64 - REMEMBERED, "{rate_hz} {controls:?} {key} {age}");
                }
            }
        }
    }

    #[test]
    fn a_grain_stays_within_its_recording() {
        for frames in [1, 64, 1_000, 100_000] {
            let mut source = Source::new(AT);
            let recording = Recording::new(vec![1.0; frames], vec![1.0; frames]);
            source.replace(Box::new(Material::Recording(recording)));
            let room = source.recording().unwrap().frames();
            for (controls, key) in extremes() {
                let Plan { seed, .. } =
                    Spawner::new().plan(Some(&voice(key)), AT, &controls, 48_000.0, &source);
                let first = seed.position >> FRACTION_BITS;
                assert!((LEAD..LEAD + room).contains(&first));
                let last = (seed.position + u64::from(seed.window.length - 1) * u64::from(seed.step))
                    >> FRACTION_BITS;
                // A grain is at least so long; only then may it run into the silence behind.
                assert!(last <= LEAD + room || seed.window.length == SHORTEST, "{frames} {controls:?} {key}");
            }
        }
    }

    #[test]
    fn panning_keeps_equal_power() {
        for pan in [-1.0, -0.5, 0.0, 0.3, 1.0] {
            let [left, right] = pan_gains(pan);
            assert!((left * left + right * right - 2.0).abs() < 1e-5);
        }
    }
}
