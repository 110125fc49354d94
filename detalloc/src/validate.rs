//! Whether the metadata is what it must be: for tests, debug sessions and the suspicion that something wrote
//! outside its block. Reads only. Addresses and sizes are followed only once a digest has shown that they are what they
//! were made, so that overwritten ones do not lead outside the region.

use crate::{
    class::{MIN_KEY, key_of},
    parts::Parts,
    region::Region,
    sync::Ordering::Relaxed,
};
use core::{error, fmt};

/// An invariant of the metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// Something that never changes has changed: an address, a size, the class map or the page table.
    Shape,
    /// The class map leads a size to another pool than the smallest that holds it.
    ClassMap,
    /// The page table leads an address of the pool to another one.
    PageTable,
    /// A summary word disagrees with the words below it.
    Summary,
    /// A word has bits for blocks that do not exist.
    NoSuchBlock,
    /// A block is free and at the same time on its way home from another thread.
    FreeTwice,
    /// The count of free blocks disagrees with the bitmap.
    FreeCount,
    /// High water is above the number of blocks.
    PeakCount,
    /// The mask of pools with free blocks disagrees with the pool, or has bits for pools that do not exist.
    AvailableMask,
    /// The words that lead to blocks on their way home have bits for what does not exist.
    PendingMask,
}

/// Which invariant is broken, and in which pool: the first, where it is the whole heap's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corruption {
    /// What is wrong.
    pub broken: Broken,
    /// Number of the pool.
    pub pool: usize,
    /// Block size of the pool, in bytes.
    pub block_bytes: usize,
}

impl fmt::Display for Corruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.broken {
            Broken::Shape => return f.write_str("the heap's addresses, sizes or tables were overwritten"),
            Broken::ClassMap => "the class map leads to another pool",
            Broken::PageTable => "the page table leads to another pool",
            Broken::Summary => "a summary word disagrees with the words below it",
            Broken::NoSuchBlock => "a word has bits for blocks that do not exist",
            Broken::FreeTwice => "a block is free and on its way home at the same time",
            Broken::FreeCount => "the count of free blocks disagrees with the bitmap",
            Broken::PeakCount => "the high water cannot be",
            Broken::AvailableMask => "the mask of pools with free blocks is wrong",
            Broken::PendingMask => "a word that leads to blocks on their way home leads past the end",
        };
        write!(f, "pool {} ({}-byte blocks): {what}", self.pool, self.block_bytes)
    }
}

impl error::Error for Corruption {}

pub(crate) fn check(region: Region<'_>) -> Result<(), Corruption> {
    if !region.is_sealed() {
        return Err(Corruption { broken: Broken::Shape, pool: 0, block_bytes: 0 });
    }
    let header = region.header();
    // Relaxed: a bit that is not there yet is of a pool that there is.
    let pending = header.pending.0.load(Relaxed) & !region.existing() == 0;
    require(header.available.get() & !region.existing() == 0, Broken::AvailableMask)
        .and_then(|()| require(pending, Broken::PendingMask))
        .map_err(|broken| Corruption { broken, pool: 0, block_bytes: 0 })?;
    let mut first_key = 0;
    for (number, parts) in region.all().enumerate() {
        let keys = key_of(parts.pool.block_bytes, 0).abs_diff(MIN_KEY) + 1 - first_key;
        let mut of_this_pool = region.class_map().skip(first_key).take(keys);
        first_key += keys;
        let leads_home = of_this_pool.all(|pool| pool == Some(number));
        require(leads_home, Broken::ClassMap)
            .and_then(|()| check_pool(region, number, parts))
            .map_err(|broken| Corruption { broken, pool: number, block_bytes: parts.pool.block_bytes })?;
    }
    Ok(())
}

fn require(holds: bool, broken: Broken) -> Result<(), Broken> {
    if holds { Ok(()) } else { Err(broken) }
}

fn check_pool(region: Region<'_>, number: usize, parts: Parts<'_>) -> Result<(), Broken> {
    let base = parts.pool.base.as_ptr().addr();
    let (first, last) = (base, base + parts.blocks() * parts.pool.block_bytes - 1);
    let (first, last) = (region.header().page_of(first), region.header().page_of(last));
    let mut pages = region.page_table().skip(first).take(last - first + 1);
    require(pages.all(|pool| pool == Some(number)), Broken::PageTable)?;

    require(parts.bitmap().summaries_agree(), Broken::Summary)?;
    // Relaxed: (I4) for the owner, here and below.
    require(parts.sentinel_leaf().load(Relaxed) == 0, Broken::Summary)?;

    for (number, (free, announced)) in parts.words().enumerate() {
        require((free | announced) & !parts.existing(number) == 0, Broken::NoSuchBlock)?;
        require(free & announced == 0, Broken::FreeTwice)?;
    }
    require(parts.counts_agree(), Broken::FreeCount)?;
    let remote = parts.remote(number, &region.header().pending.0);
    require(remote.has_groups_that_exist(), Broken::PendingMask)?;
    let has_freed = parts.pool.highest_freed.load(Relaxed) >= -1;
    require(has_freed && parts.peak() <= parts.blocks(), Broken::PeakCount)?;
    require(
        (region.header().available.get() >> number & 1 == 0) == parts.pool.is_empty(),
        Broken::AvailableMask,
    )
}
