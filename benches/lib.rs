//! What the benchmarks share: the sizes that a granular synth asks for, seeded.
//!
//! Times on a shared or virtual machine show the machine too. Read them as ratios between the rows of one run.

#![forbid(unsafe_code)]

use detalloc::{Config, PoolConfig, class::block_bytes_for};
use std::collections::BTreeMap;

/// A sequence of block sizes, in bytes, between 64 B and 16 KiB, with many small ones and few large: the same in every
/// run (xorshift64* from a fixed seed).
#[must_use]
pub fn grain_sizes(count: usize) -> Vec<usize> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = move || {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32
    };
    // 64 bytes doubled 0 to 7 times, and up to as much again.
    let size = move |_| {
        let octave = 64 << (random() % 8);
        usize::try_from(octave + random() % octave).unwrap_or(64)
    };
    (0..count).map(size).collect()
}

/// A configuration with a block for each of these sizes at once.
///
/// # Panics
/// When there is none: the sizes are of our own making.
#[must_use]
pub fn config_for(sizes: &[usize]) -> Config {
    let mut pools = BTreeMap::<usize, usize>::new();
    for &size in sizes {
        *pools.entry(block_bytes_for(size, 16)).or_default() += 1;
    }
    let pools: Vec<_> = pools.into_iter().map(|(bytes, blocks)| PoolConfig::new(bytes, blocks)).collect();
    Config::new(&pools).expect("grain sizes make a valid configuration")
}
