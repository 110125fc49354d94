//! Where a region can come from, when it is not simply borrowed.
//!
//! - [`StaticRegion`]: reserved when the program is linked, and taken once. No allocator, no system, no cost at run time.
//! - `OwnedHeap` (feature `alloc`): memory of the global allocator and the heap in it, as one value that may be moved,
//!   stored and sent.
//! - `MappedRegion` (feature `os`, on Linux, macOS and Windows): pages of the system's own, locked and on huge pages as far as the
//!   system allows, with a report that says how far.
//!
//! Whatever the source, [`Heap::new`](crate::Heap::new) touches every page, so that no allocation meets a page fault
//! for its first use; only locked memory is also safe from being paged out later.

#[cfg(target_has_atomic = "ptr")]
mod fixed;
#[cfg(all(feature = "os", any(target_os = "linux", target_os = "macos", windows)))]
mod mapped;
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
mod owned;
#[cfg(all(feature = "os", any(target_os = "linux", target_os = "macos", windows)))]
mod report;
#[cfg(all(feature = "os", any(target_os = "linux", target_os = "macos")))]
#[path = "memory/unix.rs"]
mod system;
#[cfg(all(feature = "os", windows))]
#[path = "memory/windows.rs"]
mod system;

#[cfg(target_has_atomic = "ptr")]
pub use self::fixed::StaticRegion;
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
pub use self::owned::{HeapHandle, Owned, OwnedHeap};
#[cfg(all(feature = "os", any(target_os = "linux", target_os = "macos", windows)))]
pub use self::{
    mapped::{MappedRegion, Options, lock},
    report::{Got, Locked},
};
