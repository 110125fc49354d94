//! A region that the linker reserves.

use core::{
    cell::UnsafeCell,
    fmt,
    mem::MaybeUninit,
    sync::atomic::{AtomicBool, Ordering},
};

/// A region of `N` bytes for a `static`, which whoever asks first gets, for good. It takes no room in the program's
/// file.
///
/// ```
/// use core::alloc::Layout;
/// use detalloc::{Allocate, Config, Heap, PoolConfig, memory::StaticRegion};
///
/// const CONFIG: Config = Config::constant(&[PoolConfig::new(64, 128)]);
/// static REGION: StaticRegion<{ CONFIG.bytes_needed() }> = StaticRegion::new();
///
/// let region = REGION.take().ok_or("somebody else has it")?;
/// let mut heap: Heap<'static> = Heap::new(region, &CONFIG)?;
/// heap.allocate(Layout::new::<u64>())?;
/// assert!(REGION.take().is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A region that will not live forever cannot be taken:
///
/// ```compile_fail
/// # use detalloc::memory::StaticRegion;
/// let region = StaticRegion::<64>::new();
/// region.take();
/// ```
pub struct StaticRegion<const N: usize> {
    taken: AtomicBool,
    bytes: UnsafeCell<[MaybeUninit<u8>; N]>,
}

// SAFETY: the bytes are reached only by the one caller that turned `taken` from false to true.
unsafe impl<const N: usize> Sync for StaticRegion<N> {}

impl<const N: usize> StaticRegion<N> {
    /// A region that nobody has taken.
    #[must_use]
    pub const fn new() -> Self {
        Self { taken: AtomicBool::new(false), bytes: UnsafeCell::new([MaybeUninit::uninit(); N]) }
    }

    /// The region, if nobody has taken it before. It cannot be given back.
    ///
    /// # Time complexity
    /// Constant: one atomic exchange.
    #[expect(clippy::mut_from_ref, reason = "it is handed out once")]
    pub fn take(&'static self) -> Option<&'static mut [MaybeUninit<u8>]> {
        // Nothing was written that the taker has to see, so no ordering is needed.
        if self.taken.swap(true, Ordering::Relaxed) {
            return None;
        }
        // SAFETY: only one caller ever gets here, and the region is never moved or dropped, being borrowed forever.
        Some(unsafe { &mut *self.bytes.get() })
    }
}

impl<const N: usize> Default for StaticRegion<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> fmt::Debug for StaticRegion<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Relaxed: shown, and nothing else.
        let taken = self.taken.load(Ordering::Relaxed);
        f.debug_struct("StaticRegion").field("bytes", &N).field("taken", &taken).finish_non_exhaustive()
    }
}
