//! Chance that is the same in every render: Marsaglia's xorshift with a multiplied output (xorshift64*, Vigna 2016),
//! from a fixed seed.

#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) const fn new() -> Self {
        // Any odd constant will do; this is 2⁶⁴ divided by the golden ratio.
        Self(0x9E37_79B9_7F4A_7C15)
    }

    /// Uniform in 0..1.
    pub(crate) fn unit(&mut self) -> f32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let [a, b, c, d, ..] = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D).to_be_bytes();
        // The 23 highest bits, as the mantissa of a number in 1..2.
        f32::from_bits(0x3F80_0000 | u32::from_be_bytes([a, b, c, d]) >> 9) - 1.0
    }

    /// Uniform in -1..1.
    pub(crate) fn bipolar(&mut self) -> f32 {
        2.0 * self.unit() - 1.0
    }
}

#[cfg(test)]
mod tests {
    use super::Rng;

    #[test]
    fn numbers_are_uniform_and_repeatable() {
        let (mut rng, mut again) = (Rng::new(), Rng::new());
        let mut tenths = [0; 10];
        for _ in 0..100_000 {
            let unit = rng.unit();
            assert_eq!(unit.to_bits(), again.unit().to_bits());
            assert!((0.0..1.0).contains(&unit));
            tenths[super::super::num::to_u32(unit * 10.0) as usize] += 1;
        }
        assert!(tenths.iter().all(|count| (9_600..10_400).contains(count)), "{tenths:?}");
    }
}
