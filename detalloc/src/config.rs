//! Which pools a heap has: checked and sized in `const`.
//!
//! A [`Config`] exists only where it can work: [`Config::new`] refuses all others with a [`ConfigError`] that
//! says what would fit, and [`Config::constant`] does so when it is compiled. What a configuration needs is
//! known before any memory is: with *n*ᵢ blocks of *b*ᵢ bytes in pool *i*,
//!
//! > [`Config::bytes_needed`] = Σᵢ *n*ᵢ · *b*ᵢ + metadata + alignment
//!
//! exactly, where the metadata is about a kilobyte, a hundred bytes a pool, two bits a block and at most some
//! 4 KiB of page table. Each pool begins at a multiple of its alignment and of a page of that table, 64 bytes
//! in small heaps; and the strictest alignment is added once, for regions that start anywhere.
//!
//! What it does not say: which pools a program needs. Take a [`Preset`](crate::Preset) to begin with,
//! [`Config::suggest`] where the sizes are known, a [`Profile`](crate::Profile) of what really happens, and
//! [`Config::worst_case`] where nothing but limits is known.

use crate::{
    class::{MAX_BLOCK_BYTES, block_bytes_for},
    error::ConfigError,
    plan::Plan,
    pool::SHORT_BLOCKS,
};
use core::alloc::Layout;

/// The most pools a heap has: one bit of a word each.
pub const MAX_POOLS: usize = usize::BITS as usize;

/// The most blocks a pool has: four levels of words, or two without the feature `large-pools`.
pub const MAX_BLOCKS: usize = if LARGE_POOLS { SHORT_BLOCKS * SHORT_BLOCKS } else { SHORT_BLOCKS };

/// Whether pools may have more than two levels of words.
pub(crate) const LARGE_POOLS: bool = cfg!(feature = "large-pools");

/// One pool: how large its blocks are, and how many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolConfig {
    /// Size of a block, in bytes: one of [`class::class_bytes`](crate::class::class_bytes).
    pub block_bytes: usize,
    /// Number of blocks: 1 to [`MAX_BLOCKS`].
    pub blocks: usize,
}

impl PoolConfig {
    /// A pool of `blocks` blocks of `block_bytes` bytes.
    #[must_use]
    pub const fn new(block_bytes: usize, blocks: usize) -> Self {
        Self { block_bytes, blocks }
    }

    /// A pool of `blocks` blocks, each of which holds a value of this layout, if that is aligned to at most
    /// [`MAX_ALIGN_BYTES`](crate::MAX_ALIGN_BYTES).
    #[must_use]
    pub const fn holding(layout: Layout, blocks: usize) -> Self {
        Self { block_bytes: block_bytes_for(layout.size(), layout.align()), blocks }
    }
}

/// What happens when a class has no free block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Borrow {
    /// The request takes a block of the next larger class that has one. The block goes home by its address.
    #[default]
    Larger,
    /// The request is refused.
    Never,
}

/// A configuration that was checked: a heap can be built from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    pools: [PoolConfig; MAX_POOLS],
    len: usize,
    borrow: Borrow,
}

impl Config {
    /// Checks a configuration. Block sizes rise from pool to pool.
    ///
    /// # Errors
    /// [`ConfigError`] names the first pool that cannot be, and what would fit.
    ///
    /// # Time complexity
    /// Linear in the number of pools. Not for real-time paths.
    pub const fn new(pools: &[PoolConfig]) -> Result<Self, ConfigError> {
        let mut config = Self::of_len(pools.len());
        let mut pool = 0;
        while pool < pools.len() && pool < MAX_POOLS {
            config.pools[pool] = pools[pool];
            pool += 1;
        }
        match config.check() {
            Ok(()) => Ok(config),
            Err(error) => Err(error),
        }
    }

    /// As [`Config::new`], for pools that some other type describes: `pool` is asked for each, by its number. There is no second
    /// array of them, which small stacks have no room for.
    ///
    /// # Errors
    /// As [`Config::new`].
    ///
    /// # Time complexity
    /// As [`Config::new`], and one call of `pool` for each.
    pub fn from_fn(count: usize, mut pool: impl FnMut(usize) -> PoolConfig) -> Result<Self, ConfigError> {
        // One place, from here to the caller's.
        let mut made = Ok(Self::of_len(count));
        let checked = made.as_mut().map_or(Ok(()), |config: &mut Self| {
            for (number, into) in config.pools.iter_mut().take(count).enumerate() {
                *into = pool(number);
            }
            config.check()
        });
        if let Err(error) = checked {
            made = Err(error);
        }
        made
    }

    /// A configuration of so many pools, none of which is one that can be.
    const fn of_len(len: usize) -> Self {
        Self { pools: [PoolConfig::new(0, 0); MAX_POOLS], len, borrow: Borrow::Larger }
    }

    /// What [`Config::new`] promises. Never inlined, so that the stack of its plan is given back before the heap's is made.
    #[inline(never)]
    const fn check(&self) -> Result<(), ConfigError> {
        if self.len == 0 {
            return Err(ConfigError::NoPools);
        }
        if self.len > MAX_POOLS {
            return Err(ConfigError::TooManyPools { given: self.len, max: MAX_POOLS });
        }
        let pools = self.pools();
        let mut pool = 0;
        while pool < pools.len() {
            let PoolConfig { block_bytes, blocks } = pools[pool];
            let in_grid = block_bytes > 0 && block_bytes <= MAX_BLOCK_BYTES;
            let nearest = if in_grid {
                block_bytes_for(block_bytes, 1)
            } else if block_bytes == 0 {
                block_bytes_for(1, 1)
            } else {
                MAX_BLOCK_BYTES
            };
            if block_bytes != nearest {
                return Err(ConfigError::BlockBytes { pool, given: block_bytes, nearest });
            }
            if pool > 0 && block_bytes <= pools[pool - 1].block_bytes {
                let above = pools[pool - 1].block_bytes + 1;
                return Err(ConfigError::NotAscending {
                    pool,
                    given: block_bytes,
                    least: block_bytes_for(above, 1),
                });
            }
            if blocks == 0 || blocks > MAX_BLOCKS {
                return Err(ConfigError::Blocks { pool, given: blocks, max: MAX_BLOCKS });
            }
            pool += 1;
        }
        let mut plan = Plan::EMPTY;
        match plan.lay(self) {
            Some(()) => Ok(()),
            None => Err(self.too_large()),
        }
    }

    /// Which pool of a configuration that exceeds the address space is the first to do so.
    #[cold]
    #[inline(never)]
    const fn too_large(&self) -> ConfigError {
        let mut tried = *self;
        let mut pool = 0;
        tried.len = 1;
        while pool < MAX_POOLS - 1 && Plan::of(&tried).is_some() {
            pool += 1;
            tried.len = pool + 1;
        }
        let given = tried.pools[pool].blocks;
        let (mut max, mut step) = (0, MAX_BLOCKS);
        while step > 0 {
            tried.pools[pool].blocks = max + step;
            if max + step < given && Plan::of(&tried).is_some() {
                max += step;
            }
            step /= 2;
        }
        ConfigError::TooLarge { pool, given, max }
    }

    /// The same for a constant: a configuration that cannot work does not compile.
    ///
    /// ```compile_fail,E0080
    /// # use detalloc::{Config, PoolConfig};
    /// const BAD: Config = Config::constant(&[PoolConfig::new(64, 8), PoolConfig::new(64, 8)]);
    /// # let _ = BAD;
    /// ```
    ///
    /// # Panics
    /// When [`Config::new`] returns an error; in a constant that is a compile error.
    #[must_use]
    pub const fn constant(pools: &[PoolConfig]) -> Self {
        match Self::new(pools) {
            Ok(config) => config,
            Err(ConfigError::NoPools) => panic!("a heap needs at least one pool"),
            Err(ConfigError::TooManyPools { .. }) => panic!("too many pools"),
            Err(ConfigError::BlockBytes { .. }) => panic!("a block size is not one of the size classes"),
            Err(ConfigError::NotAscending { .. }) => panic!("block sizes must rise from pool to pool"),
            Err(ConfigError::Blocks { .. }) => panic!("a pool has no block or too many"),
            Err(ConfigError::AlignBytes { .. }) => panic!("an alignment is stricter than any block's"),
            Err(ConfigError::TooLarge { .. }) => panic!("the pools together exceed the address space"),
        }
    }

    /// The same pools, with another answer to a class that has run dry.
    #[must_use]
    pub const fn with_borrow(mut self, borrow: Borrow) -> Self {
        self.borrow = borrow;
        self
    }

    /// The pools, smallest blocks first.
    #[must_use]
    pub const fn pools(&self) -> &[PoolConfig] {
        match self.pools.split_at_checked(self.len) {
            Some((pools, _)) => pools,
            // `Config::new` bounds it.
            None => &self.pools,
        }
    }

    /// What happens when a class has no free block.
    #[must_use]
    pub const fn borrow(&self) -> Borrow {
        self.borrow
    }

    /// The memory this configuration needs when the region has the alignment of this layout: metadata and
    /// blocks, nothing else.
    #[must_use]
    pub const fn layout(&self) -> Layout {
        // A `Config` exists only where there is a plan.
        let Some(plan) = Plan::of(self) else { unreachable!() };
        let before_blocks = plan.blocks.next_multiple_of(plan.align);
        match Layout::from_size_align(before_blocks + (plan.bytes - plan.blocks), plan.align) {
            Ok(layout) => layout,
            // `Plan::of` bounds the size and its alignment is a power of two.
            Err(_) => unreachable!(),
        }
    }

    /// The memory this configuration needs wherever the region starts, in bytes: metadata, blocks, and what
    /// the worst misalignment costs.
    // Never inlined: its plan takes more stack than small tasks have to spare beside a configuration's check.
    #[inline(never)]
    #[must_use]
    pub const fn bytes_needed(&self) -> usize {
        let mut plan = Plan::EMPTY;
        match plan.lay(self) {
            Some(()) => plan.bytes + plan.align - 1,
            // A `Config` exists only where there is a plan; and without a panic, C programs need no panic handler.
            None => usize::MAX,
        }
    }
}

// What only shows where addresses have 32 bits.
#[cfg(target_pointer_width = "32")]
const _: () = assert!(matches!(
    Config::new(&[PoolConfig::new(16, 4), PoolConfig::new(MAX_BLOCK_BYTES, 9)]),
    Err(ConfigError::TooLarge { pool: 1, given: 9, max: 7 })
));
