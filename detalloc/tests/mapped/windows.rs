//! Against what Windows says.

use super::PLAIN;
use core::{alloc::Layout, mem::MaybeUninit};
use detalloc::{
    Allocate, Config, PoolConfig,
    memory::{Locked, MappedRegion, Options, OwnedHeap, lock},
};
use windows_sys::Win32::System::Memory::{MEMORY_BASIC_INFORMATION, PAGE_READWRITE, VirtualQuery};

/// How the page at an address is protected; 0 where nobody may touch it or nothing is mapped.
fn protection(address: usize) -> u32 {
    let mut page = MaybeUninit::<MEMORY_BASIC_INFORMATION>::zeroed();
    // SAFETY: only looks the address up, and writes the structure.
    let page = unsafe {
        VirtualQuery(core::ptr::without_provenance(address), page.as_mut_ptr(), size_of_val(&page));
        page.assume_init()
    };
    page.Protect
}

#[test]
fn nobody_may_touch_the_pages_on_either_side() {
    let region = MappedRegion::new(10_000, PLAIN).unwrap();
    let range = region.as_ptr_range();
    let (start, end) = (range.start.addr(), range.end.addr());
    assert_eq!((protection(start), protection(end - 1)), (PAGE_READWRITE, PAGE_READWRITE));
    assert!(protection(start - 1) != PAGE_READWRITE && protection(end) != PAGE_READWRITE);
    drop(region);
    assert_ne!(protection(start), PAGE_READWRITE);
}

/// As much as programs have: more than the smallest working set that Windows gives every process.
#[test]
fn a_region_is_locked_by_making_room_for_it() {
    const CONFIG: Config = Config::constant(&[PoolConfig::new(4096, 4000)]);
    let region = MappedRegion::new(CONFIG.bytes_needed(), Options { lock: true, huge_pages: false }).unwrap();
    let got = region.got();
    assert_eq!((got.locked, got.resident_bytes), (Locked::Yes, region.len()), "{got}");
    let mut heap = OwnedHeap::in_mapped(region, &CONFIG).unwrap();
    let block = heap.allocate(Layout::new::<[u8; 4096]>()).unwrap();
    // SAFETY: nothing uses the block after this.
    assert_eq!(unsafe { heap.free(block) }, Ok(()));
}

#[test]
fn a_lock_that_is_refused_says_why_and_changes_nothing() {
    let start = core::ptr::slice_from_raw_parts(core::ptr::without_provenance(4096), 4096);
    let refused = lock(start);
    assert!(matches!(refused, Locked::No { errno, .. } if errno != 0), "{refused}");
    assert!(refused.to_string().contains("not locked: "));
}
