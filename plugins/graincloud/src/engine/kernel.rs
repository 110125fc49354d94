//! The inner loop: so many frames of one grain, interpolated, shaped and mixed.
//!
//! Four frames at a time, which is what every x86-64 and ARM64 has lanes for: one load of four neighbours a frame, a
//! transposition, and from there on only arithmetic that treats all lanes alike. What fills no four goes through the same
//! lanes, so the samples of a frame do not depend on where a run begins.

use super::{
    grain::{FRACTION_BITS, UNITY},
    window::Line,
};
use wide::{f32x4, i32x4};

/// Samples that interpolation takes: one before the position, and two behind the next.
pub(crate) const TAPS: usize = 4;

const LANES: usize = 4;

const FRACTION_MASK: i32 = (1 << FRACTION_BITS) - 1;

/// 2⁻²⁰.
const FRACTION_UNIT: f32 = 1.0 / 1_048_576.0;

/// Where a run of frames reads its slice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading<'s> {
    pub(crate) slice: &'s [f32],
    /// The position of the first frame's first tap, in 2⁻²⁰ samples of the slice.
    pub(crate) position: u32,
    /// What it rises by, a frame.
    pub(crate) step: u32,
}

/// Adds a run of frames to the left and the right, which have the same length. The slice has to cover it; what it does
/// not cover is left out.
///
/// # Time complexity
/// Linear in the number of frames.
#[inline]
pub(crate) fn mix(reading: Reading<'_>, line: &Line, gains: [f32; 2], left: &mut [f32], right: &mut [f32]) {
    let lanes = Lanes::new(line, gains);
    if reading.step == UNITY {
        mix_at_unity(reading, lanes, left, right);
    } else {
        mix_at_any_step(reading, lanes, left, right);
    }
}

#[inline(never)]
fn mix_at_any_step(reading: Reading<'_>, mut lanes: Lanes, left: &mut [f32], right: &mut [f32]) {
    let Reading { slice, mut position, step } = reading;
    let mut positions = i32x4::from(
        [0, 1, 2, 3].map(|lane: u32| position.wrapping_add(step.wrapping_mul(lane)).cast_signed()),
    );
    let stride = i32x4::splat(step.wrapping_mul(4).cast_signed());
    in_fours(left, right, |left, right, wanted| {
        let mut taps = |frame| {
            let index = (position >> FRACTION_BITS) as usize;
            position = position.wrapping_add(step);
            let taps = slice.get(index..index + TAPS).and_then(|taps| taps.first_chunk().copied());
            // What is not wanted may lie past the slice.
            taps.or((frame >= wanted).then_some([0.0; TAPS])).map(f32x4::from)
        };
        let taps = f32x4::transpose([taps(0)?, taps(1)?, taps(2)?, taps(3)?]);
        lanes.add(hermite(taps, fractions(positions)), left, right);
        positions += stride;
        Some(())
    });
}

/// The same arithmetic where every frame moves on by one sample: the fraction stays, and neighbours lie in a row.
#[inline(never)]
fn mix_at_unity(reading: Reading<'_>, mut lanes: Lanes, left: &mut [f32], right: &mut [f32]) {
    let Reading { slice, position, .. } = reading;
    let fraction = fractions(i32x4::splat(position.cast_signed()));
    let mut index = (position >> FRACTION_BITS) as usize;
    in_fours(left, right, |left, right, _| {
        // A rest that fills no four may reach past the slice.
        let taps = match slice.get(index..)?.first_chunk::<{ LANES + TAPS - 1 }>() {
            Some([a, b, c, d, e, f, g]) => {
                [[*a, *b, *c, *d], [*b, *c, *d, *e], [*c, *d, *e, *f], [*d, *e, *f, *g]]
            }
            None => [0, 1, 2, 3].map(|tap| {
                let mut taps = [0.0; LANES];
                let there = slice.get(index + tap..).unwrap_or_default();
                taps.iter_mut().zip(there).for_each(|(tap, sample)| *tap = *sample);
                taps
            }),
        };
        lanes.add(hermite(taps.map(f32x4::from), fraction), left, right);
        index += LANES;
        Some(())
    });
}

/// Calls `each` for four frames at a time, and once more, in a place apart, for the frames that are left; how many are
/// wanted is its last argument. Stops when it says `None`.
#[inline(always)]
fn in_fours(
    left: &mut [f32],
    right: &mut [f32],
    mut each: impl FnMut(&mut [f32; LANES], &mut [f32; LANES], usize) -> Option<()>,
) {
    let (left, left_rest) = left.as_chunks_mut::<LANES>();
    let (right, right_rest) = right.as_chunks_mut::<LANES>();
    for (left, right) in left.iter_mut().zip(right) {
        if each(left, right, LANES).is_none() {
            return;
        }
    }
    if !left_rest.is_empty() {
        let (mut left, mut right) = ([0.0; LANES], [0.0; LANES]);
        left.iter_mut().zip(&*left_rest).for_each(|(apart, sample)| *apart = *sample);
        right.iter_mut().zip(&*right_rest).for_each(|(apart, sample)| *apart = *sample);
        if each(&mut left, &mut right, left_rest.len()).is_some() {
            left_rest.iter_mut().zip(left).for_each(|(sample, apart)| *sample = apart);
            right_rest.iter_mut().zip(right).for_each(|(sample, apart)| *sample = apart);
        }
    }
}

/// What shapes and mixes the next four frames.
#[derive(Clone, Copy, Debug)]
struct Lanes {
    /// How far each frame is from the window's knot: whole numbers, so that counting on is exact.
    from: f32x4,
    stride: f32x4,
    knot: f32x4,
    rise: f32x4,
    left: f32x4,
    right: f32x4,
}

impl Lanes {
    #[inline(always)]
    fn new(line: &Line, [left, right]: [f32; 2]) -> Self {
        let direction = f32x4::splat(line.direction);
        Self {
            from: f32x4::splat(line.from) + direction * f32x4::from([0.0, 1.0, 2.0, 3.0]),
            stride: direction * f32x4::splat(4.0),
            knot: f32x4::splat(line.knot),
            rise: f32x4::splat(line.rise),
            left: f32x4::splat(left),
            right: f32x4::splat(right),
        }
    }

    /// Shapes four samples, adds them to both sides, and counts on.
    #[inline(always)]
    fn add(&mut self, samples: f32x4, left: &mut [f32; LANES], right: &mut [f32; LANES]) {
        let values = samples * (self.knot + self.rise * self.from);
        *left = (f32x4::from(*left) + values * self.left).to_array();
        *right = (f32x4::from(*right) + values * self.right).to_array();
        self.from += self.stride;
    }
}

/// The fractions of positions, in 0..1: exact, since a fraction has fewer digits than the mantissa.
#[inline(always)]
fn fractions(positions: i32x4) -> f32x4 {
    f32x4::from_i32x4(positions & i32x4::splat(FRACTION_MASK)) * f32x4::splat(FRACTION_UNIT)
}

/// The cubic through the two middle samples whose slope there is that of their neighbours (Catmull-Rom), as a polynomial
/// in the fraction.
#[inline(always)]
fn hermite([a, b, c, d]: [f32x4; TAPS], fraction: f32x4) -> f32x4 {
    let half = f32x4::splat(0.5);
    let slope = half * (c - a);
    let bend = b - c;
    let sum = slope + bend;
    let end = sum + half * (d - b) + bend;
    (((end * fraction) - (sum + end)) * fraction + slope) * fraction + b
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::limits::CELL;

    const LINE: Line = Line { frames: 64, knot: 0.25, rise: 0.5, from: 3.0, direction: 1.0 };

    fn slice() -> Vec<f32> {
        (0..300_u16).map(|index| (f32::from(index) * 0.1).sin()).collect()
    }

    fn mixed(position: u32, step: u32, frames: usize) -> ([f32; CELL], [f32; CELL]) {
        let (mut left, mut right) = ([0.125; CELL], [0.25; CELL]);
        let slice = slice();
        let reading = Reading { slice: &slice, position, step };
        mix(reading, &LINE, [0.5, 0.75], &mut left[..frames], &mut right[..frames]);
        (left, right)
    }

    #[test]
    fn a_sine_is_interpolated_shaped_and_mixed() {
        for step in [UNITY / 3, UNITY, 3 * UNITY + 12_345] {
            let (left, right) = mixed(UNITY / 4, step, CELL);
            for (frame, (left, right)) in (0_u16..).zip(left.iter().zip(&right)) {
                // The position lies behind the first of four taps.
                let at = f64::from(frame) * f64::from(step) / f64::from(UNITY) + 1.25;
                let value = (at * 0.1).sin() * (0.25 + 0.5 * (3.0 + f64::from(frame)));
                assert!(
                    (f64::from(*left) - 0.125 - 0.5 * value).abs() < 1e-3 * (1.0 + value.abs()),
                    "{step} {frame}"
                );
                assert!(
                    (f64::from(*right) - 0.25 - 0.75 * value).abs() < 1e-3 * (1.0 + value.abs()),
                    "{step} {frame}"
                );
            }
        }
    }

    #[test]
    fn a_frame_is_the_same_in_every_lane_and_in_the_rest() {
        for step in [UNITY / 3, UNITY, 3 * UNITY + 12_345] {
            let whole = mixed(12_345, step, CELL);
            for frames in 0..CELL {
                let part = mixed(12_345, step, frames);
                assert_eq!((&part.0[..frames], &part.1[..frames]), (&whole.0[..frames], &whole.1[..frames]));
                assert!(
                    part.0[frames..].iter().all(|left| *left == 0.125),
                    "nothing past the run is touched"
                );
            }
        }
    }

    #[test]
    fn a_slice_that_just_covers_the_run_is_enough() {
        let whole = slice();
        for step in [UNITY / 3, UNITY, 3 * UNITY + 12_345] {
            for frames in 1..=9_usize {
                let last = 12_345 + u32::try_from(frames - 1).unwrap() * step;
                let just = &whole[..(last >> FRACTION_BITS) as usize + TAPS];
                let mix = |slice| {
                    let mut sides = [[0.0; 9]; 2];
                    let [left, right] = &mut sides;
                    let reading = Reading { slice, position: 12_345, step };
                    mix(reading, &LINE, [0.5, 0.75], &mut left[..frames], &mut right[..frames]);
                    sides
                };
                assert_eq!(mix(just), mix(&whole), "{step} {frames}");
                assert!(mix(just)[0][frames - 1] != 0.0);
            }
        }
    }

    #[test]
    fn a_step_of_one_has_no_arithmetic_of_its_own() {
        let slice = slice();
        let reading = Reading { slice: &slice, position: 54_321, step: UNITY };
        let lanes = Lanes::new(&LINE, [0.5, 0.75]);
        let (mut unity, mut any) = ([[0.0; 63]; 2], [[0.0; 63]; 2]);
        let [left, right] = &mut unity;
        mix_at_unity(reading, lanes, left, right);
        let [left, right] = &mut any;
        mix_at_any_step(reading, lanes, left, right);
        assert_eq!(unity, any);
    }
}
