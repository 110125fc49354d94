//! What can be turned, in plain units, and how a turn becomes a movement without clicks.
//!
//! Everything that belongs to a grain is taken once, at its birth, and needs no smoothing. What belongs to the sum (dry,
//! wet, feedback) moves over a few milliseconds, frame by frame.

use std::{f32::consts::FRAC_PI_2, ops::RangeInclusive};

/// Time in which a movement covers all but 37 % of its way, in seconds.
const SMOOTHING_S: f32 = 0.005;

/// What the engine plays by. Values outside the ranges are taken as the nearest bound, and what is not a number as the
/// default.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Controls {
    /// Grains a second, of each key that is held, or of the live input: 0.5 to 500.
    pub density_hz: f32,
    /// Length of a grain in seconds: 0.005 to 1.
    pub size_s: f32,
    /// How far apart in time grains take their sound, in seconds: 0 to 1.
    pub spray_s: f32,
    /// Transposition, in semitones: -24 to 24.
    pub pitch_semitones: f32,
    /// How wide grains are spread: 0 (all in the centre) to 1.
    pub pan_spread: f32,
    /// Envelope: from a half sine (0) to a rectangle with rounded corners (1).
    pub shape: f32,
    /// How much of the cloud is recorded again with the live input: 0 to 0.95.
    pub feedback: f32,
    /// From the input (0) to the cloud (1), at equal power.
    pub mix: f32,
}

impl Controls {
    /// Range of [`Controls::density_hz`].
    pub const DENSITY_HZ: RangeInclusive<f32> = 0.5..=500.0;
    /// Range of [`Controls::size_s`].
    pub const SIZE_S: RangeInclusive<f32> = 0.005..=1.0;
    /// Range of [`Controls::spray_s`].
    pub const SPRAY_S: RangeInclusive<f32> = 0.0..=1.0;
    /// Range of [`Controls::pitch_semitones`].
    pub const PITCH_SEMITONES: RangeInclusive<f32> = -24.0..=24.0;
    /// Range of [`Controls::feedback`].
    pub const FEEDBACK: RangeInclusive<f32> = 0.0..=0.95;
    /// Range of all others.
    pub const SHARE: RangeInclusive<f32> = 0.0..=1.0;

    /// What the controls are before anyone turns them.
    pub const DEFAULT: Self = Self {
        density_hz: 30.0,
        size_s: 0.12,
        spray_s: 0.15,
        pitch_semitones: 0.0,
        pan_spread: 0.7,
        shape: 0.2,
        feedback: 0.0,
        mix: 1.0,
    };

    /// The same, within the ranges.
    #[must_use]
    pub fn bounded(&self) -> Self {
        let bound = |value: f32, range: RangeInclusive<f32>, default: f32| {
            if value.is_nan() { default } else { value.clamp(*range.start(), *range.end()) }
        };
        let default = Self::DEFAULT;
        Self {
            density_hz: bound(self.density_hz, Self::DENSITY_HZ, default.density_hz),
            size_s: bound(self.size_s, Self::SIZE_S, default.size_s),
            spray_s: bound(self.spray_s, Self::SPRAY_S, default.spray_s),
            pitch_semitones: bound(self.pitch_semitones, Self::PITCH_SEMITONES, default.pitch_semitones),
            pan_spread: bound(self.pan_spread, Self::SHARE, default.pan_spread),
            shape: bound(self.shape, Self::SHARE, default.shape),
            feedback: bound(self.feedback, Self::FEEDBACK, default.feedback),
            mix: bound(self.mix, Self::SHARE, default.mix),
        }
    }

    /// Gains of the input and of the cloud.
    pub(crate) fn dry_and_wet(&self) -> [f32; 2] {
        // At the ends exactly, so that what is turned off is silent.
        if self.mix >= 1.0 {
            return [0.0, 1.0];
        }
        let (wet, dry) = (self.mix * FRAC_PI_2).sin_cos();
        [dry, wet]
    }
}

impl Default for Controls {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// A gain on its way to where it was turned, by a pole of [`SMOOTHING_S`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Smoothed {
    value: f32,
    target: f32,
    share: f32,
}

impl Smoothed {
    pub(crate) const fn new() -> Self {
        Self { value: 0.0, target: 0.0, share: 1.0 }
    }

    /// For another sample rate.
    pub(crate) fn prepare(&mut self, rate_hz: f32) {
        self.share = 1.0 - (-1.0 / (SMOOTHING_S * rate_hz)).exp();
    }

    pub(crate) fn turn(&mut self, target: f32) {
        self.target = target;
    }

    /// Arrives at once.
    pub(crate) fn jump(&mut self) {
        self.value = self.target;
    }

    /// The value of the next frame.
    #[inline]
    pub(crate) fn next(&mut self) -> f32 {
        let next = self.value + self.share * (self.target - self.value);
        // Where a step is lost to rounding (-100 dB at 48 kHz) the way is at its end.
        self.value = if next.to_bits() == self.value.to_bits() { self.target } else { next };
        self.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mixing_keeps_equal_power_and_is_silent_at_its_ends() {
        for percent in 0..=100_u8 {
            let [dry, wet] = Controls { mix: f32::from(percent) / 100.0, ..Controls::DEFAULT }.dry_and_wet();
            assert!((dry * dry + wet * wet - 1.0).abs() < 1e-6);
        }
        assert_eq!(Controls { mix: 0.0, ..Controls::DEFAULT }.dry_and_wet(), [1.0, 0.0]);
        assert_eq!(Controls { mix: 1.0, ..Controls::DEFAULT }.dry_and_wet(), [0.0, 1.0]);
    }

    #[test]
    fn nothing_but_numbers_within_the_ranges_gets_through() {
        let nan = Controls { density_hz: f32::NAN, size_s: f32::NAN, ..Controls::DEFAULT };
        assert_eq!(nan.bounded(), Controls::DEFAULT);
        let high = Controls { density_hz: f32::INFINITY, feedback: 7.0, ..Controls::DEFAULT }.bounded();
        assert_eq!((high.density_hz, high.feedback), (500.0, 0.95));
    }

    #[test]
    fn a_turn_arrives_and_stays() {
        let mut gain = Smoothed::new();
        gain.prepare(48_000.0);
        gain.turn(1.0);
        let way: Vec<f32> = (0..48_000).map(|_| gain.next()).collect();
        assert!(way.windows(2).all(|pair| (0.0..0.005).contains(&(pair[1] - pair[0]))));
        assert_eq!(way[47_999], 1.0);
    }
}
