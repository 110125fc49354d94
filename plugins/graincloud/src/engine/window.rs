//! The envelope of a grain: a rising ramp, a plateau, and the ramp in reverse.
//!
//! The ramp is a quarter of a sine. Rising and falling are each other's complement in *power*: where one grain's end
//! lies over another's beginning, sin² + cos² = 1, and uncorrelated sound keeps its level. With ramps over the whole
//! grain the window is a half sine; the shorter the ramps, the more it is a rectangle with rounded corners (a Tukey
//! window, but of equal power).
//!
//! Each grain carries the knots of its own ramp, already scaled by its gain, and draws straight lines between them. A
//! whole number of frames lies between two knots, so that the value at a frame depends on the frame's number alone.

use super::num::{to_f32, to_u32};
use std::f32::consts::FRAC_PI_2;

/// Segments of the ramp that all others are taken from.
const FINEST: usize = 64;

/// The shortest ramp, in seconds: shorter ones sound like clicks whatever their shape.
const SHORTEST_RAMP_S: f32 = 0.001;

/// How much of the ramps is left when the shape is flattest.
const FLATTEST: f32 = 0.1;

/// A quarter of a sine, from 0 to 1.
#[derive(Clone, Debug)]
pub(crate) struct Ramp([f32; FINEST + 1]);

impl Ramp {
    pub(crate) fn new() -> Self {
        let mut values = [0.0; FINEST + 1];
        for (knot, value) in values.iter_mut().enumerate() {
            *value = (FRAC_PI_2 * to_f32(super::num::small(knot)) / 64.0).sin();
        }
        // Exactly, so that the plateau is the gain itself.
        values[FINEST] = 1.0;
        Self(values)
    }

    /// Writes the knots of a ramp with this many segments, a divisor of 64, up to `gain`.
    pub(crate) fn write(&self, segments: u32, gain: f32, knots: &mut [f32]) {
        let stride = FINEST / (segments as usize).clamp(1, FINEST);
        for (knot, value) in knots.iter_mut().zip(self.0.iter().step_by(stride)) {
            *knot = value * gain;
        }
    }
}

/// The times of a window, in frames.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Window {
    /// The whole grain.
    pub(crate) length: u32,
    /// From knot to knot.
    pub(crate) segment: u32,
    /// How many segments a ramp has.
    pub(crate) segments: u32,
    /// One over `segment`.
    pub(crate) slope: f32,
}

/// Frames for which a window is one straight line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    /// How many.
    pub(crate) frames: u32,
    /// Where the line would be at its knot.
    pub(crate) knot: f32,
    /// What it rises by from frame to frame, seen from the knot.
    pub(crate) rise: f32,
    /// How far the first frame is from the knot.
    pub(crate) from: f32,
    /// Which way the frames go: away from the knot (1) or towards it (-1).
    pub(crate) direction: f32,
}

impl Window {
    /// The window of a grain of `length` frames, at least twice `segments`. `shape` goes from a half sine (0) to the
    /// flattest (1).
    pub(crate) fn new(length: u32, segments: u32, shape: f32, rate_hz: f32) -> Self {
        let whole = 0.5 * to_f32(length);
        let share = 1.0 - (1.0 - FLATTEST) * shape;
        let ramp = (whole * share).max(SHORTEST_RAMP_S * rate_hz).min(whole);
        let segment = to_u32(ramp / to_f32(segments)).max(1);
        Self { length, segment, segments, slope: 1.0 / to_f32(segment) }
    }

    /// Frames of a ramp.
    pub(crate) fn ramp(&self) -> u32 {
        self.segment * self.segments
    }

    /// The mean of the window, and the mean of its square, at a gain of 1.
    pub(crate) fn means(&self) -> (f32, f32) {
        // Of a quarter sine: 2/π and 1/2.
        let ramps = 2.0 * to_f32(self.ramp()) / to_f32(self.length);
        (1.0 - ramps * (1.0 - 2.0 / std::f32::consts::PI), 1.0 - 0.5 * ramps)
    }

    /// The line that begins at frame `age`, before the window's end.
    #[inline]
    pub(crate) fn line(&self, age: u32, knots: &[f32]) -> Line {
        let knot = |number: u32| knots.get(number as usize).copied().unwrap_or(0.0);
        let left = self.length - age;
        if age < self.ramp() {
            let number = age / self.segment;
            let from = age - number * self.segment;
            let frames = self.segment - from;
            let rise = (knot(number + 1) - knot(number)) * self.slope;
            Line { frames, knot: knot(number), rise, from: to_f32(from), direction: 1.0 }
        } else if left <= self.ramp() {
            let number = (left - 1) / self.segment;
            let from = left - number * self.segment;
            let rise = (knot(number + 1) - knot(number)) * self.slope;
            Line { frames: from, knot: knot(number), rise, from: to_f32(from), direction: -1.0 }
        } else {
            let frames = left - self.ramp();
            Line { frames, knot: knot(self.segments), rise: 0.0, from: 0.0, direction: 1.0 }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(window: &Window) -> Vec<f32> {
        let mut knots = vec![0.0; window.segments as usize + 1];
        Ramp::new().write(window.segments, 1.0, &mut knots);
        let mut values = Vec::new();
        while values.len() < window.length as usize {
            let line = window.line(super::super::num::small(values.len()), &knots);
            assert!(line.frames > 0);
            for frame in 0..line.frames {
                values.push(line.knot + line.rise * (line.from + line.direction * to_f32(frame)));
            }
        }
        values
    }

    fn windows() -> impl Iterator<Item = Window> {
        let lengths = [(240, 8), (241, 8), (1_000, 16), (5_000, 32), (48_000, 64), (191_999, 64)];
        let shapes = [0.0, 0.3, 1.0];
        lengths.into_iter().flat_map(move |(length, segments)| {
            shapes.map(|shape| Window::new(length, segments, shape, 48_000.0))
        })
    }

    #[test]
    fn overlapping_windows_keep_equal_power() {
        for window in windows() {
            let values = values(&window);
            assert_eq!(values.len(), window.length as usize);
            let hop = (window.length - window.ramp()) as usize;
            for (rising, falling) in values.iter().zip(&values[hop..]) {
                let power = rising * rising + falling * falling;
                // A line under an arc of π/16 is off by half a per cent at most.
                assert!((power - 1.0).abs() < 0.012, "{window:?}: {power}");
            }
        }
    }

    #[test]
    fn a_window_begins_and_ends_in_silence_and_has_no_step() {
        for window in windows() {
            let values = values(&window);
            let steepest = 1.05 * FRAC_PI_2 / to_f32(window.ramp());
            assert_eq!(values[0], 0.0);
            assert!(values[values.len() - 1] <= steepest);
            assert!(values.windows(2).all(|pair| (pair[1] - pair[0]).abs() <= steepest), "{window:?}");
        }
    }

    #[test]
    fn means_are_what_they_are_said_to_be() {
        for window in windows() {
            let values = values(&window);
            let count = to_f32(window.length);
            let mean = values.iter().sum::<f32>() / count;
            let square = values.iter().map(|value| value * value).sum::<f32>() / count;
            let said = window.means();
            assert!(
                (said.0 - mean).abs() < 0.01 && (said.1 - square).abs() < 0.01,
                "{window:?} {mean} {square}"
            );
        }
    }

    #[test]
    fn no_ramp_is_shorter_than_a_millisecond() {
        for window in windows() {
            assert!(window.ramp() + window.segments > 48, "{window:?}");
        }
    }
}
