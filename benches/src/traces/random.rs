//! Random numbers that are the same everywhere.

/// xorshift64* from one seed. (S. Vigna, "An experimental exploration of Marsaglia's xorshift generators, scrambled",
/// 2016.)
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The generator at its start.
    #[expect(clippy::new_without_default, reason = "a default would not say that all are the same")]
    #[must_use]
    pub fn new() -> Self {
        Self(0x9E37_79B9_7F4A_7C15)
    }

    /// The next number, of 32 bits.
    pub fn next_u32(&mut self) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let [.., a, b, c, d] = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D).to_le_bytes();
        u32::from_le_bytes([a, b, c, d])
    }

    /// A number below `limit`, which is not zero.
    pub fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next_u32()).unwrap_or(0) % limit
    }

    /// A number in 0..1.
    pub fn unit(&mut self) -> f64 {
        f64::from(self.next_u32()) / 4_294_967_296.0
    }

    /// Brings a list into random order.
    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for last in (1..list.len()).rev() {
            list.swap(last, self.below(last + 1));
        }
    }
}
