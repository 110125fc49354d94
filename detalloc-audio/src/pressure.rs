//! Pressure: what a callback can do before an allocation is refused.

/// The share of a class's blocks below which it counts as low.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LowWater {
    percent: u8,
}

impl LowWater {
    /// At most 100 percent.
    pub(crate) fn percent(percent: u8) -> Self {
        Self { percent: percent.min(100) }
    }

    /// Whether so many free blocks out of so many are few. None always is.
    #[inline]
    pub(crate) fn is_low(self, free: usize, blocks: usize) -> bool {
        free.saturating_mul(100) <= blocks.saturating_mul(self.percent.into())
    }
}

/// What is left of a class that is low.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pressure {
    /// Free blocks. What other threads have freed since the callback began, and what larger classes could lend, is not
    /// among them.
    pub free_blocks: usize,
    /// All blocks of the class.
    pub blocks: usize,
}

#[cfg(test)]
mod tests {
    use super::LowWater;

    #[test]
    fn low_is_at_or_below_the_share() {
        let ten = LowWater::percent(10);
        assert!(ten.is_low(0, 64) && ten.is_low(6, 64) && !ten.is_low(7, 64));
        assert!(LowWater::percent(0).is_low(0, 64) && !LowWater::percent(0).is_low(1, 64));
        assert!(LowWater::percent(255).is_low(64, 64));
    }
}
