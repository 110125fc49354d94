//! Pages of Linux and macOS.

use core::{mem::MaybeUninit, ptr, ptr::NonNull};
use std::io;

pub fn page_bytes() -> usize {
    // SAFETY: asks for a number.
    usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}

/// Takes addresses that nobody can access yet, whole pages of them.
pub fn reserve(bytes: usize) -> io::Result<NonNull<u8>> {
    // SAFETY: a new mapping at an address of the system's choice touches nothing that is there.
    let start = unsafe {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANON;
        libc::mmap(ptr::null_mut(), bytes, libc::PROT_NONE, flags, -1, 0)
    };
    if start == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    NonNull::new(start.cast::<u8>()).ok_or_else(|| io::ErrorKind::OutOfMemory.into())
}

/// Gives back what was reserved.
///
/// # Safety
/// All that one call of [`reserve`] took, which nobody uses any more.
pub unsafe fn release(reserved: NonNull<[u8]>) {
    // SAFETY: a whole mapping, by the caller's promise. Fails only for arguments that are none.
    unsafe { libc::munmap(reserved.as_ptr().cast(), reserved.len()) };
}

/// Lets whole pages be read and written.
///
/// # Safety
/// They were reserved, and nobody uses them yet.
pub unsafe fn open(start: NonNull<u8>, bytes: usize) -> io::Result<()> {
    // SAFETY: by the caller's promise.
    let opened = unsafe { libc::mprotect(start.as_ptr().cast(), bytes, libc::PROT_READ | libc::PROT_WRITE) };
    if opened == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Best effort; what came of it is measured afterwards.
pub fn advise_huge_pages(region: &mut [MaybeUninit<u8>]) {
    #[cfg(target_os = "linux")]
    // SAFETY: whole pages of a private mapping; the advice changes no contents.
    unsafe {
        libc::madvise(region.as_mut_ptr().cast(), region.len(), libc::MADV_HUGEPAGE);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = region;
}

/// Has every page brought in, writable, where the system can at once. Says whether it did.
pub fn populate(region: &mut [MaybeUninit<u8>]) -> bool {
    #[cfg(target_os = "linux")]
    // SAFETY: whole pages of a private mapping; populating changes no contents. Linux before 5.14 refuses.
    return unsafe { libc::madvise(region.as_mut_ptr().cast(), region.len(), libc::MADV_POPULATE_WRITE) }
        == 0;
    #[cfg(not(target_os = "linux"))]
    {
        let _ = region;
        false
    }
}

/// Locks whole pages, and brings them in.
pub fn lock(start: *const u8, bytes: usize) -> io::Result<()> {
    // SAFETY: locking changes no memory; the kernel checks the range. No access goes through `start`.
    if unsafe { libc::mlock(start.cast(), bytes) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// How much memory this process may lock, in bytes; nothing if there is no limit or it cannot be known.
pub fn lock_limit() -> Option<u64> {
    let mut limit = MaybeUninit::<libc::rlimit>::uninit();
    // SAFETY: the system writes the structure if it returns 0.
    let limit = unsafe {
        if libc::getrlimit(libc::RLIMIT_MEMLOCK, limit.as_mut_ptr()) != 0 {
            return None;
        }
        limit.assume_init().rlim_cur
    };
    (limit != libc::RLIM_INFINITY).then_some(limit)
}

/// What sets the limit.
pub const LOCK_LIMIT: &str = "ulimit -l";

/// The size of a huge page, in bytes: what Linux says, or that of most machines.
pub fn huge_page_bytes() -> usize {
    const USUAL: usize = 2 << 20;
    let said = std::fs::read_to_string("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size");
    let said = said.ok().and_then(|text| text.trim().parse::<usize>().ok());
    said.filter(|bytes| bytes.is_power_of_two()).unwrap_or(USUAL)
}

/// How much of a region of whole pages is in memory.
pub fn resident_bytes(region: &[MaybeUninit<u8>]) -> usize {
    let page = page_bytes();
    let mut pages = std::vec![0_u8; region.len().div_ceil(page)];
    // SAFETY: one byte a page is written; the region is only looked up, not read or written.
    let known =
        unsafe { libc::mincore(region.as_ptr().cast_mut().cast(), region.len(), pages.as_mut_ptr().cast()) };
    if known != 0 {
        return 0;
    }
    pages.iter().filter(|&&state| state & 1 != 0).count() * page
}

/// How much of a region lies on huge pages, by the kernel's account of the mappings within it.
pub fn huge_bytes(region: &[MaybeUninit<u8>]) -> Option<usize> {
    let smaps = std::fs::read_to_string("/proc/self/smaps").ok()?;
    let (start, end) = (region.as_ptr().addr(), region.as_ptr_range().end.addr());
    let (mut within, mut kib) = (false, 0);
    for line in smaps.lines() {
        let first = line.split_whitespace().next().unwrap_or_default();
        if let Some((from, to)) = first.split_once('-') {
            let hex = |text| usize::from_str_radix(text, 16).ok();
            within = hex(from).is_some_and(|from| from >= start) && hex(to).is_some_and(|to| to <= end);
        } else if within && first == "AnonHugePages:" {
            kib += line.split_whitespace().nth(1)?.parse::<usize>().ok()?;
        }
    }
    Some(kib * 1024)
}
