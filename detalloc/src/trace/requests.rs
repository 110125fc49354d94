//! The requests of a trace, for whoever adds them up: profiles, budgets, histograms of sizes.

use super::{
    follow::Follower,
    reader::{Trace, TraceError},
};
use core::alloc::Layout;

/// What a program asked of its heap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// It needed memory for this layout.
    Allocated(Layout),
    /// It needed it no longer.
    Freed(Layout),
}

/// Tells of every request of a trace, in order; each block is freed with the layout that it had. A block that
/// moved was there twice for a moment; what was refused when the trace was recorded counts as in a
/// [`replay`](super::replay).
///
/// ```
/// # use core::{alloc::Layout, mem::MaybeUninit};
/// # use detalloc::{Allocate, Config, Heap, Observed, PoolConfig, trace::Recorder};
/// use detalloc::trace::{Request, requests};
///
/// # const CONFIG: Config = Config::constant(&[PoolConfig::new(64, 16)]);
/// # let mut region = [MaybeUninit::uninit(); CONFIG.bytes_needed()];
/// # let mut memory = [0; 4096];
/// # let mut heap = Observed::new(Heap::new(&mut region, &CONFIG)?, Recorder::new(&mut memory)?);
/// # for _ in 0..3 {
/// #     let block = heap.allocate(Layout::new::<[f32; 12]>())?;
/// #     unsafe { heap.free(block)? };
/// # }
/// # let trace = heap.observer().trace();
/// let (mut live_bytes, mut most_bytes) = (0, 0);
/// requests(trace, |request| match request {
///     Request::Allocated(layout) => {
///         live_bytes += layout.size();
///         most_bytes = most_bytes.max(live_bytes);
///     }
///     Request::Freed(layout) => live_bytes -= layout.size(),
/// })?;
/// assert_eq!(most_bytes, 48);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`TraceError`] if and only if the bytes are no trace or a record cannot be read.
///
/// # Time complexity
/// *n* log *n* in the number of records. Not for real-time paths.
pub fn requests(trace: &[u8], each: impl FnMut(Request)) -> Result<(), TraceError> {
    Each(each).follow(Trace::parse(trace)?).map(|_| ())
}

struct Each<F>(F);

impl<F: FnMut(Request)> Follower for Each<F> {
    type Block = ();

    fn at(&mut self, _: usize) {}

    fn allocate(&mut self, layout: Layout) {
        self.0(Request::Allocated(layout));
    }

    fn free(&mut self, (): (), layout: Layout) {
        self.0(Request::Freed(layout));
    }

    fn reallocate(&mut self, (): (), layout: Layout, new: Layout, moved: bool) -> Result<(), ()> {
        if moved {
            self.allocate(new);
            self.free((), layout);
        } else {
            self.free((), layout);
            self.allocate(new);
        }
        Ok(())
    }
}
