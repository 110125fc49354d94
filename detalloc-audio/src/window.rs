//! Where regions lie: in one window of addresses, so that *is this block ours* is one comparison.
//!
//! [`Routed`](crate::Routed) has to know for every block that any thread gives back whether a pool or the system heap
//! served it. So the first heap reserves a window of addresses, which takes no memory, and every region lies in it. The
//! window is cut into slots; a table says whose slot it is.
//!
//! Where no window can be had (32-bit systems, systems other than Linux, Android and macOS, a limit on addresses),
//! regions come from the system heap and nothing is routed to them.

#[cfg_attr(
    all(
        not(miri),
        target_pointer_width = "64",
        any(target_os = "linux", target_os = "android", target_os = "macos")
    ),
    path = "window/mapped.rs"
)]
#[cfg_attr(
    not(all(
        not(miri),
        target_pointer_width = "64",
        any(target_os = "linux", target_os = "android", target_os = "macos")
    )),
    path = "window/absent.rs"
)]
mod imp;

use crate::shared::Shared;
use core::{alloc::Layout, ptr::NonNull};
use detalloc::sanitizer;

/// Memory for a region, and where it came from.
pub(crate) struct Memory {
    pub(crate) start: NonNull<u8>,
    pub(crate) bytes: usize,
    origin: Origin,
}

enum Origin {
    Window,
    System(Layout),
}

// SAFETY: this is the only owner of the memory.
unsafe impl Send for Memory {}
// SAFETY: it only says where the memory is.
unsafe impl Sync for Memory {}

impl Memory {
    /// Memory with this layout; its contents are undefined. `None`: the system has not that much.
    pub(crate) fn new(layout: Layout) -> Option<Self> {
        if let Some(start) = imp::take(layout) {
            return Some(Self { start, bytes: layout.size(), origin: Origin::Window });
        }
        // SAFETY: nobody asks for a layout without bytes.
        let start = NonNull::new(unsafe { std::alloc::alloc(layout) })?;
        Some(Self { start, bytes: layout.size(), origin: Origin::System(layout) })
    }

    /// Whether the memory lies in the window.
    pub(crate) fn is_in_window(&self) -> bool {
        matches!(self.origin, Origin::Window)
    }

    /// Says whose blocks these addresses hold, from now on.
    pub(crate) fn belongs_to(&self, shared: NonNull<Shared>) {
        if self.is_in_window() {
            imp::assign(self.start, self.bytes, shared.as_ptr());
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        sanitizer::lend(self.start.as_ptr().addr(), self.bytes);
        match self.origin {
            Origin::Window => imp::give_back(self.start, self.bytes),
            // SAFETY: allocated with this layout, and nothing in it is used any more.
            Origin::System(layout) => unsafe { std::alloc::dealloc(self.start.as_ptr(), layout) },
        }
    }
}

/// The region that an address lies in; `None` for one of the system heap.
#[inline]
pub(crate) fn region_of(address: *mut u8) -> Option<NonNull<Shared>> {
    imp::region_of(address)
}
