//! Configurations from what is known about the requests: sizes, counts, or limits.

use crate::{
    class::{CLASSES, class_bytes, class_of},
    config::{Borrow, Config, MAX_POOLS, PoolConfig},
    error::ConfigError,
};
use core::alloc::Layout;

/// What a pool costs beside its blocks, in bytes: its line, its ledger, the first words of its bitmap, and some
/// rounding. Two classes are not worth two pools for less.
const POOL_BYTES: usize = 192;

/// How many blocks of each class are needed.
pub(crate) struct Demand {
    blocks: [usize; CLASSES],
}

impl Demand {
    pub(crate) const fn new() -> Self {
        Self { blocks: [0; CLASSES] }
    }

    /// Adds blocks of a class below [`CLASSES`].
    pub(crate) fn add(&mut self, class: usize, blocks: usize) {
        self.blocks[class] = self.blocks[class].saturating_add(blocks);
    }

    /// A pool for every class that is needed; neighbours are put together, the cheapest first, while they are more than a
    /// heap has pools or cost less together.
    pub(crate) fn config(mut self) -> Result<Config, ConfigError> {
        loop {
            let needed = self.blocks.iter().filter(|&&blocks| blocks > 0).count();
            let Some((cost, lower, upper)) = self.cheapest_to_join() else { break };
            if needed <= MAX_POOLS && cost > POOL_BYTES {
                break;
            }
            self.blocks[upper] = self.blocks[upper].saturating_add(self.blocks[lower]);
            self.blocks[lower] = 0;
        }
        let mut pools = [PoolConfig::new(0, 0); MAX_POOLS];
        let mut len = 0;
        let needed = self.blocks.iter().enumerate().filter(|&(_, &blocks)| blocks > 0);
        for (into, (class, &blocks)) in pools.iter_mut().zip(needed) {
            *into = PoolConfig::new(class_bytes(class), blocks);
            len += 1;
        }
        Config::new(&pools[..len])
    }

    /// The two neighbours that cost least when the larger serves both: how many bytes, and which classes.
    fn cheapest_to_join(&self) -> Option<(usize, usize, usize)> {
        let needed = || (0..CLASSES).filter(|&class| self.blocks[class] > 0);
        needed()
            .zip(needed().skip(1))
            .map(|(lower, upper)| {
                let cost = (class_bytes(upper) - class_bytes(lower)).saturating_mul(self.blocks[lower]);
                (cost, lower, upper)
            })
            .min()
    }
}

impl Config {
    /// Pools for requests of these sizes, in bytes, with `blocks_each` blocks for every time a size is listed.
    ///
    /// ```
    /// # use detalloc::Config;
    /// let config = Config::suggest(&[64, 128, 256, 1024], 16)?;
    /// assert!(config.pools().iter().map(|pool| (pool.block_bytes, pool.blocks)).eq(
    ///     [(64, 16), (128, 16), (256, 16), (1024, 16)]
    /// ));
    /// # Ok::<(), detalloc::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// [`ConfigError::NoPools`] if and only if there is no size or no block; [`ConfigError::BlockBytes`] if and only if one
    /// exceeds every class, with its position in the list; otherwise as [`Config::new`].
    ///
    /// # Time complexity
    /// Linear in the number of sizes, quadratic in the number of size classes.
    pub fn suggest(sizes_bytes: &[usize], blocks_each: usize) -> Result<Self, ConfigError> {
        Self::suggest_all(sizes_bytes.iter().map(|&size| (size, 1, blocks_each)))
    }

    /// Pools for so many blocks of each layout that are live at once.
    ///
    /// ```
    /// # use {core::alloc::Layout, detalloc::Config};
    /// let config = Config::suggest_counts(&[(Layout::new::<[f32; 64]>(), 32), (Layout::new::<u64>(), 500)])?;
    /// assert!(config.pools().iter().map(|pool| (pool.block_bytes, pool.blocks)).eq([(16, 500), (256, 32)]));
    /// # Ok::<(), detalloc::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// As [`Config::suggest`].
    ///
    /// # Time complexity
    /// As [`Config::suggest`].
    pub fn suggest_counts(counts: &[(Layout, usize)]) -> Result<Self, ConfigError> {
        Self::suggest_all(counts.iter().map(|&(layout, blocks)| (layout.size(), layout.align(), blocks)))
    }

    fn suggest_all(requests: impl Iterator<Item = (usize, usize, usize)>) -> Result<Self, ConfigError> {
        let mut demand = Demand::new();
        for (pool, (size_bytes, align_bytes, blocks)) in requests.enumerate() {
            let class = class_of(size_bytes, align_bytes);
            if class >= CLASSES {
                return Err(ConfigError::BlockBytes {
                    pool,
                    given: size_bytes,
                    nearest: class_bytes(CLASSES - 1),
                });
            }
            demand.add(class, blocks);
        }
        demand.config()
    }

    /// Pools that never refuse a program whose live requests are at most `max_request_bytes` each and
    /// `max_live_bytes` together, whatever it does: the worst case, for proofs rather than for use.
    ///
    /// With block sizes *b*₁ < … < *b*ₙ and *b*₀ = 0, the requests that pool *i* serves have at least *b*ᵢ₋₁ + 1 bytes,
    /// so at most ⌊*M* / (*b*ᵢ₋₁ + 1)⌋ of them are live at once, and the blocks take
    ///
    /// > Σᵢ *b*ᵢ · ⌊*M* / (*b*ᵢ₋₁ + 1)⌋
    ///
    /// bytes: about *n* · *M* · *b*ᵢ / *b*ᵢ₋₁. [`Config::bytes_needed`] adds the metadata. There is nothing to add for
    /// fragmentation, for blocks are never split. One block size a power of two makes this least, because each pool may
    /// have to hold everything. Requests count at least one byte, and are aligned to no more than their size rounded up
    /// to a power of two.
    ///
    /// ```
    /// # use detalloc::Config;
    /// // 64 KiB live, 1 KiB at most a request: 7 pools, each for 64 KiB and up to twice that.
    /// const CONFIG: Config = match Config::worst_case(65_536, 1024) {
    ///     Ok(config) => config,
    ///     Err(_) => panic!(),
    /// };
    /// assert_eq!(CONFIG.pools().len(), 7);
    /// ```
    ///
    /// # Errors
    /// [`ConfigError::Blocks`] if and only if a pool would need more blocks than one can have or none,
    /// [`ConfigError::BlockBytes`] if and only if `max_request_bytes` exceeds every class.
    ///
    /// # Time complexity
    /// Linear in the number of pools.
    pub const fn worst_case(max_live_bytes: usize, max_request_bytes: usize) -> Result<Self, ConfigError> {
        if class_of(max_request_bytes, 1) >= CLASSES {
            let nearest = class_bytes(CLASSES - 1);
            return Err(ConfigError::BlockBytes { pool: 0, given: max_request_bytes, nearest });
        }
        let mut pools = [PoolConfig::new(0, 0); MAX_POOLS];
        let (mut len, mut below, mut block_bytes) = (0, 0, 16);
        loop {
            pools[len] = PoolConfig::new(block_bytes, max_live_bytes / (below + 1));
            len += 1;
            if block_bytes >= max_request_bytes {
                break;
            }
            below = block_bytes;
            block_bytes *= 2;
        }
        match Self::new(pools.split_at(len).0) {
            Ok(config) => Ok(config.with_borrow(Borrow::Never)),
            Err(error) => Err(error),
        }
    }
}
