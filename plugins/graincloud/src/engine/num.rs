//! The few lossy conversions that signal processing needs, each with its reason, and the removal of values that must
//! never leave.

/// A count of frames as a factor. Counts above 2²⁴ round to the nearest `f32`.
#[expect(clippy::cast_precision_loss, reason = "rounds; only lengths and gains are computed from it")]
pub(crate) const fn to_f32(count: u32) -> f32 {
    count as f32
}

/// A whole number of frames. Exact below 2⁵³, which is 1,900 years at 150 kHz.
#[expect(clippy::cast_precision_loss, reason = "see above")]
pub(crate) const fn to_f64(count: u64) -> f64 {
    count as f64
}

/// Towards zero; what does not fit saturates, and what is not a number is 0.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturation is what is wanted")]
pub(crate) const fn to_u32(value: f32) -> u32 {
    value as u32
}

/// Towards zero; what does not fit saturates, and what is not a number is 0.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturation is what is wanted")]
pub(crate) const fn to_u64(value: f64) -> u64 {
    value as u64
}

/// To the nearest `f32`.
#[expect(clippy::cast_possible_truncation, reason = "rounding is what is wanted")]
pub(crate) const fn narrow(value: f64) -> f32 {
    value as f32
}

/// Whole frames of a fixed-point number that is known to be small.
pub(crate) fn to_usize(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// A count that is known to be small.
pub(crate) fn small(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Replaces what is infinite, not a number or denormal by 0, and says how many there were.
///
/// # Time complexity
/// Linear, without a branch a sample.
pub(crate) fn sanitise(samples: &mut [f32]) -> u64 {
    const EXPONENT: u32 = 0x7F80_0000;
    let mut removed = 0_u32;
    for sample in samples {
        let bits = sample.to_bits();
        let exponent = bits & EXPONENT;
        let denormal = exponent == 0 && bits << 1 != 0;
        let bad = denormal | (exponent == EXPONENT);
        removed += u32::from(bad);
        *sample = f32::from_bits(if bad { 0 } else { bits });
    }
    u64::from(removed)
}

#[cfg(test)]
mod tests {
    use super::sanitise;

    #[test]
    fn only_what_must_not_leave_is_removed() {
        let mut samples = [
            1.0,
            -0.0,
            f32::NAN,
            f32::INFINITY,
            f32::NEG_INFINITY,
            1e-40,
            -1e-45,
            f32::MIN_POSITIVE,
            f32::MAX,
        ];
        assert_eq!(sanitise(&mut samples), 5);
        assert_eq!(samples, [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, f32::MIN_POSITIVE, f32::MAX]);
    }
}
