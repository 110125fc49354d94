//! Touching ordinary memory before a callback does.

use core::mem::MaybeUninit;

/// Smaller than or equal to the page size of every platform.
const STRIDE_BYTES: usize = 4096;

/// Makes the system hand over every page of `memory` now: the first *write* to a page is what costs a fault, and a
/// large zeroed `Vec` has not been written yet. The contents stay as they are.
///
/// # Time complexity
/// Linear in the number of pages. Not for real-time paths.
pub fn prefault<T: Copy>(memory: &mut [T]) {
    let bytes = size_of_val(memory);
    let start = memory.as_mut_ptr().cast::<MaybeUninit<u8>>();
    // The stride need not meet the page that the last byte lies in.
    for at in (0..bytes).step_by(STRIDE_BYTES).chain(bytes.checked_sub(1)) {
        // SAFETY: a byte of the slice, which is borrowed exclusively; what is written is what was there. Volatile,
        // because the write exists for its side effect.
        unsafe { start.add(at).write_volatile(start.add(at).read_volatile()) };
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn contents_stay_as_they_are() {
        let mut memory: Vec<u32> = (0..10_000).collect();
        super::prefault(&mut memory);
        super::prefault::<u8>(&mut []);
        assert!(memory.iter().copied().eq(0..10_000));
    }
}
