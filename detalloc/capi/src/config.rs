//! Configurations, as C writes them.

use crate::error::{
    det_error_t::{self, *},
    noted,
};
use detalloc::{Borrow, Config, PoolConfig, Preset, class};

/// The most pools of a configuration: one bit of a word each, so 32 where a word has 32 bits. In the header by the width of its
/// `uintptr_t`.
pub const DET_MAX_POOLS: usize = detalloc::MAX_POOLS;

/// A `bool` whose byte may be anything: all but 0 are true.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Flag(u8);

impl Flag {
    pub(crate) const fn new(value: bool) -> Self {
        Self(value as u8)
    }

    /// Whether it is true.
    #[must_use]
    pub const fn is_set(self) -> bool {
        self.0 != 0
    }
}

/// A pool: blocks of one size.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct det_pool_config_t {
    /// Size of a block in bytes, rounded up to the next size there is: multiples of 16 up to 256, then 16 an octave.
    pub block_size: usize,
    /// Number of blocks, at least 1.
    pub block_count: usize,
}

/// What an allocator is to be. Begin with `det_default_config`, `det_config_for_use_case` or `det_suggest_config`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct det_config_t {
    /// How many of the pools below count.
    pub pool_count: usize,
    /// The pools; block sizes rise, also once they are rounded.
    pub pools: [det_pool_config_t; DET_MAX_POOLS],
    /// Count operations and measure their worst cycles; takes two readings of the cycle counter an operation.
    pub enable_stats: Flag,
    /// Check all metadata, and that no block is live, when the allocator is destroyed. Pointers are checked always, and
    /// `det_validate` works always.
    pub enable_validation: Flag,
    /// Any thread may allocate and free, without locks. Otherwise one thread at a time may, and others free through
    /// `det_remote_free`.
    pub thread_safe: Flag,
    /// A class that has run dry takes blocks of larger ones. Set by default.
    pub borrow_larger: Flag,
}

/// What an allocator is for.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum det_use_case_t {
    /// Audio processing: voices, events and buffers up to 16 KiB, 512 blocks live. Takes 2.2 MB.
    DET_USE_CASE_AUDIO = 0,
    /// Control loops: messages of 32 B to 2 KiB, 256 blocks live. Takes 60 KB.
    DET_USE_CASE_ROBOTICS = 1,
    /// Packets up to jumbo frames, 512 blocks live. Takes 600 KB.
    DET_USE_CASE_NETWORKING = 2,
    /// Small systems: 16 B to 256 B, 20 blocks live. Takes less than 5 KB.
    DET_USE_CASE_EMBEDDED = 3,
}

/// Ten pools that fit 4,096 bytes with everything around them, wherever these begin.
const DEFAULT: Config = Config::constant(&[
    PoolConfig::new(16, 4),
    PoolConfig::new(32, 2),
    PoolConfig::new(48, 1),
    PoolConfig::new(64, 1),
    PoolConfig::new(80, 1),
    PoolConfig::new(96, 1),
    PoolConfig::new(112, 1),
    PoolConfig::new(128, 1),
    PoolConfig::new(256, 1),
    PoolConfig::new(512, 1),
]);

const _: () = assert!(DEFAULT.bytes_needed() + crate::allocator::OVERHEAD_BYTES <= 4096);

impl det_config_t {
    const fn of(config: &Config) -> Self {
        let mut written = Self {
            pool_count: 0,
            pools: [const { det_pool_config_t { block_size: 0, block_count: 0 } }; DET_MAX_POOLS],
            enable_stats: Flag::new(true),
            enable_validation: Flag::new(true),
            thread_safe: Flag::new(false),
            borrow_larger: Flag::new(matches!(config.borrow(), Borrow::Larger)),
        };
        let pools = config.pools();
        while written.pool_count < pools.len() && written.pool_count < DET_MAX_POOLS {
            let PoolConfig { block_bytes, blocks } = pools[written.pool_count];
            written.pools[written.pool_count] =
                det_pool_config_t { block_size: block_bytes, block_count: blocks };
            written.pool_count += 1;
        }
        written
    }

    /// Checks what C wrote, and hands it on.
    ///
    /// # Safety
    /// (C1) and not null.
    pub(crate) unsafe fn with_checked<R>(
        config: *const Self,
        then: impl FnOnce(&Config) -> Result<R, det_error_t>,
    ) -> Result<R, det_error_t> {
        // SAFETY: the caller's promise.
        let (borrows, pool_count) = unsafe { ((*config).borrow_larger.is_set(), (*config).pool_count) };
        let borrow = if borrows { Borrow::Larger } else { Borrow::Never };
        // SAFETY: as above; as many pools as there can be lie there.
        unsafe {
            with_pools((&raw const (*config).pools).cast(), pool_count, |config| {
                then(&config.with_borrow(borrow))
            })
        }
    }
}

/// Checks pools that C wrote, with sizes rounded up to those there are, and hands the configuration on: to return it would take its
/// size in stack again, and there are tasks that have little. The pools are read before, and by their address: they may lie where
/// what it is handed on to writes.
///
/// # Safety
/// (C1), of `pool_count` pools, should there be no more than there can be.
#[inline]
pub(crate) unsafe fn with_pools<R>(
    pools: *const det_pool_config_t,
    pool_count: usize,
    then: impl FnOnce(&Config) -> Result<R, det_error_t>,
) -> Result<R, det_error_t> {
    if pools.is_null() {
        return Err(DET_ERR_NULL);
    }
    if pool_count > DET_MAX_POOLS {
        return Err(DET_ERR_INVALID_CONFIG);
    }
    let rounded = |number: usize| {
        // SAFETY: the caller's promise: there is a pool of every number that is asked for.
        let pool = unsafe { pools.add(number).read() };
        // What has no size that it could be rounded to is refused as it is.
        let has_size = pool.block_size > 0 && pool.block_size <= class::MAX_BLOCK_BYTES;
        let block_bytes = if has_size { class::block_bytes_for(pool.block_size, 1) } else { pool.block_size };
        PoolConfig::new(block_bytes, pool.block_count)
    };
    match &Config::from_fn(pool_count, rounded) {
        Ok(config) => then(config),
        Err(_) => Err(DET_ERR_INVALID_CONFIG),
    }
}

/// Ten pools of 16 to 512 bytes that fit a buffer of 4,096 bytes, wherever it begins; statistics and validation on.
///
/// @return The configuration.
///
/// Time: constant. Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn det_default_config() -> det_config_t {
    const WRITTEN: det_config_t = det_config_t::of(&DEFAULT);
    WRITTEN
}

/// The configuration for a use case; for a number that is none, one without pools, which `det_alloc_init` refuses, and
/// `DET_ERR_INVALID_PARAM` as `det_last_error(NULL)`.
///
/// @param use_case A det_use_case_t.
/// @return The configuration.
///
/// Time: constant. Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn det_config_for_use_case(use_case: i32) -> det_config_t {
    const WRITTEN: [det_config_t; 4] = [
        det_config_t::of(&Preset::Audio.config()),
        det_config_t::of(&Preset::Robotics.config()),
        det_config_t::of(&Preset::Networking.config()),
        det_config_t::of(&Preset::Embedded.config()),
    ];
    match usize::try_from(use_case).ok().and_then(|number| WRITTEN.get(number)) {
        Some(config) => *config,
        None => {
            noted(DET_ERR_INVALID_PARAM);
            det_config_t { pool_count: 0, ..det_default_config() }
        }
    }
}

/// How many blocks each size gets that is listed once.
const BLOCKS_EACH: usize = 16;

/// Writes pools for requests of these sizes in bytes into a configuration: 16 blocks for every time that a size is listed.
/// Sizes that differ by little share a pool. All else in the configuration becomes the default.
///
/// @param sizes The sizes in bytes.
/// @param count How many they are.
/// @param config Where the configuration is written.
/// @return DET_OK or the error.
///
/// Errors: `DET_ERR_NULL` for a null pointer; `DET_ERR_INVALID_PARAM` without sizes, where one exceeds every class, or where
/// they are so many that no configuration has that many blocks or bytes. The configuration is as it was then.
///
/// Time: linear in the number of sizes; not for real-time paths. Threads: any.
///
/// # Safety
/// (C1)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn det_suggest_config(
    sizes: *const usize,
    count: usize,
    config: *mut det_config_t,
) -> det_error_t {
    if sizes.is_null() || config.is_null() {
        return noted(DET_ERR_NULL);
    }
    if count == 0 || count > isize::MAX.unsigned_abs() / size_of::<usize>() {
        return noted(DET_ERR_INVALID_PARAM);
    }
    // SAFETY: (C1), and it is no larger than an object can be.
    let sizes = unsafe { core::slice::from_raw_parts(sizes, count) };
    match Config::suggest(sizes, BLOCKS_EACH) {
        // SAFETY: (C1); its bytes need not be initialised to be overwritten.
        Ok(suggested) => unsafe { config.write(det_config_t::of(&suggested)) },
        Err(_) => return noted(DET_ERR_INVALID_PARAM),
    }
    DET_OK
}
