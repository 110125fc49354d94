//! Bytes from numbers and back; the format is described one level up. Nothing here panics or loops more than
//! ten times.

use core::alloc::Layout;

/// What every trace begins with, the version included.
pub(super) const MAGIC: [u8; 8] = *b"detrace\x01";

/// How many bytes the head of a trace has: magic, length, count of what is missing.
pub const HEADER_BYTES: usize = 24;

/// The most bytes that a record takes: three numbers of 64 bits.
pub const MAX_RECORD_BYTES: usize = 30;

/// The alignment that every block has.
const COMMON_ALIGN_BYTES: usize = 16;

/// What a record is: the lowest two bits of its head.
pub(super) mod kind {
    pub const ALLOCATED: u8 = 0;
    pub const FREED: u8 = 1;
    pub const REALLOCATED: u8 = 2;
    pub const OTHER: u8 = 3;
    /// The number in the head of `OTHER`.
    pub mod other {
        pub const REFUSED: u64 = 0;
        pub const MARK: u64 = 1;
        pub const REALLOCATE_REFUSED: u64 = 2;
    }
}

const SIGN: u8 = 1 << 2;
const HEAD_SHIFT: u32 = 3;
const HEAD_BITS: u32 = 4;
const MORE: u8 = 1 << 7;

/// The lowest seven bits of a number.
fn low_bits(value: u64) -> u8 {
    (value & 0x7F).to_le_bytes()[0]
}

/// Writes numbers into a slice, until it is full: then everything is `None`.
pub(super) struct Writer<'a> {
    pub(super) bytes: &'a mut [u8],
    pub(super) at: usize,
}

impl Writer<'_> {
    fn byte(&mut self, byte: u8) -> Option<()> {
        *self.bytes.get_mut(self.at)? = byte;
        self.at += 1;
        Some(())
    }

    pub(super) fn varint(&mut self, mut value: u64) -> Option<()> {
        while value >= u64::from(MORE) {
            self.byte(low_bits(value) | MORE)?;
            value >>= 7;
        }
        self.byte(low_bits(value))
    }

    pub(super) fn head(&mut self, kind: u8, negative: bool, value: u64) -> Option<()> {
        let (low, rest) = (low_bits(value & ((1 << HEAD_BITS) - 1)), value >> HEAD_BITS);
        let first = kind | if negative { SIGN } else { 0 } | low << HEAD_SHIFT;
        if rest == 0 {
            return self.byte(first);
        }
        self.byte(first | MORE)?;
        self.varint(rest)
    }

    /// A head that leads from one block to another.
    pub(super) fn block(&mut self, kind: u8, from: u64, to: u64) -> Option<()> {
        let ahead = to.wrapping_sub(from);
        let negative = ahead > u64::MAX / 2;
        let distance = if negative { ahead.wrapping_neg() } else { ahead };
        self.head(kind, negative, distance.rotate_right(4))
    }

    pub(super) fn layout(&mut self, layout: Layout) -> Option<()> {
        // A layout's size is at most `isize::MAX`.
        let size = (layout.size() as u64) << 1;
        // A request of nearly the whole address space exists with its own alignment only.
        let is_common = layout.size() <= isize::MAX as usize - (COMMON_ALIGN_BYTES - 1);
        if layout.align() <= COMMON_ALIGN_BYTES && is_common {
            return self.varint(size);
        }
        self.varint(size | 1)?;
        self.byte(low_bits(layout.align().trailing_zeros().into()))
    }
}

/// Reads numbers from a slice; `None` where it ends or a number is too long.
#[derive(Clone, Debug)]
pub(super) struct Reader<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
}

impl Reader<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    pub(super) fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & !MORE);
            if bits.leading_zeros() < shift {
                return None;
            }
            value |= bits << shift;
            if byte & MORE == 0 {
                return Some(value);
            }
        }
        None
    }

    /// Kind, sign and number.
    pub(super) fn head(&mut self) -> Option<(u8, bool, u64)> {
        let first = self.byte()?;
        let low = u64::from((first & !MORE) >> HEAD_SHIFT);
        let rest = if first & MORE == 0 { 0 } else { self.varint()? };
        if rest.leading_zeros() < HEAD_BITS {
            return None;
        }
        Some((first & kind::OTHER, first & SIGN != 0, low | rest << HEAD_BITS))
    }

    /// A head within a record, which leads from one block to another.
    pub(super) fn block(&mut self, from: u64) -> Option<u64> {
        let (kind, negative, distance) = self.head()?;
        (kind == kind::ALLOCATED).then_some(follow(from, negative, distance))
    }

    pub(super) fn layout(&mut self) -> Option<Layout> {
        let size = self.varint()?;
        let align =
            if size & 1 == 0 { COMMON_ALIGN_BYTES } else { 1_usize.checked_shl(self.byte()?.into())? };
        Layout::from_size_align(usize::try_from(size >> 1).ok()?, align).ok()
    }
}

/// The block that a head leads to.
pub(super) fn follow(from: u64, negative: bool, distance: u64) -> u64 {
    let distance = distance.rotate_left(4);
    from.wrapping_add(if negative { distance.wrapping_neg() } else { distance })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Powers of two, their neighbours, and multiples of the granule.
    fn numbers() -> impl Iterator<Item = u64> {
        (0..64).step_by(if cfg!(miri) { 21 } else { 1 }).flat_map(|bit| {
            let power = 1_u64 << bit;
            [power - 1, power, power.wrapping_add(1), power.wrapping_mul(16), power.wrapping_neg()]
        })
    }

    fn written(write: impl FnOnce(&mut Writer<'_>) -> Option<()>) -> std::vec::Vec<u8> {
        let mut bytes = [0; MAX_RECORD_BYTES];
        let mut writer = Writer { bytes: &mut bytes, at: 0 };
        write(&mut writer).unwrap();
        let end = writer.at;
        bytes[..end].into()
    }

    #[test]
    fn a_number_reads_as_it_was_written() {
        for number in numbers() {
            let bytes = written(|it| it.varint(number));
            let mut reader = Reader { bytes: &bytes, at: 0 };
            assert_eq!((reader.varint(), reader.at), (Some(number), bytes.len()), "{number}");
        }
    }

    #[test]
    fn a_head_reads_as_it_was_written() {
        for number in numbers() {
            for head in [(0, false, number), (1, true, number), (2, false, number), (3, true, number)] {
                let bytes = written(|it| it.head(head.0, head.1, head.2));
                let mut reader = Reader { bytes: &bytes, at: 0 };
                assert_eq!((reader.head(), reader.at), (Some(head), bytes.len()), "{head:?}");
            }
        }
    }

    #[test]
    fn a_distance_leads_to_the_block_whatever_its_alignment() {
        for from in numbers() {
            for to in numbers() {
                let bytes = written(|it| it.block(kind::ALLOCATED, from, to));
                assert_eq!(Reader { bytes: &bytes, at: 0 }.block(from), Some(to), "{from} to {to}");
            }
        }
    }

    #[test]
    fn a_layout_reads_as_it_was_written_however_large() {
        for align in [1, 8, 16, 32, 4096] {
            for size in
                [0, 1, 4096, isize::MAX as usize - 4095, isize::MAX as usize - 15, isize::MAX as usize]
            {
                let Ok(layout) = Layout::from_size_align(size, align) else { continue };
                let bytes = written(|it| it.layout(layout));
                let read = Reader { bytes: &bytes, at: 0 }.layout();
                assert_eq!(read.map(|read| read.size()), Some(size), "{layout:?}");
                assert!(read.is_some_and(|read| [align, COMMON_ALIGN_BYTES].contains(&read.align())));
            }
        }
    }

    #[test]
    fn numbers_of_more_than_64_bits_are_not_numbers() {
        let mut bytes = [0xFF; 12];
        assert_eq!(Reader { bytes: &bytes, at: 0 }.varint(), None);
        bytes[9] = 2;
        assert_eq!(Reader { bytes: &bytes, at: 0 }.varint(), None);
        bytes[9] = 1;
        assert_eq!(Reader { bytes: &bytes, at: 0 }.varint(), Some(u64::MAX));
        let mut head = written(|it| it.head(kind::FREED, false, u64::MAX));
        *head.last_mut().unwrap() += 1 << 4;
        assert_eq!(Reader { bytes: &head, at: 0 }.head(), None);
    }

    #[test]
    fn no_record_takes_more_than_its_bound() {
        let head = written(|it| it.head(kind::OTHER, true, u64::MAX)).len();
        let number = written(|it| it.varint(u64::MAX)).len();
        assert_eq!(2 * head + number, MAX_RECORD_BYTES);
    }
}
