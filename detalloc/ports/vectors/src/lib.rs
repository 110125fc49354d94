//! What the allocator must give on every target: traces, heaps and their outcomes as text (`vectors.txt`), computed on
//! x86-64, and the code that runs one and compares.
//!
//! The traces are excerpts of those in `benches`, small enough for a microcontroller. Compared are the refusals, the
//! frees, the counts of every pool and a checksum of where every block lay, counted from the first block of the smallest
//! pool. All of it must agree whatever the size of a word: the lowest free block of a pool is taken first, so that how many
//! blocks a bitmap word has never shows. What does depend on the word, the size of the metadata below the blocks, is not
//! compared.
#![no_std]

use core::{
    alloc::Layout,
    fmt::{self, Write},
    mem::MaybeUninit,
    ptr::NonNull,
};
use detalloc::{Allocate, Config, Corruption, Heap, MAX_POOLS, PoolConfig, Stats};

/// The file.
pub const TEXT: &str = include_str!("../vectors.txt");

/// What every block of the traces is aligned to, in bytes.
pub const ALIGN_BYTES: usize = 16;

/// A trace, a heap and what the one gives on the other.
#[derive(Clone, Copy, Debug)]
pub struct Vector<'t> {
    /// The trace's name.
    pub trace: &'t str,
    /// How many blocks the trace names.
    pub slots: usize,
    /// The trace: `+SLOT:BYTES` allocates and `-SLOT` frees.
    pub operations: &'t str,
    /// The heap's name.
    pub heap: &'t str,
    /// The heap's pools, as `BYTESxBLOCKS`.
    pub pools: &'t str,
    /// What must come out, as [`Outcome`] prints it.
    pub expected: &'t str,
}

/// What came out.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// Allocations that were refused.
    pub refused: usize,
    /// Blocks that were given back.
    pub freed: usize,
    /// FNV-1a over the distances of all blocks, in the order of their allocation, from the first block of the smallest
    /// pool: 32 bits each, the lowest byte first.
    pub places: u32,
    /// The heap's counts at the end.
    pub stats: Stats,
}

/// Why a vector did not run to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// The text is none of a vector.
    Text,
    /// The region is too small.
    Region {
        /// How much is needed, in bytes.
        needed: usize,
    },
    /// There are too few slots.
    Slots {
        /// How many are needed.
        needed: usize,
    },
    /// A block was not taken back.
    Free,
    /// An invariant of the metadata does not hold at the end.
    Corrupt(Corruption),
}

/// Every vector of a text, in its order; text that is none is left out.
pub fn vectors(text: &str) -> impl Iterator<Item = Vector<'_>> {
    text.split("\ntrace ").skip(1).flat_map(|trace| {
        let (head, rest) = trace.split_once('\n').unwrap_or((trace, ""));
        let (name, slots) = head.split_once(' ').unwrap_or((head, ""));
        let mut parts = rest.split("\nheap ");
        let operations = parts.next().unwrap_or("");
        parts.map(move |part| {
            let (head, expected) = part.split_once('\n').unwrap_or((part, ""));
            let (heap, pools) = head.split_once(' ').unwrap_or((head, ""));
            let slots = slots.parse().unwrap_or(0);
            Vector { trace: name, slots, operations, heap, pools, expected: expected.trim_end() }
        })
    })
}

impl Vector<'_> {
    /// The heap's configuration; `None` where the text has none.
    #[must_use]
    pub fn config(&self) -> Option<Config> {
        let mut pools = [PoolConfig::new(0, 0); MAX_POOLS];
        let mut count = 0;
        for pool in self.pools.split(' ') {
            let (bytes, blocks) = pool.split_once('x')?;
            *pools.get_mut(count)? = PoolConfig::new(bytes.parse().ok()?, blocks.parse().ok()?);
            count += 1;
        }
        Config::new(pools.get(..count)?).ok()
    }

    /// Runs the trace on a heap in `region`. The slots' contents do not matter.
    ///
    /// # Errors
    /// [`Failed`] says what went wrong, if something other than a refused allocation did.
    ///
    /// # Time complexity
    /// Linear in the length of the trace.
    pub fn run(
        &self,
        region: &mut [MaybeUninit<u8>],
        slots: &mut [Option<NonNull<u8>>],
    ) -> Result<Outcome, Failed> {
        let config = self.config().ok_or(Failed::Text)?;
        let too_small = |_| Failed::Region { needed: config.bytes_needed() };
        let slots = slots.get_mut(..self.slots).ok_or(Failed::Slots { needed: self.slots })?;
        slots.fill(None);
        // A heap of the same configuration in the same region lies in the same place.
        let first = Heap::new(region, &config).map_err(too_small)?.allocate(Layout::new::<u8>());
        let first = first.map_err(|_| Failed::Text)?.as_ptr().addr();
        let mut heap = Heap::new(region, &config).map_err(too_small)?;
        let (mut refused, mut freed, mut places) = (0, 0, Fnv::new());
        for operation in self.operations.split_ascii_whitespace() {
            if let Some(allocation) = operation.strip_prefix('+') {
                let (slot, bytes) = allocation.split_once(':').ok_or(Failed::Text)?;
                let bytes = bytes.parse().map_err(|_| Failed::Text)?;
                let layout = Layout::from_size_align(bytes, ALIGN_BYTES).map_err(|_| Failed::Text)?;
                let block = heap.allocate(layout).ok();
                match block {
                    Some(block) => places.add(block.as_ptr().addr().wrapping_sub(first)),
                    None => refused += 1,
                }
                *slot_of(slots, slot)? = block;
            } else {
                let slot = operation.strip_prefix('-').ok_or(Failed::Text)?;
                if let Some(block) = slot_of(slots, slot)?.take() {
                    // SAFETY: the slot held the block's only pointer.
                    unsafe { heap.free(block) }.map_err(|_| Failed::Free)?;
                    freed += 1;
                }
            }
        }
        heap.validate().map_err(Failed::Corrupt)?;
        Ok(Outcome { refused, freed, places: places.0, stats: heap.meter().snapshot() })
    }
}

fn slot_of<'s>(
    slots: &'s mut [Option<NonNull<u8>>],
    number: &str,
) -> Result<&'s mut Option<NonNull<u8>>, Failed> {
    number.parse::<usize>().ok().and_then(|number| slots.get_mut(number)).ok_or(Failed::Text)
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused {} freed {} places {:08x}", self.refused, self.freed, self.places)?;
        for pool in self.stats.pools() {
            write!(f, "\n{}: live {} high water {}", pool.block_bytes, pool.used, pool.peak)?;
            write!(f, " refused {} borrowed {}", pool.refused, pool.borrowed)?;
        }
        Ok(())
    }
}

impl Outcome {
    /// Whether it prints as this text.
    #[must_use]
    pub fn is(&self, expected: &str) -> bool {
        let mut left = Left(expected);
        write!(left, "{self}").is_ok() && left.0.is_empty()
    }
}

/// What is left of a text after what was written was taken off its start.
struct Left<'t>(&'t str);

impl Write for Left<'_> {
    fn write_str(&mut self, written: &str) -> fmt::Result {
        self.0 = self.0.strip_prefix(written).ok_or(fmt::Error)?;
        Ok(())
    }
}

/// The hash of Fowler, Noll and Vo, 32 bits (RFC 9923).
struct Fnv(u32);

impl Fnv {
    fn new() -> Self {
        Self(0x811C_9DC5)
    }

    fn add(&mut self, distance: usize) {
        // Regions are smaller than 4 GiB, and the lowest bytes are the same on every target.
        for byte in distance.to_le_bytes().into_iter().take(4) {
            self.0 = (self.0 ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        }
    }
}
