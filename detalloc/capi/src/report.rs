//! What a program looks at when it is looked into. Not for real-time paths.

use crate::{
    allocator::{Allocator, Mode, det_allocator_t},
    clock,
    error::det_error_t::{self, *},
};

impl Allocator {
    /// Whether all metadata is what it must be.
    pub(crate) fn validate(&self) -> bool {
        match &self.mode {
            // SAFETY: (C3, C4) callers see to it that no hook runs.
            Mode::Owned(owned) => unsafe { &*owned.heap.get() }.validate().is_ok(),
            #[cfg(target_has_atomic = "ptr")]
            Mode::Shared(heap) => heap.validate().is_ok(),
        }
    }
}

/// Whether every invariant of the metadata holds. `false` also for what is no allocator, and out of a hook of an allocator that
/// is not `thread_safe`. The handle itself, less than 512 bytes at the start of the buffer, has no check but the one by
/// which every function knows it, in its first word: what overwrites the rest of it can lead anywhere.
///
/// @param alloc The allocator.
/// @return Whether it is intact.
///
/// Errors, as `det_last_error`: `DET_ERR_NULL`, `DET_ERR_NOT_INITIALIZED`, `DET_ERR_BUSY`, `DET_ERR_CORRUPTED`.
///
/// Time: linear in the number of blocks; not for real-time paths. Threads: as `det_alloc`; a `thread_safe` one when no other
/// thread uses it.
///
/// # Safety
/// (C1)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn det_validate(alloc: *const det_allocator_t) -> bool {
    // SAFETY: the caller's promise.
    let Ok(alloc) = (unsafe { det_allocator_t::open(alloc.cast_mut()) }) else { return false };
    let error = match alloc.ways.is_barred() {
        true => DET_ERR_BUSY,
        false if alloc.validate() => return true,
        false => DET_ERR_CORRUPTED,
    };
    alloc.last_error.note(error);
    false
}

/// Prints three lines to the standard output: how many pools there are, how much of them was in use at most, and how many
/// cycles operations took at worst, or ticks where `det_get_cycles` counts those.
///
/// @param alloc The allocator.
/// @return DET_OK or the error.
///
/// Errors: `DET_ERR_NULL`, `DET_ERR_NOT_INITIALIZED`; `DET_ERR_UNSUPPORTED` in a build without the feature `stdio`, or when
/// printing failed.
///
/// Time: not for real-time paths. Threads: any.
///
/// # Safety
/// (C1)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn det_debug_print(alloc: *const det_allocator_t) -> det_error_t {
    // SAFETY: the caller's promise.
    let opened = match unsafe { det_allocator_t::open(alloc.cast_mut()) } {
        Ok(opened) => opened,
        Err(error) => return error,
    };
    let stats = opened.snapshot();
    let (worst_alloc, worst_free) = (opened.counts.allocate.worst(), opened.counts.free.worst());
    let mut pools = Line::new();
    pools.text(b"[detalloc] total pools: ").number(stats.pools().len());
    let mut peak = Line::new();
    peak.text(b"[detalloc] peak usage: ").number(stats.peak_bytes()).text(b" bytes");
    let mut worst = Line::new();
    worst.text(b"[detalloc] WCET alloc: ").cycles(worst_alloc).text(b", free: ").cycles(worst_free);
    let is_printed = [pools, peak, worst].iter().all(Line::print);
    if is_printed { DET_OK } else { opened.last_error.note(DET_ERR_UNSUPPORTED) }
}

/// A line of text: what does not fit is cut off. Ends with a zero.
struct Line {
    bytes: [u8; 128],
    len: usize,
}

impl Line {
    const fn new() -> Self {
        Self { bytes: [0; 128], len: 0 }
    }

    fn text(&mut self, text: &[u8]) -> &mut Self {
        let room = self.bytes.iter_mut().rev().skip(1).rev().skip(self.len);
        for (into, &byte) in room.zip(text) {
            *into = byte;
            self.len += 1;
        }
        self
    }

    fn number(&mut self, mut number: usize) -> &mut Self {
        let mut digits = [0; 20];
        let mut count = 0;
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + u8::try_from(number % 10).unwrap_or(0);
            number /= 10;
            count += 1;
            if number == 0 {
                break;
            }
        }
        self.text(digits.get(digits.len() - count..).unwrap_or_default())
    }

    fn cycles(&mut self, cycles: usize) -> &mut Self {
        if cycles == 0 {
            self.text(b"not measured")
        } else {
            self.number(cycles).text(b" ").text(clock::UNIT.as_bytes())
        }
    }

    /// Whether it was printed.
    #[cfg(feature = "stdio")]
    fn print(&self) -> bool {
        unsafe extern "C" {
            fn puts(text: *const core::ffi::c_char) -> core::ffi::c_int;
        }
        // SAFETY: C's function, and the text ends with a zero.
        unsafe { puts(self.bytes.as_ptr().cast()) >= 0 }
    }

    #[cfg(not(feature = "stdio"))]
    fn print(&self) -> bool {
        false
    }
}
