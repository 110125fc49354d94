//! Pages of the system's own: populated, locked and on huge pages as far as the system allows.

use super::{
    report::{Got, Locked},
    system,
};
use core::{
    mem::MaybeUninit,
    ops::{Deref, DerefMut},
    ptr::NonNull,
    slice,
};
use std::io;

/// What to try for a [`MappedRegion`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Lock the region, so that it is never paged out. Needs a limit that allows it: `ulimit -l`, `RLIMIT_MEMLOCK`; on Windows, the
    /// smallest working set, which is raised.
    pub lock: bool,
    /// Ask for huge pages, which cost fewer misses in the address translation. Rounds the region up to whole ones. Windows gives them
    /// to privileged programs only; they are not asked for there.
    pub huge_pages: bool,
}

/// A region of pages from the system, every one of which is there before the first use. An inaccessible page on either
/// side ends a run past the region at once.
///
/// ```
/// use core::alloc::Layout;
/// use detalloc::{Allocate, Config, PoolConfig, memory::{MappedRegion, Options, OwnedHeap}};
///
/// const CONFIG: Config = Config::constant(&[PoolConfig::new(64, 128)]);
///
/// let region = MappedRegion::new(CONFIG.bytes_needed(), Options { lock: true, huge_pages: false })?;
/// println!("{}", region.got());
/// let mut heap = OwnedHeap::in_mapped(region, &CONFIG)?;
/// heap.allocate(Layout::new::<u64>())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct MappedRegion {
    /// All that was mapped, the inaccessible pages included.
    mapped: NonNull<[u8]>,
    /// The part of it that is accessible.
    region: NonNull<[MaybeUninit<u8>]>,
    got: Got,
}

// SAFETY: the mapping belongs to no thread, and this is its only owner.
unsafe impl Send for MappedRegion {}
// SAFETY: by shared reference it can only be read.
unsafe impl Sync for MappedRegion {}

impl MappedRegion {
    /// Maps a region of at least this many bytes, and tries what the options ask for. [`MappedRegion::got`] says what
    /// came of it.
    ///
    /// # Errors
    /// The system's, if and only if the memory itself is not to be had. Locks and huge pages that are refused are none.
    ///
    /// # Time complexity
    /// Linear in the size. Not for real-time paths.
    pub fn new(bytes: usize, options: Options) -> io::Result<Self> {
        let page = system::page_bytes();
        let align = if options.huge_pages { system::huge_page_bytes().max(page) } else { page };
        let out_of_memory = || io::Error::from(io::ErrorKind::OutOfMemory);
        let len = bytes.max(1).checked_next_multiple_of(align).ok_or_else(out_of_memory)?;
        let whole =
            len.checked_add(align).and_then(|sum| sum.checked_add(2 * page)).ok_or_else(out_of_memory)?;

        let start = system::reserve(whole)?;
        // SAFETY: `whole` leaves room for a page, for what the alignment costs, and for a page at the end.
        let region = unsafe { start.add(page + start.add(page).as_ptr().align_offset(align)) };
        let mut mapping = Self {
            mapped: NonNull::slice_from_raw_parts(start, whole),
            region: NonNull::slice_from_raw_parts(region.cast(), len),
            got: Got::default(),
        };
        // SAFETY: whole pages of the mapping above, which nobody uses yet.
        unsafe { system::open(region, len) }?;
        if options.huge_pages {
            system::advise_huge_pages(&mut mapping);
        }
        if !system::populate(&mut mapping) {
            crate::region::touch(&mut mapping);
        }
        let locked = if options.lock { lock(&*mapping) } else { Locked::NotAsked };
        mapping.got = Got::of(&mapping, locked);
        Ok(mapping)
    }

    /// What the system granted.
    #[must_use]
    pub fn got(&self) -> Got {
        self.got
    }
}

impl Deref for MappedRegion {
    type Target = [MaybeUninit<u8>];

    fn deref(&self) -> &Self::Target {
        // SAFETY: mapped, and borrowed as long as the result.
        unsafe { slice::from_raw_parts(self.region.as_ptr().cast(), self.region.len()) }
    }
}

impl DerefMut for MappedRegion {
    fn deref_mut(&mut self) -> &mut Self::Target {
        // SAFETY: as above, exclusively.
        unsafe { slice::from_raw_parts_mut(self.region.as_ptr().cast(), self.region.len()) }
    }
}

impl Drop for MappedRegion {
    fn drop(&mut self) {
        // SAFETY: the whole mapping of `new`, which nobody borrows any more.
        unsafe { system::release(self.mapped) };
    }
}

/// Locks the pages of a region that is already there, in use or not, so that they are never paged out, and brings them in.
/// They stay locked until they are unmapped, also when they serve something else by then.
///
/// # Time complexity
/// Linear in the size. Not for real-time paths.
pub fn lock(region: *const [MaybeUninit<u8>]) -> Locked {
    let page = system::page_bytes();
    let start: *const MaybeUninit<u8> = region.cast();
    let before = start.addr() % page;
    let start = start.wrapping_byte_sub(before);
    match system::lock(start.cast(), before + region.len()) {
        Ok(()) => Locked::Yes,
        Err(error) => {
            Locked::No { errno: error.raw_os_error().unwrap_or(0), limit_bytes: system::lock_limit() }
        }
    }
}
