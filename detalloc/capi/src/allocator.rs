//! The allocator: what lies at the start of the caller's buffer, and how it begins and ends.

use crate::{
    config::det_config_t,
    error::{
        LastError,
        det_error_t::{self, *},
        note_global,
    },
    hooks,
    sealed::{self, InBuffer, Sealed},
    stats::Counts,
};
use core::{
    cell::UnsafeCell,
    ffi::c_void,
    sync::atomic::{AtomicU8, Ordering::Relaxed},
};
use detalloc::{Heap, Meter};
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
    const MARK: usize = 0x0DE7_A110;
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

    /// Whether a hook runs that keeps everybody from the heap.
    #[inline]
    pub(crate) fn is_barred(&self) -> bool {
        self.0.load(Relaxed) & (Self::BUSY | Self::SHARED) == Self::BUSY
    }

    /// Runs a hook, unless one runs. Of two threads' hooks at once, both may run.
    pub(crate) fn while_busy(&self, hook: impl FnOnce()) {
        let ways = self.0.load(Relaxed);
        if ways & Self::BUSY == 0 {
            self.0.store(ways | Self::BUSY, Relaxed);
            hook();
            self.0.store(ways, Relaxed);
        }
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

impl det_allocator_t {
    /// # Safety
    /// (C1)
    #[inline]
    pub(crate) unsafe fn open<'a>(handle: *mut Self) -> Option<&'a Allocator> {
        // SAFETY: the caller's promise; a handle is the address of what lies behind the seal.
        unsafe { sealed::open(handle.cast()) }
    }
}

/// What C's configuration needs, in bytes.
fn bytes_needed(config: &det_config_t) -> Result<usize, det_error_t> {
    let checked = config.check()?;
    let heap = match config.thread_safe.is_set() {
        #[cfg(target_has_atomic = "ptr")]
        true => SharedHeap::bytes_needed(&checked),
        #[cfg(not(target_has_atomic = "ptr"))]
        true => return Err(DET_ERR_UNSUPPORTED),
        false => checked.bytes_needed(),
    };
    heap.checked_add(OVERHEAD_BYTES).ok_or(DET_ERR_INVALID_CONFIG)
}

/// The bytes that a buffer needs for this configuration, wherever it begins; 0 where the configuration cannot be.
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
    let needed = unsafe { config.as_ref() }.ok_or(DET_ERR_NULL).and_then(bytes_needed);
    needed.unwrap_or_else(|error| {
        note_global(error);
        0
    })
}

/// Sets up an allocator in a buffer of any alignment and contents, and writes to every page of it. The buffer belongs to the
/// allocator until `det_alloc_destroy`; there is nothing else to give back.
///
/// @param buffer The memory.
/// @param size Its size in bytes.
/// @param config The configuration, which is copied.
/// @return The allocator, inside the buffer, or NULL.
///
/// Errors: NULL, and as `det_last_error(NULL)` what `det_alloc_size` says, `DET_ERR_NULL`, or
/// `DET_ERR_BUFFER_TOO_SMALL` if the buffer ends before the configuration does.
///
/// Time: linear in the size of the buffer; not for real-time paths. Threads: any, each with a buffer of its own.
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
    match unsafe { init(buffer.cast(), size, config) } {
        Ok(alloc) => alloc,
        Err(error) => {
            note_global(error);
            core::ptr::null_mut()
        }
    }
}

/// # Safety
/// As [`det_alloc_init`].
unsafe fn init(
    buffer: *mut u8,
    size: usize,
    config: *const det_config_t,
) -> Result<*mut det_allocator_t, det_error_t> {
    // SAFETY: (C1)
    let config = unsafe { config.as_ref() }.ok_or(DET_ERR_NULL)?;
    if buffer.is_null() {
        return Err(DET_ERR_NULL);
    }
    bytes_needed(config)?;
    // SAFETY: the caller's promise.
    let buffer = unsafe { sealed::buffer(buffer, size) }.ok_or(DET_ERR_INVALID_PARAM)?;
    let (place, rest) = sealed::split(buffer).ok_or(DET_ERR_BUFFER_TOO_SMALL)?;
    let checked = config.check()?;
    let mode = match config.thread_safe.is_set() {
        #[cfg(target_has_atomic = "ptr")]
        true => Mode::Shared(SharedHeap::new(rest, &checked).map_err(|_| DET_ERR_BUFFER_TOO_SMALL)?),
        #[cfg(not(target_has_atomic = "ptr"))]
        true => return Err(DET_ERR_UNSUPPORTED),
        false => {
            let heap = Heap::new(rest, &checked).map_err(|_| DET_ERR_BUFFER_TOO_SMALL)?;
            Mode::Owned(Owned {
                meter: heap.meter(),
                #[cfg(target_has_atomic = "ptr")]
                remote: heap.remote(),
                heap: UnsafeCell::new(heap),
            })
        }
    };
    hooks::note_initialised();
    let allocator = Allocator {
        mode,
        last_error: LastError::new(),
        ways: Ways::new(config.thread_safe.is_set(), config.enable_stats.is_set()),
        is_validated: config.enable_validation.is_set(),
        counts: Counts::new(),
    };
    Ok(sealed::put(place, allocator).cast())
}

/// Ends an allocator: its buffer is the caller's again, and the handle leads to nothing.
///
/// @param alloc The allocator.
/// @return What was found at its end.
///
/// Errors: `DET_ERR_NULL`, `DET_ERR_NOT_INITIALIZED`, and `DET_ERR_BUSY` out of a hook: nothing has happened then.
/// If `enable_validation` was set, `DET_ERR_STILL_LIVE` if blocks were live, and `DET_ERR_CORRUPTED` if the metadata were
/// overwritten: it is gone all the same.
///
/// Time: constant, and with `enable_validation` linear in the number of blocks; not for real-time paths. Threads: when no other thread uses the allocator.
///
/// # Safety
/// (C1), and nobody uses a block any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn det_alloc_destroy(alloc: *mut det_allocator_t) -> det_error_t {
    // SAFETY: the caller's promise.
    let Some(opened) = (unsafe { det_allocator_t::open(alloc) }) else {
        return if alloc.is_null() { DET_ERR_NULL } else { DET_ERR_NOT_INITIALIZED };
    };
    if opened.ways.is_barred() {
        return opened.last_error.note(DET_ERR_BUSY);
    }
    let left_behind = if opened.is_validated { opened.look_back() } else { Ok(()) };
    // SAFETY: just opened, and the caller's promise.
    unsafe { sealed::close(alloc.cast::<InBuffer<Allocator>>()) };
    match left_behind {
        Ok(()) => DET_OK,
        Err(error) => {
            note_global(error);
            error
        }
    }
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
