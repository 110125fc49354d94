//! What can go wrong, as values that say what to do about it.

use core::{error, fmt};

/// Why a request was not served. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AllocError {
    /// No block of this class is free, and none could be borrowed: free one, steal one, or configure more.
    Exhausted {
        /// Block size of the pool that ran dry, in bytes.
        block_bytes: usize,
    },
    /// No pool has blocks of this size and alignment: configure one.
    Unsupported {
        /// The size that was asked for, in bytes.
        size_bytes: usize,
        /// The alignment that was asked for, in bytes.
        align_bytes: usize,
    },
    /// The heap is at work: the request came from one of its own observers. See [`Local`](crate::Local).
    Busy,
    /// The metadata of the pool contradicts itself: something wrote outside its block. See [`Heap::validate`].
    ///
    /// [`Heap::validate`]: crate::Heap::validate
    Corrupt,
}

impl fmt::Display for AllocError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exhausted { block_bytes } => {
                write!(
                    f,
                    "the pool of {block_bytes}-byte blocks is empty and nothing larger could be borrowed"
                )
            }
            Self::Unsupported { size_bytes, align_bytes } => {
                write!(f, "no pool has blocks of {size_bytes} bytes aligned to {align_bytes}")
            }
            Self::Busy => write!(f, "the heap is at work: observers must not ask it for memory"),
            Self::Corrupt => write!(f, "the pool's metadata was overwritten; validate() says where"),
        }
    }
}

impl error::Error for AllocError {}

/// Why a block was not taken back. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FreeError {
    /// The pointer lies outside the blocks of this heap.
    Foreign,
    /// The pointer lies inside a block, at a multiple of the granule but not at the block's start.
    Interior,
    /// The pointer lies inside a block and is not even aligned to the granule.
    Misaligned,
    /// The block is free already.
    DoubleFree,
    /// The heap is at work: the free came from one of its own observers. See [`Local`](crate::Local).
    Busy,
    /// Something wrote past the end of the block; only a heap with [guards](crate::guard) notices. The block stays live.
    Overrun {
        /// The first byte of the block that was found overwritten.
        at_bytes: usize,
    },
}

impl fmt::Display for FreeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Overrun { at_bytes } => {
                return write!(f, "byte {at_bytes} of the block, past its end, was written");
            }
            Self::Foreign => "the pointer belongs to no block of this heap",
            Self::Interior => "the pointer lies inside a block, not at its start",
            Self::Misaligned => "the pointer lies inside a block and is not aligned to 16 bytes",
            Self::DoubleFree => "the block is free already",
            Self::Busy => "the heap is at work: observers must not give blocks back to it",
        })
    }
}

impl error::Error for FreeError {}

/// Why a block could not change its size. It is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResizeError {
    /// The block is none of this heap's, or not live.
    Block(FreeError),
    /// The block has to move, and there is no memory for the new size.
    Memory(AllocError),
}

impl fmt::Display for ResizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Block(error) => error.fmt(f),
            Self::Memory(error) => error.fmt(f),
        }
    }
}

impl error::Error for ResizeError {}

/// What was in use when a heap was destroyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StillLive {
    /// Live blocks.
    pub blocks: usize,
    /// Their size together, in bytes: whole blocks.
    pub bytes: usize,
}

impl fmt::Display for StillLive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} blocks of {} bytes together were still in use", self.blocks, self.bytes)
    }
}

impl error::Error for StillLive {}

/// The rest of an arena is too small. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArenaFull {
    /// What was asked for, with what alignment costs at this place, in bytes.
    pub needed_bytes: usize,
    /// What is left, in bytes.
    pub left_bytes: usize,
}

impl fmt::Display for ArenaFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes are needed and the arena has {} left", self.needed_bytes, self.left_bytes)
    }
}

impl error::Error for ArenaFull {}

/// Why a configuration cannot work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// There is no pool.
    NoPools,
    /// There are more pools than a heap can have.
    TooManyPools {
        /// How many there were.
        given: usize,
        /// How many there may be: [`MAX_POOLS`](crate::MAX_POOLS).
        max: usize,
    },
    /// A block size is not one of the grid's.
    BlockBytes {
        /// Position of the pool in the configuration.
        pool: usize,
        /// Its block size, in bytes.
        given: usize,
        /// The next larger block size of the grid, in bytes; the largest one if there is none.
        nearest: usize,
    },
    /// An alignment is stricter than any block's.
    AlignBytes {
        /// Position of the layout in the list.
        pool: usize,
        /// Its alignment, in bytes.
        given: usize,
        /// The strictest one there is, in bytes: [`MAX_ALIGN_BYTES`](crate::MAX_ALIGN_BYTES).
        max: usize,
    },
    /// Block sizes must rise from pool to pool; this one does not exceed the one before.
    NotAscending {
        /// Position of the pool in the configuration.
        pool: usize,
        /// Its block size, in bytes.
        given: usize,
        /// The least one that could follow the pool before, in bytes; `usize::MAX` if none can.
        least: usize,
    },
    /// A pool has no block, or more than it can have.
    Blocks {
        /// Position of the pool in the configuration.
        pool: usize,
        /// How many blocks were asked for.
        given: usize,
        /// How many there may be: [`MAX_BLOCKS`](crate::MAX_BLOCKS).
        max: usize,
    },
    /// The pools up to this one exceed the address space.
    TooLarge {
        /// Position of the pool in the configuration.
        pool: usize,
        /// How many blocks were asked for.
        given: usize,
        /// How many would fit behind the pools before, if it were the last; 0 if not even one would.
        max: usize,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPools => write!(f, "a heap needs at least one pool"),
            Self::TooManyPools { given, max } => write!(f, "{given} pools; a heap has at most {max}"),
            Self::BlockBytes { pool, given, nearest } if nearest < given => {
                write!(f, "pool {pool}: no block has {given} bytes; the largest has {nearest}")
            }
            Self::BlockBytes { pool, given, nearest } => {
                write!(f, "pool {pool}: no size class has blocks of {given} bytes; {nearest} would fit")
            }
            Self::AlignBytes { pool, given, max } => {
                write!(f, "pool {pool}: no block is aligned to {given} bytes; {max} is the most")
            }
            Self::NotAscending { pool, given, least } => write!(
                f,
                "pool {pool}: block sizes must rise, and {given} bytes do not; {least} or more would fit here"
            ),
            Self::Blocks { pool, given, max } => {
                write!(f, "pool {pool}: {given} blocks; a pool has 1 to {max}")
            }
            Self::TooLarge { pool, given, max } => {
                write!(f, "pool {pool}: {given} blocks exceed the address space; {max} would fit")
            }
        }
    }
}

impl error::Error for ConfigError {}

/// Why a heap could not be set up in a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InitError {
    /// The region is too small. [`Preset::fitting`](crate::Preset::fitting) gives a configuration that fits a
    /// region.
    TooSmall {
        /// What this region would have to hold, its own misalignment included, in bytes.
        needed: usize,
        /// What it holds, in bytes.
        given: usize,
    },
    /// The heap was to own its region, and there is no memory for it.
    OutOfMemory {
        /// What this configuration needs, in bytes.
        needed: usize,
    },
}

impl fmt::Display for InitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooSmall { needed, given } => {
                write!(f, "the region has {given} bytes and this configuration needs {needed}")
            }
            Self::OutOfMemory { needed } => write!(f, "the system has no {needed} bytes for the region"),
        }
    }
}

impl error::Error for InitError {}
