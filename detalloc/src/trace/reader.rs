//! Reading a trace. Whatever the bytes are, the answer is a record or an error that says where.

use super::format::{HEADER_BYTES, MAGIC, Reader, follow, kind};
use core::{alloc::Layout, error, fmt};

/// Which block of a trace: the same as long as it lives, and the next one at the same place after that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockId(
    /// Distance from the first block of the trace, in bytes, modulo 2^64.
    pub u64,
);

/// One thing that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    /// A block was allocated.
    Allocated {
        /// The block.
        block: BlockId,
        /// What was asked for; an alignment below 16 is read as 16.
        layout: Layout,
    },
    /// A block was freed.
    Freed {
        /// The block.
        block: BlockId,
    },
    /// A block changed its size.
    Reallocated {
        /// The block as it was.
        block: BlockId,
        /// The block as it is; the same if it stayed in place.
        moved_to: BlockId,
        /// The new size, in bytes.
        new_bytes: usize,
    },
    /// An allocation was refused.
    Refused {
        /// What was asked for; an alignment below 16 is read as 16.
        layout: Layout,
    },
    /// A block could not change its size, for want of memory.
    ReallocateRefused {
        /// The block.
        block: BlockId,
        /// The size that was asked for, in bytes.
        new_bytes: usize,
    },
    /// A mark of the program's.
    Mark(
        /// What it chose to write.
        u64,
    ),
}

/// A trace, in memory.
#[derive(Clone, Copy, Debug)]
pub struct Trace<'t> {
    records: &'t [u8],
    lost: u64,
}

impl<'t> Trace<'t> {
    /// Reads the head of a trace. What lies behind its records does not matter, so a recorder's whole memory
    /// will do.
    ///
    /// # Errors
    /// [`TraceError::NotATrace`], [`TraceError::Version`] or [`TraceError::Truncated`] if and only if the
    /// head does not say otherwise. The records are checked when they are read.
    ///
    /// # Time complexity
    /// Constant.
    pub fn parse(bytes: &'t [u8]) -> Result<Self, TraceError> {
        let [name @ .., version] = bytes.first_chunk::<{ MAGIC.len() }>().ok_or(TraceError::NotATrace)?;
        let [known_name @ .., known_version] = &MAGIC;
        if name != known_name {
            return Err(TraceError::NotATrace);
        }
        if version != known_version {
            return Err(TraceError::Version { given: *version });
        }
        let number = |at: usize| Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        let given = bytes.len();
        let (Some(len), Some(lost)) = (number(8), number(16)) else {
            return Err(TraceError::Truncated { needed: HEADER_BYTES as u64, given });
        };
        let end = usize::try_from(len).ok().and_then(|len| HEADER_BYTES.checked_add(len));
        match end.and_then(|end| bytes.get(HEADER_BYTES..end)) {
            Some(records) => Ok(Self { records, lost }),
            None => Err(TraceError::Truncated { needed: len.saturating_add(HEADER_BYTES as u64), given }),
        }
    }

    /// What happened, in order. After an error there is nothing more.
    #[must_use]
    pub const fn records(&self) -> Records<'t> {
        Records { reader: Reader { bytes: self.records, at: 0 }, previous: 0 }
    }

    /// How many events came after the recorder's memory was full; they are not in the trace.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.lost
    }
}

/// The records of a trace, in order.
#[derive(Clone, Debug)]
pub struct Records<'t> {
    reader: Reader<'t>,
    previous: u64,
}

impl Records<'_> {
    fn read(&mut self) -> Option<Record> {
        let (kind, negative, number) = self.reader.head()?;
        if kind == kind::OTHER {
            return match number {
                kind::other::REFUSED => Some(Record::Refused { layout: self.reader.layout()? }),
                kind::other::MARK => Some(Record::Mark(self.reader.varint()?)),
                kind::other::REALLOCATE_REFUSED => {
                    let block = self.block()?;
                    Some(Record::ReallocateRefused { block, new_bytes: self.bytes()? })
                }
                _ => None,
            };
        }
        self.previous = follow(self.previous, negative, number);
        let block = BlockId(self.previous);
        match kind {
            kind::ALLOCATED => Some(Record::Allocated { block, layout: self.reader.layout()? }),
            kind::FREED => Some(Record::Freed { block }),
            _ => {
                let moved_to = self.block()?;
                Some(Record::Reallocated { block, moved_to, new_bytes: self.bytes()? })
            }
        }
    }

    fn bytes(&mut self) -> Option<usize> {
        usize::try_from(self.reader.varint()?).ok()
    }

    fn block(&mut self) -> Option<BlockId> {
        self.previous = self.reader.block(self.previous)?;
        Some(BlockId(self.previous))
    }
}

impl Iterator for Records<'_> {
    type Item = Result<Record, TraceError>;

    fn next(&mut self) -> Option<Self::Item> {
        let start = self.reader.at;
        if start >= self.reader.bytes.len() {
            return None;
        }
        let record = self.read();
        if record.is_none() {
            self.reader.at = self.reader.bytes.len();
        }
        Some(record.ok_or(TraceError::Malformed { at: HEADER_BYTES + start }))
    }
}

impl core::iter::FusedIterator for Records<'_> {}

/// Why bytes are not a trace that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TraceError {
    /// They do not begin as a trace does.
    NotATrace,
    /// They are a trace of another version of the format.
    Version {
        /// The version of the trace; 1 can be read.
        given: u8,
    },
    /// They end before the trace does.
    Truncated {
        /// How long the trace says that it is, in bytes.
        needed: u64,
        /// How many bytes there are.
        given: usize,
    },
    /// A record is none.
    Malformed {
        /// Where it begins, in bytes from the beginning of the trace.
        at: usize,
    },
}

impl fmt::Display for TraceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotATrace => write!(f, "this is not a trace"),
            Self::Version { given } => {
                write!(f, "the trace is of version {given}; version {} can be read", MAGIC[MAGIC.len() - 1])
            }
            Self::Truncated { needed, given } => {
                write!(f, "the trace has {needed} bytes and {given} are here")
            }
            Self::Malformed { at } => write!(f, "the record at byte {at} cannot be read"),
        }
    }
}

impl error::Error for TraceError {}
