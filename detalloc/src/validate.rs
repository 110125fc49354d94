//! Whether the metadata is what it must be: for tests, debug sessions and the suspicion that something wrote
//! outside its block. Reads only. Addresses and sizes are followed only once a digest has shown that they are what they
//! were made, so that overwritten ones do not lead outside the region.

use crate::{class::class_of, pool::Pool, region::Header, sync::Ordering::Relaxed};
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
    /// The count of live blocks disagrees with the bitmap.
    UsedCount,
    /// High water is below the number of live blocks, or above the number of blocks.
    PeakCount,
    /// The mask of pools with free blocks disagrees with the pool.
    AvailableMask,
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
            Broken::UsedCount => "the count of live blocks disagrees with the bitmap",
            Broken::PeakCount => "the high water cannot be",
            Broken::AvailableMask => "the mask of pools with free blocks is wrong",
        };
        write!(f, "pool {} ({}-byte blocks): {what}", self.pool, self.block_bytes)
    }
}

impl error::Error for Corruption {}

pub(crate) fn check(header: &Header) -> Result<(), Corruption> {
    if !header.is_sealed() {
        return Err(Corruption { broken: Broken::Shape, pool: 0, block_bytes: 0 });
    }
    for (number, pool) in header.pools().iter().enumerate() {
        check_pool(header, number, pool).map_err(|broken| Corruption {
            broken,
            pool: number,
            block_bytes: pool.block_bytes as usize,
        })?;
    }
    Ok(())
}

fn check_pool(header: &Header, number: usize, pool: &Pool) -> Result<(), Broken> {
    let require = |holds: bool, broken: Broken| if holds { Ok(()) } else { Err(broken) };

    let first_class = match number.checked_sub(1) {
        None => 0,
        Some(below) => class_of(header.pools()[below].block_bytes as usize, 1) + 1,
    };
    let classes = header.class_map().get(first_class..=class_of(pool.block_bytes as usize, 1));
    require(classes.is_some_and(|c| c.iter().all(|&p| usize::from(p) == number)), Broken::ClassMap)?;

    let (base, bytes) = pool.extent();
    let leads_home = |address: usize| header.find(address).is_ok_and(|(found, _)| found == number);
    let mut blocks = (0..bytes).step_by(pool.block_bytes as usize);
    require(blocks.all(|offset| leads_home(base + offset)), Broken::PageTable)?;

    let map = pool.bitmap();
    require(map.summaries_agree(), Broken::Summary)?;

    let mut free = 0;
    let mut left = pool.blocks as usize;
    for (word, announced) in map.leaves.iter().zip(pool.remote_leaves()) {
        let (word, announced) = (word.load(Relaxed), announced.load(Relaxed));
        let exist = if left >= usize::BITS as usize { usize::MAX } else { (1 << left) - 1 };
        require((word | announced) & !exist == 0, Broken::NoSuchBlock)?;
        require(word & announced == 0, Broken::FreeTwice)?;
        free += word.count_ones();
        left = left.saturating_sub(usize::BITS as usize);
    }
    let used = pool.used.load(Relaxed);
    require(u64::from(used) + u64::from(free) == u64::from(pool.blocks), Broken::UsedCount)?;
    require((used..=pool.blocks).contains(&pool.peak.load(Relaxed)), Broken::PeakCount)?;
    require((header.available.get() >> number & 1 == 0) == pool.is_empty(), Broken::AvailableMask)
}
