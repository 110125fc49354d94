//! What other threads announce when they free blocks, set by hand: as races leave it, and as nobody should.
//!
//! A free from elsewhere changes three words of the metadata: the pool's bit, the bit of the group of leaves, and the bit of the
//! block. They are found by what one free changes. Where two threads free while the owner collects, one of the first two can be
//! left without the third; a driver of one thread has to write that.

use core::{ops::Range, ptr};

/// The words that the remote frees of a pool go through.
#[derive(Clone, Copy)]
pub struct Announced {
    pending: *mut usize,
    groups: *mut usize,
    leaf: *mut usize,
    /// The bit of `pending` that stands for the pool.
    pool: usize,
}

impl Announced {
    /// Lets `free` give back one block of the pool from elsewhere, when nothing else is announced, and finds the words that this
    /// changes.
    ///
    /// # Safety
    /// The words are the metadata of a heap and stay where they are, and nobody else touches them meanwhile or while the result
    /// is used.
    pub unsafe fn by(metadata: Range<*mut u8>, free: impl FnOnce()) -> Self {
        let start = metadata.start.cast::<usize>();
        let count = (metadata.end.addr() - metadata.start.addr()) / size_of::<usize>();
        // SAFETY: the caller's promise; volatile, because they change behind references to them.
        let read = || (0..count).map(|word| unsafe { start.add(word).read_volatile() }).collect::<Vec<_>>();
        let before = read();
        free();
        let after = read();
        let changed: Vec<usize> = (0..count).filter(|&word| before[word] != after[word]).collect();
        // They lie in this order: the header, the ledgers, the leaves.
        let [pending, groups, leaf] = *changed else { panic!("{} words changed, not 3", changed.len()) };
        let at = |word: usize| start.wrapping_add(word);
        Self {
            pending: at(pending),
            groups: at(groups),
            leaf: at(leaf),
            pool: after[pending] & !before[pending],
        }
    }

    /// Adds announcements of groups, of the pool, both or none, whether there are blocks or not.
    pub fn add(&self, groups: usize, pool: bool) {
        let or = |word: *mut usize, bits: usize| {
            // SAFETY: see `by`.
            unsafe { word.write_volatile(word.read_volatile() | bits) };
        };
        or(self.groups, groups);
        or(self.pending, if pool { self.pool } else { 0 });
    }

    /// Announces blocks of one leaf, whether they are live or not.
    pub fn add_blocks(&self, bits: usize) {
        // SAFETY: see `by`.
        unsafe { self.leaf.write_volatile(self.leaf.read_volatile() | bits) };
    }

    /// Takes the announcement of the block back, which stays in use for ever: what is left is what announces its group.
    pub fn forget_blocks(&self) {
        // SAFETY: see `by`.
        unsafe { self.leaf.write_volatile(0) };
    }

    /// Announces a pool that there is none of.
    pub fn add_no_pool(&self) {
        // SAFETY: see `by`.
        unsafe { self.pending.write_volatile(self.pending.read_volatile() | 1 << (usize::BITS - 1)) };
    }
}

/// The memory in front of a block, as far as it is mapped and may be the metadata of a small region.
pub fn mapped_before(block: *const u8) -> Range<*mut u8> {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("Linux");
    let start = maps.lines().find_map(|line| {
        let (start, end) = line.split(' ').next()?.split_once('-')?;
        let of = |text| usize::from_str_radix(text, 16).ok();
        let (start, end) = (of(start)?, of(end)?);
        (start..end).contains(&block.addr()).then_some(start)
    });
    const MOST: usize = 1 << 18;
    let start = start.expect("a block lies somewhere").max(block.addr().saturating_sub(MOST));
    ptr::with_exposed_provenance_mut(start)..block.cast_mut()
}
