//! Inputs from a seed: of many lengths, fresh or earlier ones changed a little.
//!
//! Every input follows from the seed and its number alone, so a run can be repeated.

/// A small, seeded generator (xorshift64*).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A generator; neighbouring seeds have nothing in common.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        // The finish of splitmix64, so that no seed begins at zero or close to its neighbour.
        let mixed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        Self((mixed ^ mixed >> 31) | 1)
    }

    /// 64 bits.
    pub fn word(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number below `limit`, which is not zero.
    pub fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.word() >> 33).unwrap_or(0) % limit
    }
}

/// How many earlier inputs are kept to be changed.
const KEPT: usize = 16;

/// Inputs, one after the other.
#[derive(Clone, Debug)]
pub struct Inputs {
    random: Random,
    max_len: usize,
    kept: Vec<Vec<u8>>,
}

impl Inputs {
    /// Inputs of up to `max_len` bytes, and among them what becomes of `seeds` that are changed.
    #[must_use]
    pub fn new(seed: u64, max_len: usize, seeds: Vec<Vec<u8>>) -> Self {
        Self { random: Random::new(seed), max_len, kept: seeds }
    }

    /// Puts the next input into `bytes`.
    pub fn next_into(&mut self, bytes: &mut Vec<u8>) {
        bytes.clear();
        if !self.kept.is_empty() && self.random.below(3) == 0 {
            let from = self.random.below(self.kept.len());
            bytes.extend_from_slice(&self.kept[from]);
            for _ in 0..=self.random.below(8) {
                self.change(bytes);
            }
        } else {
            // As many of each order of magnitude.
            let bits = self.random.below(usize::try_from(self.max_len.ilog2()).unwrap_or(0) + 1);
            let len = self.random.below(1 << (bits + 1));
            while bytes.len() < len {
                bytes.extend_from_slice(&self.random.word().to_le_bytes());
            }
            bytes.truncate(len);
            self.skew(bytes);
        }
        bytes.truncate(self.max_len);
        if self.random.below(16) == 0 {
            let at = self.random.below(KEPT);
            match self.kept.get_mut(at) {
                Some(kept) => kept.clone_from(bytes),
                None => self.kept.push(bytes.clone()),
            }
        }
    }

    /// Makes some bytes likelier than others, in some inputs: what is done often is done in a row.
    fn skew(&mut self, bytes: &mut [u8]) {
        let mask = match self.random.below(4) {
            0 => 0x1F,
            1 => self.random.word().to_le_bytes()[0],
            _ => return,
        };
        bytes.iter_mut().for_each(|byte| *byte &= mask);
    }

    fn change(&mut self, bytes: &mut Vec<u8>) {
        let at = self.random.below(bytes.len() + 1);
        let byte = self.random.word().to_le_bytes()[0];
        let other = self.random.below(bytes.len() + 1);
        let (from, to) = (at.min(other), at.max(other));
        match self.random.below(6) {
            0 => bytes.insert(at, byte),
            1 => drop(bytes.drain(from..to.min(from + 16))),
            2 => {
                let part = bytes[from..to].to_vec();
                bytes.splice(at..at, part);
            }
            3 => {
                if let Some(there) = bytes.get_mut(at) {
                    *there = [0, 0xFF, 0x7F, 0x80][usize::from(byte) % 4];
                }
            }
            4 => {
                if let Some(there) = bytes.get_mut(at) {
                    *there ^= 1 << (byte % 8);
                }
            }
            _ => {
                if let Some(there) = bytes.get_mut(at) {
                    *there = byte;
                }
            }
        }
    }
}
