//! What AddressSanitizer and Valgrind are told about blocks, so that they report a bad access where it happens: which
//! bytes the caller may use and which not, to the byte.
//!
//! AddressSanitizer is told in builds with `RUSTFLAGS="-Zsanitizer=address --cfg asan"` (a `cfg` and not a feature,
//! because it links only together with that flag); Valgrind with the feature `valgrind`, on 64-bit x86 and Arm, by the
//! instructions that it documents as client requests, which do nothing outside of it. So no header, library or C
//! compiler is needed, and without both, nothing here costs anything.
//!
//! Guards tell them to the byte. A heap without guards tells nothing by itself, as it may go without anybody noticing, and its
//! memory then serves something else; who owns the memory too, as detalloc-audio does, tells them with [`lend`] and
//! [`take_back`], which are public for that and hidden.
//!
//! Memory is named by address, because nothing here touches it.

/// Whether anybody is told anything.
pub const ANNOUNCES: bool = cfg!(any(asan, feature = "valgrind"));

/// These bytes may be used from now on, and nothing is known of them.
#[inline]
pub fn lend(start: usize, bytes: usize) {
    asan::unpoison(start, bytes);
    valgrind::request(valgrind::UNDEFINED, [start, bytes, 0, 0]);
}

/// Nobody may use these bytes any more.
#[inline]
pub fn take_back(start: usize, bytes: usize) {
    close(start, bytes);
}

/// A block is the caller's from now on: its first `size` bytes, of which nothing is known, and nothing else of it.
#[inline]
pub(crate) fn allocated(block: usize, size: usize, usable: usize) {
    close(block, usable);
    asan::unpoison(block, size);
    valgrind::request(valgrind::MALLOC_LIKE, [block, size, 0, 0]);
}

/// A block of the caller has another size from now on; what both sizes share is as it was.
#[inline]
pub(crate) fn resized(block: usize, size: usize, new_size: usize, usable: usize) {
    asan::poison(block, usable);
    asan::unpoison(block, new_size);
    if new_size > 0 {
        valgrind::request(valgrind::RESIZE_IN_PLACE, [block, size, new_size, 0]);
    } else {
        // That request refuses to leave nothing.
        valgrind::request(valgrind::FREE_LIKE, [block, 0, 0, 0]);
        valgrind::request(valgrind::MALLOC_LIKE, [block, 0, 0, 0]);
    }
    // Requests cover what the two sizes span, and not the guard's bytes behind them.
    let used = size.max(new_size);
    valgrind::request(valgrind::NO_ACCESS, [block + used, usable - used, 0, 0]);
}

/// Nobody may use the block any more.
#[inline]
pub(crate) fn freed(block: usize, usable: usize) {
    valgrind::request(valgrind::FREE_LIKE, [block, 0, 0, 0]);
    close(block, usable);
}

/// A free was refused, because the block is free already: Valgrind then reports it with its stacks.
#[inline]
pub(crate) fn freed_twice(block: usize) {
    valgrind::request(valgrind::FREE_LIKE, [block, 0, 0, 0]);
}

/// Lets the guard itself use bytes that it has closed.
#[inline]
pub(crate) fn open(start: usize, bytes: usize) {
    asan::unpoison(start, bytes);
    valgrind::request(valgrind::DEFINED, [start, bytes, 0, 0]);
}

/// Nobody may use these bytes from now on.
#[inline]
pub(crate) fn close(start: usize, bytes: usize) {
    asan::poison(start, bytes);
    valgrind::request(valgrind::NO_ACCESS, [start, bytes, 0, 0]);
}

/// From the first to the last byte that a guard has ever closed. They are opened when this is dropped, because the
/// memory then serves something else.
#[derive(Debug)]
pub(crate) struct Closed {
    #[cfg(any(asan, feature = "valgrind"))]
    range: core::ops::Range<usize>,
}

impl Closed {
    pub(crate) fn new() -> Self {
        Self {
            #[cfg(any(asan, feature = "valgrind"))]
            range: core::ops::Range { start: usize::MAX, end: 0 },
        }
    }

    #[cfg(any(asan, feature = "valgrind"))]
    pub(crate) fn include(&mut self, block: usize, usable: usize) {
        self.range = self.range.start.min(block)..self.range.end.max(block + usable);
    }

    #[cfg(not(any(asan, feature = "valgrind")))]
    #[inline]
    pub(crate) fn include(&mut self, _block: usize, _usable: usize) {}
}

#[cfg(any(asan, feature = "valgrind"))]
impl Drop for Closed {
    fn drop(&mut self) {
        open(self.range.start, self.range.len());
    }
}

#[cfg(asan)]
mod asan {
    use core::{ffi::c_void, ptr};

    // <https://github.com/google/sanitizers/wiki/AddressSanitizerManualPoisoning>
    unsafe extern "C" {
        fn __asan_poison_memory_region(start: *const c_void, bytes: usize);
        fn __asan_unpoison_memory_region(start: *const c_void, bytes: usize);
    }

    pub(super) fn poison(start: usize, bytes: usize) {
        // SAFETY: only the sanitizer's own record of this memory changes, never the memory.
        unsafe { __asan_poison_memory_region(ptr::without_provenance(start), bytes) }
    }

    pub(super) fn unpoison(start: usize, bytes: usize) {
        // SAFETY: as above.
        unsafe { __asan_unpoison_memory_region(ptr::without_provenance(start), bytes) }
    }
}

#[cfg(not(asan))]
mod asan {
    #[inline]
    pub(super) fn poison(_start: usize, _bytes: usize) {}

    #[inline]
    pub(super) fn unpoison(_start: usize, _bytes: usize) {}
}

/// <https://valgrind.org/docs/manual/manual-core-adv.html#manual-core-adv.clientreq>; the numbers are those of
/// `valgrind.h` and `memcheck.h`, which promise not to change them.
mod valgrind {
    pub(super) const MALLOC_LIKE: usize = 0x1301;
    pub(super) const FREE_LIKE: usize = 0x1302;
    pub(super) const RESIZE_IN_PLACE: usize = 0x130b;
    const MEMCHECK: usize = 0x4d43_0000;
    pub(super) const NO_ACCESS: usize = MEMCHECK;
    pub(super) const UNDEFINED: usize = MEMCHECK + 1;
    pub(super) const DEFINED: usize = MEMCHECK + 2;

    #[cfg(all(feature = "valgrind", target_pointer_width = "64", target_arch = "x86_64"))]
    pub(super) fn request(number: usize, [a, b, c, d]: [usize; 4]) {
        let words = [number, a, b, c, d, 0];
        // SAFETY: the rotations add up to whole turns of `rdi` and the exchange is one of a register with itself;
        // Valgrind reads `words` through `rax` and answers in `rdx`.
        unsafe {
            core::arch::asm!(
                "rol rdi, 3", "rol rdi, 13", "rol rdi, 61", "rol rdi, 51", "xchg rbx, rbx",
                in("rax") words.as_ptr(),
                inout("rdx") 0_usize => _,
                options(nostack),
            );
        }
    }

    #[cfg(all(feature = "valgrind", target_pointer_width = "64", target_arch = "aarch64"))]
    pub(super) fn request(number: usize, [a, b, c, d]: [usize; 4]) {
        let words = [number, a, b, c, d, 0];
        // SAFETY: the rotations add up to whole turns of `x12` and `x10` is combined with itself; Valgrind reads
        // `words` through `x4` and answers in `x3`.
        unsafe {
            core::arch::asm!(
                "ror x12, x12, #3", "ror x12, x12, #13", "ror x12, x12, #51", "ror x12, x12, #61",
                "orr x10, x10, x10",
                in("x4") words.as_ptr(),
                inout("x3") 0_usize => _,
                options(nostack),
            );
        }
    }

    #[cfg(not(all(
        feature = "valgrind",
        target_pointer_width = "64",
        any(target_arch = "x86_64", target_arch = "aarch64")
    )))]
    #[inline]
    pub(super) fn request(_number: usize, _words: [usize; 4]) {}
}
