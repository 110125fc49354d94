//! The allocator: what lies at the start of the caller's buffer, and how it begins and ends.

use crate::{
    config::{det_config_t, det_pool_config_t, with_pools},
    error::{
        LastError,
        det_error_t::{self, *},
        handle_or_null, noted,
    },
    internal,
    sealed::{self, InBuffer, Sealed},
    stats::Counts,
};
use core::{
    cell::UnsafeCell,
    ffi::c_void,
    sync::atomic::{AtomicU8, Ordering::Relaxed},
};
use detalloc::{Config, Heap, Meter};
#[cfg(target_has_atomic = "ptr")]
use detalloc::{RemoteFree, SharedHeap};

/// An allocator in a buffer of the caller's.
pub struct det_allocator_t(
    #[expect(dead_code, reason = "only its address is used, as that of what lies behind the seal")]
    InBuffer<Allocator>,
);

/// Behind the seal.
pub(crate) struct Allocator {
    pub(crate) mode: Mode,
    pub(crate) last_error: LastError,
    pub(crate) ways: Ways,
    is_validated: bool,
    pub(crate) counts: Counts,
}

impl Sealed for Allocator {
    const MARK: usize = 0x0DE7_A111;
}

/// What keeps operations off the short way: none of it, and the heap is reached by one comparison. Relaxed everywhere: read by the
/// thread that wrote it, or of an allocator whose threads may each see it as it was.
pub(crate) struct Ways(AtomicU8);

impl Ways {
    const SHARED: u8 = 1;
    const STATS: u8 = 2;
    /// A hook runs (C4).
    const BUSY: u8 = 4;

    fn new(is_shared: bool, has_stats: bool) -> Self {
        Self(AtomicU8::new(u8::from(is_shared) * Self::SHARED + u8::from(has_stats) * Self::STATS))
    }

    #[inline]
    pub(crate) fn is_short(&self) -> bool {
        self.0.load(Relaxed) == 0
    }

    #[inline]
    pub(crate) fn has_stats(&self) -> bool {
        self.0.load(Relaxed) & Self::STATS != 0
    }

    #[inline]
    pub(crate) fn is_shared(&self) -> bool {
        self.0.load(Relaxed) & Self::SHARED != 0
    }

    /// Whether a hook runs.
    pub(crate) fn is_busy(&self) -> bool {
        self.0.load(Relaxed) & Self::BUSY != 0
    }

    /// Whether a hook runs that keeps everybody from the heap.
    #[inline]
    pub(crate) fn is_barred(&self) -> bool {
        self.0.load(Relaxed) & (Self::BUSY | Self::SHARED) == Self::BUSY
    }

    /// Runs a hook, unless one runs, on this thread or another one: so whoever clears the bit is who has set it.
    pub(crate) fn while_busy(&self, hook: impl FnOnce()) {
        let ways = self.0.load(Relaxed) & !Self::BUSY;
        if self.set_busy(ways) {
            hook();
            self.0.store(ways, Relaxed);
        }
    }

    /// Whether it was this call that set the bit. The other bits never change.
    #[cfg(target_has_atomic = "8")]
    fn set_busy(&self, ways: u8) -> bool {
        self.0.swap(ways | Self::BUSY, Relaxed) & Self::BUSY == 0
    }

    /// The same where there is no mode in which two threads could ask at once.
    #[cfg(not(target_has_atomic = "8"))]
    fn set_busy(&self, ways: u8) -> bool {
        let was_busy = self.is_busy();
        self.0.store(ways | Self::BUSY, Relaxed);
        !was_busy
    }
}

/// Who may use it.
pub(crate) enum Mode {
    /// One thread at a time; others free from afar.
    Owned(Owned),
    /// Any thread.
    #[cfg(target_has_atomic = "ptr")]
    Shared(SharedHeap<'static>),
}

pub(crate) struct Owned {
    pub(crate) heap: UnsafeCell<Heap<'static>>,
    pub(crate) meter: Meter<'static>,
    #[cfg(target_has_atomic = "ptr")]
    pub(crate) remote: RemoteFree<'static>,
}

/// What an allocator takes beside its heap, wherever the buffer begins, in bytes.
pub(crate) const OVERHEAD_BYTES: usize = sealed::bytes_needed::<Allocator>();

// What `det_validate` says of it.
const _: () = assert!(OVERHEAD_BYTES < 512);

impl det_allocator_t {
    /// # Safety
    /// (C1)
    #[inline]
    pub(crate) unsafe fn open<'a>(handle: *mut Self) -> Result<&'a Allocator, det_error_t> {
        // SAFETY: the caller's promise; a handle is the address of what lies behind the seal.
        unsafe { sealed::open(handle.cast()) }
    }
}

/// What an allocator is besides its pools.
#[derive(Clone, Copy)]
struct Options {
    is_shared: bool,
    has_stats: bool,
    is_validated: bool,
}

impl Options {
    /// Those of `det_alloc_init_pools`.
    const PLAIN: Self = Self { is_shared: false, has_stats: false, is_validated: false };

    /// # Safety
    /// (C1) and not null.
    unsafe fn of(config: *const det_config_t) -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            Self {
                is_shared: (*config).thread_safe.is_set(),
                has_stats: (*config).enable_stats.is_set(),
                is_validated: (*config).enable_validation.is_set(),
            }
        }
    }
}

/// Hands on what a configuration of C's says, checked, and apart from it: it may lie in the buffer, which is about to be written.
///
/// # Safety
/// (C1)
unsafe fn with_config<R>(
    config: *const det_config_t,
    then: impl FnOnce(&Config, Options) -> Result<R, det_error_t>,
) -> Result<R, det_error_t> {
    if config.is_null() {
        return Err(DET_ERR_NULL);
    }
    // SAFETY: the caller's promise, and not null.
    let options = unsafe { Options::of(config) };
    // SAFETY: as above.
    unsafe { det_config_t::with_checked(config, |checked| then(checked, options)) }
}

/// What an allocator needs, in bytes.
fn bytes_needed(config: &Config, is_shared: bool) -> Result<usize, det_error_t> {
    let heap = match is_shared {
        #[cfg(target_has_atomic = "ptr")]
        true => SharedHeap::bytes_needed(config),
        #[cfg(not(target_has_atomic = "ptr"))]
        true => return Err(DET_ERR_UNSUPPORTED),
        false => config.bytes_needed(),
    };
    // More than an object can have is what a heap needs that exceeds the address space, or only just does not.
    let bytes = heap.checked_add(OVERHEAD_BYTES).filter(|&bytes| bytes <= isize::MAX.unsigned_abs());
    bytes.ok_or(DET_ERR_INVALID_CONFIG)
}

/// The answer to C, with the error noted.
fn bytes_or_zero(needed: Result<usize, det_error_t>) -> usize {
    needed.unwrap_or_else(|error| {
        noted(error);
        0
    })
}

/// The bytes that a buffer needs for this configuration, wherever it begins: at most PTRDIFF_MAX. 0 where the configuration
/// cannot be.
///
/// @param config The configuration.
/// @return The bytes.
///
/// Errors, as `det_last_error(NULL)`: `DET_ERR_NULL`; `DET_ERR_INVALID_CONFIG`; `DET_ERR_UNSUPPORTED` for `thread_safe`
/// on a target without atomic exchanges.
///
/// Time: linear in the number of pools. Threads: any.
///
/// # Safety
/// (C1)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn det_alloc_size(config: *const det_config_t) -> usize {
    // SAFETY: (C1)
    bytes_or_zero(unsafe { with_config(config, |config, options| bytes_needed(config, options.is_shared)) })
}

/// As `det_alloc_size`, for `det_alloc_init_pools`.
///
/// @param pools The pools; block sizes rise.
/// @param pool_count How many they are.
/// @return The bytes.
///
/// Errors, as `det_last_error(NULL)`: `DET_ERR_NULL`; `DET_ERR_INVALID_CONFIG`.
///
/// Time: linear in the number of pools. Threads: any.
///
/// # Safety
/// (C1), of `pool_count` pools.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn det_alloc_size_pools(pools: *const det_pool_config_t, pool_count: usize) -> usize {
    let plain = |config: &Config| bytes_needed(config, Options::PLAIN.is_shared);
    // SAFETY: the caller's promise.
    bytes_or_zero(unsafe { with_pools(pools, pool_count, plain) })
}

/// Sets up an allocator in a buffer of any alignment and contents, and writes to every page of the part that the
/// configuration needs. The buffer belongs to the allocator until `det_alloc_destroy`; there is nothing else to give back.
///
/// @param buffer The memory.
/// @param size Its size in bytes.
/// @param config The configuration, which is copied, so it may lie in the buffer.
/// @return The allocator, inside the buffer, or NULL.
///
/// Errors: NULL, and as `det_last_error(NULL)` what `det_alloc_size` says, `DET_ERR_NULL`, or
/// `DET_ERR_BUFFER_TOO_SMALL` if the buffer ends before the configuration does.
///
/// Time: linear in the size of the metadata and the number of pages; not for real-time paths. Threads: any, each with a buffer of
/// its own.
///
/// # Safety
/// (C1), and the buffer is nobody else's until the allocator is destroyed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn det_alloc_init(
    buffer: *mut c_void,
    size: usize,
    config: *const det_config_t,
) -> *mut det_allocator_t {
    // SAFETY: the caller's promise.
    let built = |config: &Config, options| unsafe { init(buffer, size, config, options) };
    // SAFETY: (C1)
    handle_or_null(unsafe { with_config(config, built) })
}

/// As `det_alloc_init`, with a plain allocator and less stack, for tasks that have little: there is no `det_config_t`, which has room
/// for the most pools. It takes about 850 bytes on a Cortex-M4 (`cargo xtask reach --target freertos` measures them). The allocator is
/// not `thread_safe`, a class that has run dry takes blocks of larger ones, operations are not counted, and `det_alloc_destroy` checks
/// nothing. Pools count their blocks all the same.
///
/// @param buffer The memory.
/// @param size Its size in bytes: enough is what `det_alloc_size_pools` says.
/// @param pools The pools, which are copied, so they may lie in the buffer; block sizes rise.
/// @param pool_count How many they are, 1 to `DET_MAX_POOLS`.
/// @return The allocator, inside the buffer, or NULL.
///
/// Errors: NULL, and as `det_last_error(NULL)` `DET_ERR_NULL`, `DET_ERR_INVALID_CONFIG`, `DET_ERR_INVALID_PARAM` if no object can
/// be so large, or `DET_ERR_BUFFER_TOO_SMALL` if the buffer ends before the pools do.
///
/// Time: linear in the size of the metadata and the number of pages; not for real-time paths. Threads: any, each with a buffer of
/// its own.
///
/// # Safety
/// (C1), of `pool_count` pools, and the buffer is nobody else's until the allocator is destroyed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn det_alloc_init_pools(
    buffer: *mut c_void,
    size: usize,
    pools: *const det_pool_config_t,
    pool_count: usize,
) -> *mut det_allocator_t {
    // SAFETY: the caller's promise.
    let plain = |config: &Config| unsafe { init(buffer, size, config, Options::PLAIN) };
    // SAFETY: the caller's promise.
    handle_or_null(unsafe { with_pools(pools, pool_count, plain) })
}

/// # Safety
/// (C1) of `size` bytes, and the buffer is nobody else's until the allocator is destroyed.
#[inline]
unsafe fn init(
    buffer: *mut c_void,
    size: usize,
    config: &Config,
    options: Options,
) -> Result<*mut det_allocator_t, det_error_t> {
    bytes_needed(config, options.is_shared)?;
    // SAFETY: the caller's promise.
    let (place, rest) = unsafe { sealed::lent(buffer, size) }?;
    let mode = match options.is_shared {
        #[cfg(target_has_atomic = "ptr")]
        true => Mode::Shared(SharedHeap::new(rest, config).map_err(|_| DET_ERR_BUFFER_TOO_SMALL)?),
        #[cfg(not(target_has_atomic = "ptr"))]
        true => return Err(DET_ERR_UNSUPPORTED),
        false => {
            let heap = Heap::new(rest, config).map_err(|_| DET_ERR_BUFFER_TOO_SMALL)?;
            Mode::Owned(Owned {
                meter: heap.meter(),
                #[cfg(target_has_atomic = "ptr")]
                remote: heap.remote(),
                heap: UnsafeCell::new(heap),
            })
        }
    };
    internal::note_initialised();
    let allocator = Allocator {
        mode,
        last_error: LastError::new(),
        ways: Ways::new(options.is_shared, options.has_stats),
        is_validated: options.is_validated,
        counts: Counts::new(),
    };
    Ok(sealed::put(place, allocator).cast())
}

/// Ends an allocator: its buffer is the caller's again, and the handle leads to nothing.
///
/// @param alloc The allocator.
/// @return What was found at its end.
///
/// Errors: `DET_ERR_NULL`, `DET_ERR_NOT_INITIALIZED`, and `DET_ERR_BUSY` while a hook of it runs, on whichever thread:
/// nothing has happened then. If `enable_validation` was set, `DET_ERR_STILL_LIVE` if blocks were live, and
/// `DET_ERR_CORRUPTED` if the metadata was overwritten: it is gone all the same.
///
/// Time: constant, and with `enable_validation` linear in the number of blocks; not for real-time paths. Threads: when no
/// other thread uses the allocator.
///
/// # Safety
/// (C1), and nobody uses a block any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn det_alloc_destroy(alloc: *mut det_allocator_t) -> det_error_t {
    // SAFETY: the caller's promise.
    let opened = match unsafe { det_allocator_t::open(alloc) } {
        Ok(opened) => opened,
        Err(error) => return error,
    };
    // With `thread_safe` too: who called the hook returns into the buffer.
    if opened.ways.is_busy() {
        return opened.last_error.note(DET_ERR_BUSY);
    }
    let left_behind = if opened.is_validated { opened.look_back() } else { Ok(()) };
    // SAFETY: just opened, and the caller's promise.
    unsafe { sealed::close(alloc.cast::<InBuffer<Allocator>>()) };
    left_behind.map_or_else(noted, |()| DET_OK)
}

impl Allocator {
    /// What is wrong at its end, if something is.
    fn look_back(&self) -> Result<(), det_error_t> {
        // First of all: overwritten metadata must not be followed.
        if !self.validate() {
            return Err(DET_ERR_CORRUPTED);
        }
        let live_blocks = match &self.mode {
            Mode::Owned(owned) => {
                // SAFETY: (C3, C4) nobody else has the heap.
                let heap = unsafe { &mut *owned.heap.get() };
                heap.adopt_remote_frees(usize::MAX);
                heap.live_blocks()
            }
            #[cfg(target_has_atomic = "ptr")]
            Mode::Shared(heap) => heap.live_blocks(),
        };
        if live_blocks == 0 { Ok(()) } else { Err(DET_ERR_STILL_LIVE) }
    }
}
