//! Conversions between counts and real numbers that `From` does not offer because they round. Each says what it
//! rounds and when.

/// A count as a real number; exact below 2^53, which no count of frames, bytes or nanoseconds here reaches.
#[expect(clippy::cast_precision_loss, reason = "exact below 2^53")]
pub fn real(count: u64) -> f64 {
    count as f64
}

/// The nearest count; 0 for anything negative or not a number, the largest count for anything beyond it.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, which is wanted"
)]
pub fn count(value: f64) -> u64 {
    value.round() as u64
}

/// The nearest single-precision number.
#[expect(clippy::cast_possible_truncation, reason = "rounding to single precision is the purpose")]
pub fn single(value: f64) -> f32 {
    value as f32
}

/// A count that is known to index memory, as an index.
///
/// # Panics
///
/// If and only if it exceeds the address space, so that it cannot be an index.
pub fn index(count: u64) -> usize {
    usize::try_from(count).expect("an index into memory fits an address")
}

/// A length in memory as a count.
pub fn length(len: usize) -> u64 {
    // No platform has addresses wider than 64 bits.
    len as u64
}
