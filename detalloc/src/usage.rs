//! An observer that keeps what the heap itself does not: how large requests are, and what is lost to rounding.

use crate::{
    class::block_bytes_for,
    observe::{Event, Observer},
};

/// How large requests were. What a reallocation asks for counts as a request.
///
/// ```
/// use core::{alloc::Layout, mem::MaybeUninit};
/// use detalloc::{Allocate, Config, Heap, Observed, Usage};
///
/// let mut region = [MaybeUninit::uninit(); Config::DEFAULT.bytes_needed()];
/// let mut heap = Observed::new(Heap::new(&mut region, &Config::DEFAULT)?, Usage::default());
/// heap.allocate(Layout::new::<[u8; 100]>())?;
/// let usage = *heap.observer();
/// assert_eq!((usage.largest_request_bytes, usage.requested_bytes, usage.block_bytes), (100, 100, 112));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Requests, served or not.
    pub requests: u64,
    /// The largest request, served or not, in bytes.
    pub largest_request_bytes: usize,
    /// What was asked for and served, in bytes.
    pub requested_bytes: u64,
    /// The smallest blocks there are that hold it, in bytes: what is above `requested_bytes` is lost to rounding, and a
    /// configuration with fewer sizes loses more.
    pub block_bytes: u64,
}

impl Usage {
    #[inline]
    fn request(&mut self, size_bytes: usize, align_bytes: usize, served: bool) {
        self.requests = self.requests.saturating_add(1);
        self.largest_request_bytes = self.largest_request_bytes.max(size_bytes);
        if served {
            self.requested_bytes = self.requested_bytes.saturating_add(size_bytes as u64);
            let block_bytes = block_bytes_for(size_bytes, align_bytes) as u64;
            self.block_bytes = self.block_bytes.saturating_add(block_bytes);
        }
    }
}

/// Constant time.
impl Observer for Usage {
    type Start = ();

    #[inline]
    fn start(&mut self) {}

    #[inline]
    fn observe(&mut self, (): (), event: &Event) {
        match *event {
            Event::Allocated { layout, .. } => self.request(layout.size(), layout.align(), true),
            Event::Refused { layout, .. } => self.request(layout.size(), layout.align(), false),
            Event::Reallocated { layout, new_bytes, .. } => self.request(new_bytes, layout.align(), true),
            Event::ReallocateRefused { layout, new_bytes, .. } => {
                self.request(new_bytes, layout.align(), false);
            }
            Event::Freed { .. } | Event::FreeRefused { .. } => {}
        }
    }
}
