//! The promises of mapped regions.
#![cfg(all(feature = "os", any(target_os = "linux", windows)))]
#![cfg_attr(asan, allow(dead_code, unused_imports, reason = "only tests of locks and faults need them"))]

#[cfg(target_os = "linux")]
mod linux;
#[cfg(windows)]
mod windows;

use detalloc::memory::{Locked, MappedRegion, Options};

const PLAIN: Options = Options { lock: false, huge_pages: false };

#[test]
#[cfg_attr(miri, ignore = "it maps no pages of this kind, locks none and counts no faults")]
fn a_region_is_at_least_as_large_as_asked_for_and_all_in_memory() {
    for bytes in [0, 1, 4095, 4096, 4097, 1 << 20, (1 << 20) + 1] {
        let region = MappedRegion::new(bytes, PLAIN).unwrap();
        assert!(region.len() >= bytes && region.len() < bytes + 2 * 4096);
        assert_eq!(region.as_ptr().addr() % 4096, 0);
        let got = region.got();
        assert_eq!((got.bytes, got.resident_bytes), (region.len(), region.len()));
        assert_eq!(got.locked, Locked::NotAsked);
    }
}

#[test]
#[cfg_attr(miri, ignore = "it maps no pages of this kind, locks none and counts no faults")]
fn memory_that_is_not_to_be_had_is_an_error() {
    for bytes in [usize::MAX, usize::MAX - 4095, isize::MAX as usize, 1 << 56] {
        for huge_pages in [false, true] {
            let refused = MappedRegion::new(bytes, Options { lock: true, huge_pages }).unwrap_err();
            assert_eq!(refused.kind(), std::io::ErrorKind::OutOfMemory, "{bytes}");
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "it maps no pages of this kind, locks none and counts no faults")]
fn a_region_without_huge_pages_says_so() {
    assert_eq!(MappedRegion::new(1 << 20, PLAIN).unwrap().got().huge_bytes, Some(0));
}
