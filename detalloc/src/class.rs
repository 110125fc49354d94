//! The grid of size classes: every size that shares a class shares a block size.
//!
//! Up to 512 bytes the classes are the multiples of the 16-byte granule; above, each power of two is divided
//! into 16 steps. So a class never exceeds the request by 15 bytes or 1/16 of it, whichever is more. The
//! index is computed without a branch from the position of the highest bit, and folds to a constant for a
//! constant layout.
//!
//! Alignment is folded into the size: a size rounded up to a multiple of its alignment always lands in a class
//! whose size is a multiple of that alignment. (A step that is no smaller than the alignment divides the class
//! size; where the step is smaller, it divides the rounded size, which then *is* the class size.)

/// The smallest block, and the alignment that every block has: 16 bytes.
pub const GRANULE_BYTES: usize = 16;

/// The largest block of any class, in bytes.
pub const MAX_BLOCK_BYTES: usize = 1 << 28;

const GRANULE_BITS: u32 = GRANULE_BYTES.trailing_zeros();
const STEP_BITS: u32 = 4;

/// How many classes there are; [`MAX_BLOCK_BYTES`] is the size of the last one.
pub const CLASSES: usize = class_of(MAX_BLOCK_BYTES, 1) + 1;

/// The class of a request of `size_bytes` at an alignment of `align_bytes` (a power of two).
///
/// A size of zero counts as one byte, so that every block has an address of its own. The result can exceed
/// [`CLASSES`] for sizes above [`MAX_BLOCK_BYTES`].
///
/// # Time complexity
/// Constant, without a branch.
#[inline]
#[must_use]
pub const fn class_of(size_bytes: usize, align_bytes: usize) -> usize {
    // The last byte of the size after rounding it up to a multiple of the alignment.
    let last = size_bytes.saturating_sub(1) | align_bytes.wrapping_sub(1);
    // The lowest two octaves share the granule as their step, so the highest bit counts from there.
    let highest = usize::BITS - 1 - (last | 1 << (GRANULE_BITS + STEP_BITS)).leading_zeros();
    let step = highest - STEP_BITS;
    (last >> step) + ((step - GRANULE_BITS) << STEP_BITS) as usize
}

/// The block size of a class below [`CLASSES`], in bytes: the largest size that [`class_of`] puts there.
///
/// # Time complexity
/// Constant.
#[must_use]
pub const fn class_bytes(class: usize) -> usize {
    let octave = class >> STEP_BITS;
    if octave == 0 {
        return (class + 1) << GRANULE_BITS;
    }
    let steps = (1 << STEP_BITS) + (class & ((1 << STEP_BITS) - 1)) + 1;
    steps << (octave - 1 + GRANULE_BITS as usize)
}

/// The smallest block size of the grid that holds `size_bytes` at an alignment of `align_bytes`, in bytes;
/// `usize::MAX`, which is none, where it would exceed [`MAX_BLOCK_BYTES`].
///
/// # Time complexity
/// Constant.
#[must_use]
pub const fn block_bytes_for(size_bytes: usize, align_bytes: usize) -> usize {
    let class = class_of(size_bytes, align_bytes);
    if class < CLASSES { class_bytes(class) } else { usize::MAX }
}

/// The key of the smallest request there is; see [`key_of`].
pub(crate) const MIN_KEY: isize = -signed((usize::BITS as usize) << STEP_BITS);

/// Where a request finds its pool in a heap's map: rises with the size, and two sizes of different classes have
/// different keys. Finer than the classes below 256 bytes, which saves the instructions that would make it the same.
/// A size of zero gets the highest key, past every pool's.
///
/// `align_mask` is the alignment less one. The five highest bits of the last byte's offset, and the count of zeros above them.
#[inline]
pub(crate) const fn key_of(size_bytes: usize, align_mask: usize) -> isize {
    let last = size_bytes.wrapping_sub(1) | align_mask;
    let zeros = last.leading_zeros();
    signed(last.wrapping_shl(zeros) >> (usize::BITS - STEP_BITS - 1)) - signed((zeros as usize) << STEP_BITS)
}

/// The same number, which is far below the limit, as one that may become negative.
#[expect(clippy::cast_possible_wrap, reason = "the callers' numbers are small")]
#[inline]
pub(crate) const fn signed(value: usize) -> isize {
    value as isize
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of how many sizes one is tried.
    const STEP: usize = if cfg!(miri) { 499 } else { 1 };

    #[test]
    fn every_size_lands_in_the_smallest_class_that_holds_it() {
        for size in (1..=70_000).step_by(STEP) {
            let class = class_of(size, 1);
            assert!(class_bytes(class) >= size);
            assert!(class == 0 || class_bytes(class - 1) < size, "{size} fits the class below {class}");
        }
    }

    #[test]
    fn a_class_wastes_at_most_fifteen_bytes_or_a_sixteenth() {
        for size in (1..=70_000_usize).step_by(STEP) {
            let waste = block_bytes_for(size, 1) - size;
            assert!(waste <= 15.max(size / 16), "{size} wastes {waste}");
        }
    }

    #[test]
    fn a_class_size_is_a_multiple_of_the_alignment_that_was_asked_for() {
        for align in (0..=12).map(|bits| 1_usize << bits) {
            for size in (0..20_000).step_by(STEP).chain([1 << 20, (1 << 20) + 1, MAX_BLOCK_BYTES]) {
                let bytes = block_bytes_for(size, align);
                assert_eq!(bytes % align, 0, "{size} at {align} gives {bytes}");
                assert!(bytes >= size);
            }
        }
    }

    #[test]
    fn keys_rise_with_the_size_and_tell_classes_apart() {
        for size in (1..70_000).step_by(STEP) {
            let (one, next) = (key_of(size, 0), key_of(size + 1, 0));
            assert!(MIN_KEY <= one && one <= next, "{size}");
            assert!(one < next || class_of(size, 1) == class_of(size + 1, 1), "{size}");
        }
        assert!(
            key_of(0, 0) > key_of(MAX_BLOCK_BYTES, 0)
                && key_of(usize::MAX >> 1, 0) > key_of(MAX_BLOCK_BYTES, 0)
        );
    }

    #[test]
    fn zero_bytes_take_the_smallest_class_and_absurd_sizes_lie_past_the_last() {
        assert_eq!(class_of(0, 1), 0);
        assert_eq!(class_bytes(CLASSES - 1), MAX_BLOCK_BYTES);
        assert_eq!(block_bytes_for(MAX_BLOCK_BYTES + 1, 1), usize::MAX);
        for bits in 0..usize::BITS {
            for size in [(1_usize << bits) - 1, 1 << bits, (1 << bits) + 1, usize::MAX] {
                assert_eq!(class_of(size, 1) < CLASSES, size <= MAX_BLOCK_BYTES, "{size}");
            }
        }
    }
}
