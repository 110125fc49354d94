//! Touching ordinary memory before a callback does.

/// Smaller than or equal to the page size of every platform.
const STRIDE_BYTES: usize = 4096;

/// Makes the system hand over every page of `memory` now: the first *write* to a page is what costs a fault, and a
/// large zeroed `Vec` has not been written yet. The contents stay as they are.
///
/// # Time complexity
/// Linear in the number of pages. Not for real-time paths.
pub fn prefault<T: Copy>(memory: &mut [T]) {
    let stride = (STRIDE_BYTES / size_of::<T>().max(1)).max(1);
    let touch = |element: &mut T| {
        let element: *mut T = element;
        // SAFETY: the pointer comes from an exclusive reference; what is written is what was there. Volatile, because
        // the write exists for its side effect.
        unsafe { element.write_volatile(element.read_volatile()) };
    };
    memory.iter_mut().step_by(stride).for_each(touch);
    memory.last_mut().into_iter().for_each(touch);
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
