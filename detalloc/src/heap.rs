//! The heap: one owner that allocates and frees.

#[cfg(all(target_has_atomic = "ptr", feature = "remote-free"))]
use crate::remote_free::RemoteFree;
use crate::{
    allocate::Allocate,
    class::key_of,
    config::Config,
    error::{AllocError, FreeError, InitError, StillLive},
    parts::Parts,
    policy::{Checked, Policy, Unchecked},
    pool::{COMPARES_WITH_MEMORY, Pool},
    region::Region,
    stats::{Meter, Room},
    sync::Ordering::Relaxed,
    validate::{self, Corruption},
};
use core::{alloc::Layout, cell::Cell, marker::PhantomData, mem::MaybeUninit, ptr::NonNull};

/// A heap in a region of the caller's memory, for one thread at a time: its owner.
///
/// It may be sent to another thread but not shared; other threads free through [`Heap::remote`] and look through
/// [`Heap::meter`].
#[derive(Debug)]
pub struct Heap<'r, P: Policy = Checked> {
    region: Region<'r>,
    /// `Send`, not `Sync` (I3).
    owner: PhantomData<(Cell<()>, P)>,
}

// SAFETY: (I3) sending the heap sends the only access to the cells; all else is shared soundly (I2, I4).
unsafe impl<P: Policy> Send for Heap<'_, P> {}

impl<'r> Heap<'r> {
    /// Sets up a heap at the first suitably aligned address of `region`, and touches every page of it, so that no
    /// allocation meets a page fault. The region's contents do not matter and its alignment neither.
    ///
    /// # Errors
    /// [`InitError::TooSmall`] if and only if the region ends before the configuration does. A region of
    /// [`Config::bytes_needed`] bytes is enough wherever it starts.
    ///
    /// # Time complexity
    /// Linear in the size of the metadata and the number of pages. Not for real-time paths.
    pub fn new(region: &'r mut [MaybeUninit<u8>], config: &Config) -> Result<Self, InitError> {
        Ok(Self { region: Region::build(region, config)?, owner: PhantomData })
    }

    /// As [`Heap::new`], for a heap whose frees are neither checked nor counted: fewer instructions, and no forgiveness. Its
    /// [`PoolStats::peak`](crate::PoolStats::peak) knows only of blocks that are live.
    ///
    /// # Errors
    /// As [`Heap::new`].
    ///
    /// # Time complexity
    /// As [`Heap::new`].
    ///
    /// # Safety
    /// Every block that is given back, here or by another thread, is live and one of this heap's.
    pub unsafe fn unchecked(
        region: &'r mut [MaybeUninit<u8>],
        config: &Config,
    ) -> Result<Heap<'r, Unchecked>, InitError> {
        Ok(Heap { region: Region::build(region, config)?, owner: PhantomData })
    }
}

impl<'r, P: Policy> Heap<'r, P> {
    /// For tests that overwrite it.
    #[cfg(test)]
    pub(crate) fn region(&self) -> Region<'r> {
        self.region
    }

    /// Takes over blocks that other threads have freed, from at most `groups` groups of 64 to 4096 blocks each (of 2^18 in
    /// a pool of more than 2^18 blocks): how many blocks. None is no sign that none are left: a group that was announced
    /// twice is empty the second time. Allocation does this by itself when a class has run dry; calling it at a quiet
    /// moment keeps that path rare.
    ///
    /// # Time complexity
    /// Linear in `groups`, whatever other threads do.
    #[inline]
    pub fn adopt_remote_frees(&mut self, groups: usize) -> usize {
        if self.region.header().is_awaited() { self.adopt_groups(groups) } else { 0 }
    }

    #[cold]
    fn adopt_groups(&mut self, groups: usize) -> usize {
        // A forged bit leads nowhere, and is not waited for.
        let existing = self.region.existing();
        let mut adopted = 0;
        // wcet: loop 8: as many as the caller says, and a callback says 8
        for _ in 0..groups {
            // Relaxed, as above.
            let pending = self.region.header().pending.0.load(Relaxed) & existing;
            if pending == 0 {
                break;
            }
            adopted += self.region.adopt(pending.trailing_zeros() as usize);
        }
        adopted
    }

    /// The handle with which any thread gives blocks back.
    #[cfg(all(target_has_atomic = "ptr", feature = "remote-free"))]
    #[must_use]
    pub fn remote(&self) -> RemoteFree<'r> {
        RemoteFree::new(self.region)
    }

    /// The handle with which any thread reads the counts.
    #[must_use]
    pub fn meter(&self) -> Meter<'r> {
        Meter::new(self.region)
    }

    /// How many blocks are live. Blocks that other threads have freed count until they are adopted.
    ///
    /// # Time complexity
    /// Linear in the number of blocks, 64 at a time.
    #[must_use]
    pub fn live_blocks(&self) -> usize {
        self.region.all().map(Parts::used).sum()
    }

    /// Allocates the short way alone: a block of the very class, if its pool is a short one and has one ready. `None` says nothing
    /// more than that, and nothing is counted: [`Allocate::allocate`] knows the longer ways. For callers who inline this and leave
    /// the rest out of line.
    ///
    /// # Time complexity
    /// Constant.
    #[inline(always)]
    pub fn allocate_ready(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        let align_mask = layout.align().wrapping_sub(1);
        let key = key_of(layout.size(), align_mask);
        if key >= self.region.header().keys {
            return None;
        }
        let pool = self.region.pool_for(key);
        if !is_aligned_enough(pool, align_mask) {
            return None;
        }
        pool.take(&self.region.header().available)
    }

    /// Allocates from the first of several heaps that can, and says from which: they are looked through in order, and only the one
    /// that serves takes blocks over from other threads.
    ///
    /// # Errors
    /// As [`Allocate::allocate`], of the first heap; of the one that was to serve, if its metadata led past its end.
    ///
    /// # Time complexity
    /// Linear in the number of heaps.
    #[inline]
    pub fn allocate_from_first<'h, T>(
        (which, heap): (T, &'h mut Self),
        others: impl Iterator<Item = (T, &'h mut Self)>,
        layout: Layout,
    ) -> Result<(T, NonNull<u8>), AllocError>
    where
        'r: 'h,
        P: 'h,
    {
        let first = heap.region;
        let align_mask = layout.align().wrapping_sub(1);
        // A size of zero is served as one of one byte.
        let key = key_of(layout.size().max(1), align_mask);
        let mut found = first.seek(align_mask, key).map(|sought| (which, first, sought));
        if found.is_none() {
            // wcet: loop 8: as many as the caller says, and a callback says 8
            for (which, other) in others {
                if let Some(sought) = other.region.seek(align_mask, key) {
                    found = Some((which, other.region, sought));
                    break;
                }
            }
        }
        let refusal = |region: Region<'_>| region.header().refusal.get().error(layout);
        let Some((which, region, sought)) = found else { return Err(refusal(first)) };
        let block = region.serve(sought);
        // wcet: unreached: what was found and cannot be taken is corrupt, and refused for no other reason
        block.map(|block| (which, block)).ok_or_else(|| refusal(region))
    }

    /// How much room the class has that serves this layout. Blocks that other threads have freed count once they are adopted,
    /// and what a larger class could lend does not. `None`: no class serves it.
    ///
    /// # Time complexity
    /// Constant.
    #[inline]
    #[must_use]
    pub fn room(&self, layout: Layout) -> Option<Room> {
        let align_mask = layout.align().wrapping_sub(1);
        // A size of zero is served as one of one byte.
        let key = key_of(layout.size().max(1), align_mask);
        if key >= self.region.header().keys {
            return None;
        }
        let parts = self.region.parts_of(self.region.pool_for(key))?;
        let free_blocks = parts.pool.spare.get().wrapping_add(1) as usize;
        Some(Room { free_blocks, blocks: parts.blocks() })
    }

    /// Checks every invariant of the metadata. Reads only, and never outside the region, unless what overwrote the
    /// metadata also forged the seal over it.
    ///
    /// # Errors
    /// [`Corruption`] says which invariant is broken first, and where.
    ///
    /// # Time complexity
    /// Linear in the number of blocks. Not for real-time paths.
    pub fn validate(&self) -> Result<(), Corruption> {
        validate::check(self.region)
    }

    /// Fetches what the next allocation of this layout will need into the cache: the pool and the block that it would
    /// hand out. A hint: it changes nothing.
    ///
    /// # Time complexity
    /// Constant.
    #[inline]
    pub fn prefetch(&self, layout: Layout) {
        let key = key_of(layout.size(), layout.align().wrapping_sub(1));
        if key < self.region.header().keys {
            prefetch(self.region.pool_for(key).lowest_free());
        }
    }

    /// Takes every block back at once. The counts of what has been go on.
    ///
    /// # Time complexity
    /// Linear in the size of the metadata. Not for real-time paths.
    ///
    /// # Safety
    /// Nothing may use any block afterwards, and no other thread is freeing one.
    pub unsafe fn reset(&mut self) {
        self.region.all().for_each(Parts::note_peak);
        self.region.refill();
    }

    /// Ends the heap, which gives its region back to the caller, and says whether anything was still in use. Dropping the
    /// heap does the same in silence.
    ///
    /// # Errors
    /// [`StillLive`] if and only if a block is live, one that another thread has freed not included. The heap is gone all
    /// the same; whoever holds a block holds memory that now belongs to the region's owner.
    ///
    /// # Time complexity
    /// Linear in the number of blocks, 64 at a time. Not for real-time paths.
    pub fn destroy(mut self) -> Result<(), StillLive> {
        self.adopt_remote_frees(usize::MAX);
        let (mut blocks, mut bytes) = (0, 0);
        for parts in self.region.all() {
            blocks += parts.used();
            bytes += parts.used() * parts.pool.block_bytes;
        }
        if blocks == 0 { Ok(()) } else { Err(StillLive { blocks, bytes }) }
    }

    /// The whole of an allocation but for the reason of a refusal.
    #[inline]
    fn take(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        let align_mask = layout.align().wrapping_sub(1);
        let key = key_of(layout.size(), align_mask);
        if key >= self.region.header().keys {
            return self.region.take_odd(align_mask, key);
        }
        let pool = self.region.pool_for(key);
        if !is_aligned_enough(pool, align_mask) {
            return self.region.take_odd(align_mask, key);
        }
        match pool.take(&self.region.header().available) {
            Some(block) => Some(block),
            // SAFETY: just compared.
            None => unsafe { self.region.take_dry(align_mask, pool) },
        }
    }
}

// SAFETY: (I1, I2, I5) a block is cut from its own pool, whose shape fits the layout, and is live until it is freed.
unsafe impl<P: Policy> Allocate for Heap<'_, P> {
    #[inline]
    fn allocate(&mut self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        self.take(layout).ok_or_else(|| self.region.header().refusal.get().error(layout))
    }

    #[inline]
    unsafe fn free(&mut self, block: NonNull<u8>) -> Result<(), FreeError> {
        let address = block.as_ptr().addr();
        let pool = if P::CHECKED {
            match self.region.pool_of(address) {
                Some(pool) => pool,
                None => return Err(FreeError::Foreign),
            }
        } else {
            // SAFETY: the promise made to `Heap::unchecked`.
            unsafe { self.region.pool_of_block(address) }
        };
        let index = pool.quotient(address);
        if index >= usize::from(pool.limit) {
            return self.region.put_odd(block);
        }
        // SAFETY: just compared.
        let was_live = unsafe { pool.put::<P>(index, &self.region.header().available) };
        if was_live { Ok(()) } else { Err(FreeError::DoubleFree) }
    }

    fn usable_bytes(&self, block: NonNull<u8>) -> Result<usize, FreeError> {
        let (parts, index) = self.region.find(block)?;
        if parts.is_live(index) { Ok(parts.pool.block_bytes) } else { Err(FreeError::DoubleFree) }
    }
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "what is cut off are ones, so that it stays large")]
fn is_aligned_enough(pool: &Pool, align_mask: usize) -> bool {
    if COMPARES_WITH_MEMORY {
        align_mask as u16 <= pool.align_mask
    } else {
        align_mask <= usize::from(pool.align_mask)
    }
}

/// Asks the processor to fetch the line at an address that need not be valid.
#[inline]
fn prefetch(address: *const u8) {
    #[cfg(all(target_arch = "x86_64", target_feature = "sse"))]
    // SAFETY: a hint, which never faults.
    unsafe {
        core::arch::x86_64::_mm_prefetch::<{ core::arch::x86_64::_MM_HINT_T0 }>(address.cast());
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above.
    unsafe {
        core::arch::asm!("prfm pldl1keep, [{}]", in(reg) address, options(nostack, readonly, preserves_flags));
    }
    #[cfg(not(any(all(target_arch = "x86_64", target_feature = "sse"), target_arch = "aarch64")))]
    let _ = address;
}
