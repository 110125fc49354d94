//! Configurations from what is known about the requests: sizes, counts, or limits.
//!
//! Every request gets a pool whose blocks hold it and are aligned enough. Classes that are neighbours share a
//! pool where that takes less memory than two, or where they are more than a heap has pools; a pool that two
//! classes share has the blocks of both. A suggestion takes some 6 KiB of stack and nothing else.

use crate::{
    class::{CLASSES, GRANULE_BYTES, MAX_BLOCK_BYTES, class_bytes, class_of},
    config::{Borrow, Config, MAX_POOLS, PoolConfig},
    error::ConfigError,
    plan::MAX_ALIGN_BYTES,
};
use core::{alloc::Layout, mem};

/// What a pool costs beside its blocks, in bytes: its line, its ledger, the first words of its bitmap, and
/// some rounding. Two classes are not worth two pools for less.
const POOL_BYTES: usize = 192;

/// How many blocks of each class are needed, and how aligned.
pub(crate) struct Demand {
    classes: [Class; CLASSES],
}

#[derive(Clone, Copy)]
struct Class {
    blocks: usize,
    /// The strictest alignment that is asked for, in bytes.
    align_bytes: usize,
}

impl Class {
    const NONE: Self = Self { blocks: 0, align_bytes: 1 };
}

impl Demand {
    pub(crate) const fn new() -> Self {
        Self { classes: [Class::NONE; CLASSES] }
    }

    /// Adds blocks of a class below [`CLASSES`].
    pub(crate) fn add(&mut self, class: usize, align_bytes: usize, blocks: usize) {
        if let Some(into) = self.classes.get_mut(class) {
            into.blocks = into.blocks.saturating_add(blocks);
            into.align_bytes = into.align_bytes.max(align_bytes);
        }
    }

    /// A pool for every class that is needed; neighbours are put together, the cheapest first, while they are
    /// more than a heap has pools or cost less together.
    pub(crate) fn config(mut self) -> Result<Config, ConfigError> {
        loop {
            let needed = self.needed(0).count();
            let Some((cost, lowest, joint)) = self.cheapest_to_join() else { break };
            if needed <= MAX_POOLS && cost > POOL_BYTES {
                break;
            }
            for class in lowest..joint {
                let Some(emptied) = self.classes.get_mut(class) else { break };
                let Class { blocks, align_bytes } = mem::replace(emptied, Class::NONE);
                self.add(joint, align_bytes, blocks);
            }
        }
        let mut pools = [PoolConfig::new(0, 0); MAX_POOLS];
        let mut len = 0;
        for (into, (number, class)) in pools.iter_mut().zip(self.needed(0)) {
            *into = PoolConfig::new(class_bytes(number), class.blocks);
            len += 1;
        }
        Config::new(pools.get(..len).unwrap_or(&pools))
    }

    /// The classes from this one on that are needed, with their numbers.
    fn needed(&self, from: usize) -> impl Iterator<Item = (usize, &Class)> {
        self.classes.iter().enumerate().skip(from).filter(|(_, class)| class.blocks > 0)
    }

    /// The neighbours that cost least when one pool serves them: how many bytes, the lowest of their classes,
    /// and the class that serves all up to it.
    fn cheapest_to_join(&self) -> Option<(usize, usize, usize)> {
        let join = |((lower, class), (upper, _)): ((usize, &Class), (usize, &Class))| {
            // The next class that is needed anyway and has the lower one's alignment. Never one in between: requests that
            // have moved past it would come back.
            let align_bytes = class.align_bytes;
            let mut above = self.needed(upper).map(|(number, _)| number);
            let aligned = above.find(|&number| class_bytes(number) & (align_bytes - 1) == 0);
            let above_all = || {
                let last = self.needed(upper).last();
                last.map_or(upper, |(last, _)| class_of(class_bytes(last), align_bytes))
            };
            let joint = aligned.unwrap_or_else(above_all);
            let cost = |(number, class): (usize, &Class)| {
                (class_bytes(joint) - class_bytes(number)).saturating_mul(class.blocks)
            };
            let joined = self.needed(lower).take_while(|&(number, _)| number < joint);
            let cost = joined.fold(0_usize, |sum, class| sum.saturating_add(cost(class)));
            (cost, lower, joint)
        };
        self.needed(0).zip(self.needed(0).skip(1)).map(join).min()
    }
}

impl Config {
    /// Pools for requests of these sizes, in bytes, with `blocks_each` blocks for every time a size is
    /// listed. Sizes that differ by little share a pool.
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
    /// [`ConfigError::NoPools`] if and only if there is no size or no block; [`ConfigError::BlockBytes`] if
    /// and only if one exceeds every class, with its position in the list; otherwise as [`Config::new`].
    ///
    /// # Time complexity
    /// Linear in the number of sizes, cubic at worst in the number of size classes. Not for real-time paths.
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
    /// As [`Config::suggest`]; [`ConfigError::AlignBytes`] if and only if a layout is aligned to more than
    /// [`MAX_ALIGN_BYTES`], with its position in the list.
    ///
    /// # Time complexity
    /// As [`Config::suggest`].
    pub fn suggest_counts(counts: &[(Layout, usize)]) -> Result<Self, ConfigError> {
        Self::suggest_all(counts.iter().map(|&(layout, blocks)| (layout.size(), layout.align(), blocks)))
    }

    fn suggest_all(requests: impl Iterator<Item = (usize, usize, usize)>) -> Result<Self, ConfigError> {
        let mut demand = Demand::new();
        for (pool, (size_bytes, align_bytes, blocks)) in requests.enumerate() {
            if align_bytes > MAX_ALIGN_BYTES {
                return Err(ConfigError::AlignBytes { pool, given: align_bytes, max: MAX_ALIGN_BYTES });
            }
            let class = class_of(size_bytes, align_bytes);
            if class >= CLASSES {
                return Err(ConfigError::BlockBytes { pool, given: size_bytes, nearest: MAX_BLOCK_BYTES });
            }
            demand.add(class, align_bytes, blocks);
        }
        demand.config()
    }

    /// Pools that never refuse a program whose live requests are at most `max_request_bytes` each and
    /// `max_live_bytes` together, whatever it does: the worst case, for proofs rather than for use.
    ///
    /// With block sizes *b*₁ < … < *b*ₙ and *b*₀ = 0, a request that pool *i* serves has more than *b*ᵢ₋₁
    /// bytes, so with *M* bytes live at most ⌊*M* / (*b*ᵢ₋₁ + 1)⌋ of them are live at once, and the
    /// blocks take
    ///
    /// > Σᵢ *b*ᵢ · ⌊*M* / (*b*ᵢ₋₁ + 1)⌋
    ///
    /// bytes. Here *b*ᵢ = 16 · 2^(*i* − 1), up to the first that holds the largest request: that is 16 *M*
    /// for requests of a single byte, and nearly 2 *M* for each further pool. (No other ratio than 2 takes
    /// more than 6 % off, for *r* / ln *r* is least at *e*. The bounds of allocators that split and merge are
    /// in J. M. Robson, "Bounds for some functions concerning dynamic storage allocation", JACM 21(3), 1974.)
    /// [`Config::bytes_needed`] adds the metadata, [`Config::worst_case_bytes`] says all of it. There is
    /// nothing to add for fragmentation: blocks are never split.
    ///
    /// Requests count at least one byte, and are aligned to no more than their size rounded up to a power of
    /// two, at most [`MAX_ALIGN_BYTES`]. Nothing is borrowed. Blocks that other threads free live until they
    /// are adopted.
    ///
    /// ```
    /// # use detalloc::Config;
    /// // 64 KiB live, 1 KiB at most a request.
    /// const CONFIG: Config = match Config::worst_case(65_536, 1024) {
    ///     Ok(config) => config,
    ///     Err(_) => panic!(),
    /// };
    /// assert_eq!(CONFIG.pools().len(), 7);
    /// ```
    ///
    /// # Errors
    /// [`ConfigError::BlockBytes`] if and only if a request could exceed every class; [`ConfigError::Blocks`]
    /// if and only if a pool would need more blocks than one can have, or nothing may be live; otherwise as
    /// [`Config::new`].
    ///
    /// # Time complexity
    /// Linear in the number of pools.
    pub const fn worst_case(max_live_bytes: usize, max_request_bytes: usize) -> Result<Self, ConfigError> {
        // A request that is larger is never live.
        let largest = if max_request_bytes < max_live_bytes { max_request_bytes } else { max_live_bytes };
        if largest > MAX_BLOCK_BYTES {
            return Err(ConfigError::BlockBytes { pool: 0, given: largest, nearest: MAX_BLOCK_BYTES });
        }
        let mut pools = [PoolConfig::new(0, 0); MAX_POOLS];
        let (mut len, mut below, mut block_bytes) = (0, 0, GRANULE_BYTES);
        loop {
            pools[len] = PoolConfig::new(block_bytes, max_live_bytes / (below + 1));
            len += 1;
            if block_bytes >= largest {
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

    /// The memory with which no such program is ever refused, wherever the region starts, in bytes: what
    /// [`Config::worst_case`] needs.
    ///
    /// # Errors
    /// As [`Config::worst_case`].
    ///
    /// # Time complexity
    /// As [`Config::worst_case`].
    pub const fn worst_case_bytes(
        max_live_bytes: usize,
        max_request_bytes: usize,
    ) -> Result<usize, ConfigError> {
        match Self::worst_case(max_live_bytes, max_request_bytes) {
            Ok(config) => Ok(config.bytes_needed()),
            Err(error) => Err(error),
        }
    }
}
