//! Pages of Windows.

use core::{mem::MaybeUninit, ptr, ptr::NonNull};
use std::{io, vec::Vec};
use windows_sys::Win32::{
    Foundation::ERROR_WORKING_SET_QUOTA,
    System::{
        Memory::{
            GetLargePageMinimum, MEM_COMMIT, MEM_RELEASE, MEM_RESERVE, PAGE_NOACCESS, PAGE_READWRITE,
            VirtualAlloc, VirtualFree, VirtualLock,
        },
        ProcessStatus::{K32QueryWorkingSetEx, PSAPI_WORKING_SET_EX_INFORMATION},
        SystemInformation::{GetSystemInfo, SYSTEM_INFO},
        Threading::{GetCurrentProcess, GetProcessWorkingSetSize, SetProcessWorkingSetSize},
    },
};

pub fn page_bytes() -> usize {
    let mut system = MaybeUninit::<SYSTEM_INFO>::uninit();
    // SAFETY: the system writes the structure.
    let system = unsafe {
        GetSystemInfo(system.as_mut_ptr());
        system.assume_init()
    };
    usize::try_from(system.dwPageSize).unwrap_or(4096)
}

/// Takes addresses that nobody can access yet, whole pages of them.
pub fn reserve(bytes: usize) -> io::Result<NonNull<u8>> {
    // SAFETY: a new mapping at an address of the system's choice touches nothing that is there.
    let start = unsafe { VirtualAlloc(ptr::null(), bytes, MEM_RESERVE, PAGE_NOACCESS) };
    // For what no address space holds, the system names the parameter.
    NonNull::new(start.cast::<u8>()).ok_or_else(|| io::ErrorKind::OutOfMemory.into())
}

/// Gives back what was reserved.
///
/// # Safety
/// All that one call of [`reserve`] took, which nobody uses any more.
pub unsafe fn release(reserved: NonNull<[u8]>) {
    // SAFETY: a whole mapping, by the caller's promise. Fails only for arguments that are none.
    unsafe { VirtualFree(reserved.as_ptr().cast(), 0, MEM_RELEASE) };
}

/// Lets whole pages be read and written.
///
/// # Safety
/// They were reserved, and nobody uses them yet.
pub unsafe fn open(start: NonNull<u8>, bytes: usize) -> io::Result<()> {
    // SAFETY: by the caller's promise.
    let opened = unsafe { VirtualAlloc(start.as_ptr().cast(), bytes, MEM_COMMIT, PAGE_READWRITE) };
    if opened.is_null() { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Large pages need a privilege that programs do not have, and a mapping that was made with them.
pub fn advise_huge_pages(_: &mut [MaybeUninit<u8>]) {}

/// Has every page brought in, writable, where the system can at once. Says whether it did.
pub fn populate(_: &mut [MaybeUninit<u8>]) -> bool {
    false
}

/// Locks whole pages, and brings them in. A process may lock as much as its smallest working set has room for, which it may
/// raise.
pub fn lock(start: *const u8, bytes: usize) -> io::Result<()> {
    // SAFETY: locking changes no memory; the system checks the range. No access goes through `start`.
    let lock = || match unsafe { VirtualLock(start.cast(), bytes) } {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    };
    match lock() {
        Err(error) if error.raw_os_error() == i32::try_from(ERROR_WORKING_SET_QUOTA).ok() => {
            raise_working_set(bytes);
            lock()
        }
        done => done,
    }
}

/// Best effort.
fn raise_working_set(bytes: usize) {
    if let Some((least, most)) = working_set() {
        // SAFETY: about this process, by two numbers.
        unsafe {
            SetProcessWorkingSetSize(
                GetCurrentProcess(),
                least.saturating_add(bytes),
                most.saturating_add(bytes),
            )
        };
    }
}

/// The least and the most bytes of this process that are kept in memory.
fn working_set() -> Option<(usize, usize)> {
    let (mut least, mut most) = (0, 0);
    // SAFETY: the system writes both numbers.
    let known = unsafe { GetProcessWorkingSetSize(GetCurrentProcess(), &raw mut least, &raw mut most) };
    (known != 0).then_some((least, most))
}

/// How much memory this process may lock, in bytes; nothing if it cannot be known.
pub fn lock_limit() -> Option<u64> {
    working_set().and_then(|(least, _)| u64::try_from(least).ok())
}

/// What sets the limit.
pub const LOCK_LIMIT: &str = "the smallest working set";

/// The size of a huge page, in bytes, or that of most machines.
pub fn huge_page_bytes() -> usize {
    const USUAL: usize = 2 << 20;
    // SAFETY: asks for a number.
    let said = unsafe { GetLargePageMinimum() };
    if said.is_power_of_two() { said } else { USUAL }
}

/// How much of a region of whole pages is in memory.
pub fn resident_bytes(region: &[MaybeUninit<u8>]) -> usize {
    let page = page_bytes();
    let addresses = (0..region.len()).step_by(page).map(|at| region.as_ptr().wrapping_add(at));
    let mut pages: Vec<_> = addresses
        .map(|address| PSAPI_WORKING_SET_EX_INFORMATION {
            VirtualAddress: address.cast_mut().cast(),
            ..Default::default()
        })
        .collect();
    let Ok(bytes) = u32::try_from(size_of_val(&*pages)) else { return 0 };
    // SAFETY: the system writes into each element; the region is only looked up, not read or written.
    let known = unsafe { K32QueryWorkingSetEx(GetCurrentProcess(), pages.as_mut_ptr().cast(), bytes) };
    if known == 0 {
        return 0;
    }
    // SAFETY: the union is a number of flags, whichever way it is looked at; the lowest is for pages that are there.
    let is_there =
        |page: &&PSAPI_WORKING_SET_EX_INFORMATION| unsafe { page.VirtualAttributes.Flags } & 1 != 0;
    pages.iter().filter(is_there).count() * page
}

/// How much of a region lies on huge pages: nothing, as none are asked for.
pub fn huge_bytes(_: &[MaybeUninit<u8>]) -> Option<usize> {
    Some(0)
}
