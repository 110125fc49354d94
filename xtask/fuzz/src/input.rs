//! Bytes, read as choices and numbers. After the end everything reads as zero.

/// What is left of an input.
pub(crate) struct Input<'a> {
    bytes: &'a [u8],
}

impl<'a> Input<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// All that is left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        core::mem::take(&mut self.bytes)
    }

    #[inline]
    pub(crate) fn byte(&mut self) -> u8 {
        match self.bytes.split_first() {
            Some((&first, rest)) => {
                self.bytes = rest;
                first
            }
            None => 0,
        }
    }

    pub(crate) fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// `true` once in so many times.
    pub(crate) fn one_in(&mut self, times: u8) -> bool {
        self.byte().is_multiple_of(times)
    }

    pub(crate) fn word(&mut self) -> u64 {
        let mut word = [0; 8];
        word.iter_mut().for_each(|byte| *byte = self.byte());
        u64::from_le_bytes(word)
    }

    /// A number below `limit`; 0 where there is none.
    #[inline]
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        let low = usize::from(self.byte());
        let number = if limit <= 256 { low } else { usize::from(self.byte()) << 8 | low };
        number.checked_rem(limit).unwrap_or(0)
    }

    /// Any number, but small ones and the neighbours of powers of two more often.
    pub(crate) fn number(&mut self) -> u64 {
        let kind = self.byte();
        match kind % 8 {
            0..=2 => u64::from(self.byte()),
            3 => u64::from(self.byte()) << 8 | u64::from(self.byte()),
            4 | 5 => (1_u64 << (self.byte() % 64)).wrapping_add(u64::from(kind >> 3)).wrapping_sub(16),
            6 => (u64::from(self.byte()) + 1) * 16,
            _ => self.word(),
        }
    }

    pub(crate) fn size(&mut self) -> usize {
        usize::try_from(self.number()).unwrap_or(usize::MAX)
    }
}
