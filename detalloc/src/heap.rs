//! The heap: one owner that allocates and frees, and a handle with which any thread frees.

use crate::{
    allocate::Allocate,
    class::class_of,
    config::{Borrow, Config},
    error::{AllocError, FreeError, InitError},
    pool::Pool,
    region::Header,
    stats::Meter,
    sync::Ordering::Relaxed,
    validate::{self, Corruption},
};
use core::{alloc::Layout, cell::Cell, marker::PhantomData, mem::MaybeUninit, ptr::NonNull};

/// A heap in a region of the caller's memory, for one thread at a time: its owner.
///
/// It may be sent to another thread but not shared; other threads free through [`Heap::remote`] and look through
/// [`Heap::meter`].
#[derive(Debug)]
pub struct Heap<'r> {
    header: &'r Header,
    /// `Send`, not `Sync` (I3).
    owner: PhantomData<Cell<()>>,
}

// SAFETY: (I3) sending the heap sends the only access to the cells; all else is shared soundly (I2, I4).
unsafe impl Send for Heap<'_> {}

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
        Ok(Self { header: Header::build(region, config)?, owner: PhantomData })
    }

    /// Takes over blocks that other threads have freed, from at most `groups` groups of 64 to 4096 blocks each: how
    /// many blocks. None is no sign that none are left: a group that was announced twice is empty the second time.
    /// Allocation does this by itself when a class has run dry; calling it at a quiet moment keeps that path rare.
    ///
    /// # Time complexity
    /// Linear in `groups`, whatever other threads do.
    pub fn adopt_remote_frees(&mut self, groups: usize) -> usize {
        let mut adopted = 0;
        for _ in 0..groups {
            let pending = self.header.pending.0.load(Relaxed);
            if pending == 0 {
                break;
            }
            adopted += self.adopt(pending.trailing_zeros() as usize);
        }
        adopted
    }

    /// The handle with which any thread gives blocks back.
    #[must_use]
    pub fn remote(&self) -> RemoteFree<'r> {
        RemoteFree { header: self.header }
    }

    /// The handle with which any thread reads the counts.
    #[must_use]
    pub fn meter(&self) -> Meter<'r> {
        Meter::new(self.header)
    }

    /// How many blocks are live. Blocks that other threads have freed count until they are adopted.
    ///
    /// # Time complexity
    /// Linear in the number of pools.
    #[must_use]
    pub fn live_blocks(&self) -> usize {
        self.header.pools().iter().map(|pool| pool.used.load(Relaxed) as usize).sum()
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
        validate::check(self.header)
    }

    #[inline]
    fn note_taken(&self, number: usize, pool: &Pool) {
        let available = self.header.available.get();
        self.header.available.set(available & !(usize::from(pool.is_empty()) << number));
    }

    #[inline]
    fn put(&mut self, number: usize, pool: &Pool, index: usize) -> Result<(), FreeError> {
        if !pool.put(index) {
            return Err(FreeError::DoubleFree);
        }
        self.header.available.set(self.header.available.get() | 1 << number);
        Ok(())
    }

    /// The class has run dry, or its blocks are not aligned enough: adopt, borrow or refuse. Constant time.
    #[cold]
    fn allocate_elsewhere(&mut self, wanted: usize, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        let from = u32::try_from(wanted).ok().and_then(|wanted| usize::MAX.checked_shl(wanted)).unwrap_or(0);
        let fitting = self.header.aligned_pools(layout.align()) & from;
        if fitting == 0 {
            return Err(self.unsupported(layout));
        }
        let own = fitting & fitting.wrapping_neg();
        let eligible = match self.header.borrow {
            Borrow::Larger => fitting,
            Borrow::Never => own,
        };
        for _ in 0..ADOPTIONS {
            let pending = self.header.pending.0.load(Relaxed) & eligible;
            let available = self.header.available.get() & eligible;
            // Blocks that are on their way home to the class itself come before borrowing, and others' before refusing.
            let from = if pending & own != 0 { own } else { pending };
            let enough = available & own != 0 || (available != 0 && from != own);
            if from == 0 || enough || self.adopt(from.trailing_zeros() as usize) > 0 {
                break;
            }
        }
        let own = own.trailing_zeros() as usize;
        let number = (self.header.available.get() & eligible).trailing_zeros() as usize;
        let Some(pool) = self.header.pools().get(number) else {
            if let Some(refusing) = self.header.pools().get(own) {
                increment(&refusing.refused);
                return Err(AllocError::Exhausted { block_bytes: refusing.block_bytes as usize });
            }
            return Err(AllocError::Corrupt);
        };
        let Ok(Some(block)) = pool.take() else { return Err(AllocError::Corrupt) };
        self.note_taken(number, pool);
        if number != own {
            if let Some(borrower) = self.header.pools().get(own) {
                increment(&borrower.borrowed);
            }
        }
        Ok(block)
    }

    #[cold]
    fn unsupported(&self, layout: Layout) -> AllocError {
        increment(&self.header.unsupported);
        AllocError::Unsupported { size_bytes: layout.size(), align_bytes: layout.align() }
    }

    /// Takes over one group of blocks that other threads have freed.
    fn adopt(&mut self, number: usize) -> usize {
        let Some((pool, remote)) = self.header.pool_and_remote(number) else { return 0 };
        let mut adopted = 0;
        let frees = pool.remote(number, &self.header.pending.0, remote);
        frees.collect_group(|leaf, bits| adopted += pool.adopt(leaf, bits));
        if adopted > 0 {
            self.header.available.set(self.header.available.get() | 1 << number);
            remote.freed.store(remote.freed.load(Relaxed).saturating_add(adopted), Relaxed);
        }
        adopted as usize
    }
}

// SAFETY: (I1, I2, I5) a block is cut from its own pool, whose shape fits the layout, and is live until it is freed.
unsafe impl Allocate for Heap<'_> {
    #[inline]
    fn allocate(&mut self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        let class = class_of(layout.size(), layout.align());
        let Some(&wanted) = self.header.class_map().get(class) else { return Err(self.unsupported(layout)) };
        let wanted = usize::from(wanted);
        match self.header.pools().get(wanted) {
            Some(pool) if layout.align() <= pool.align() => match pool.take() {
                Ok(Some(block)) => {
                    self.note_taken(wanted, pool);
                    Ok(block)
                }
                Ok(None) => self.allocate_elsewhere(wanted, layout),
                Err(_) => Err(AllocError::Corrupt),
            },
            _ => self.allocate_elsewhere(wanted, layout),
        }
    }

    #[inline]
    unsafe fn free(&mut self, block: NonNull<u8>) -> Result<(), FreeError> {
        let (number, index) = self.header.find(block.as_ptr().addr())?;
        let Some(pool) = self.header.pools().get(number) else { return Err(FreeError::Foreign) };
        self.put(number, pool, index)
    }

    #[inline]
    unsafe fn free_layout(&mut self, block: NonNull<u8>, layout: Layout) -> Result<(), FreeError> {
        let class = class_of(layout.size(), layout.align());
        if let Some(&number) = self.header.class_map().get(class) {
            let number = usize::from(number);
            if let Some(pool) = self.header.pools().get(number) {
                if let Some(index) = pool.index_of(block.as_ptr().addr()) {
                    return self.put(number, pool, index);
                }
            }
        }
        // SAFETY: the caller's promise is the same.
        unsafe { self.free(block) }
    }

    fn usable_bytes(&self, block: NonNull<u8>) -> Result<usize, FreeError> {
        let (number, index) = self.header.find(block.as_ptr().addr())?;
        let Some(pool) = self.header.pools().get(number) else { return Err(FreeError::Foreign) };
        if pool.is_live(index) { Ok(pool.block_bytes as usize) } else { Err(FreeError::DoubleFree) }
    }
}

/// How often an allocation tries to adopt before it borrows or refuses. The first attempt nearly always succeeds; it
/// finds nothing where an announcement has been collected together with the one before it.
const ADOPTIONS: usize = 4;

/// Counts one up, by plain load and store: only the owner counts.
fn increment(count: &core::sync::atomic::AtomicU32) {
    count.store(count.load(Relaxed).saturating_add(1), Relaxed);
}

/// Gives blocks back to a heap from any thread, beside its owner.
///
/// A block given back here is free for the owner once the owner adopts it, which happens by itself when a class runs
/// dry. Wait-free where the target has single-instruction exchanges (x86-64, AArch64 with LSE), lock-free elsewhere.
#[derive(Clone, Copy, Debug)]
pub struct RemoteFree<'r> {
    header: &'r Header,
}

// SAFETY: (I2, I4) only shapes and atomics are touched, never a `Cell`.
unsafe impl Send for RemoteFree<'_> {}
// SAFETY: as above.
unsafe impl Sync for RemoteFree<'_> {}

impl RemoteFree<'_> {
    /// Gives a block back.
    ///
    /// # Errors
    /// As [`Allocate::free`]. A block that another thread has freed in the meantime is told as [`FreeError::DoubleFree`] too.
    /// Only a second free that runs at the very moment at which the owner takes over the first one can go unseen.
    ///
    /// # Time complexity
    /// Constant: three atomic operations, whatever other threads do (see the type for targets without such).
    ///
    /// # Safety
    /// As [`Allocate::free`]; and a double free that goes unseen gives the block back for whoever has it next.
    pub unsafe fn free(&self, block: NonNull<u8>) -> Result<(), FreeError> {
        let (number, index) = self.header.find(block.as_ptr().addr())?;
        let Some((pool, remote)) = self.header.pool_and_remote(number) else {
            return Err(FreeError::Foreign);
        };
        let frees = pool.remote(number, &self.header.pending.0, remote);
        if pool.is_free(index) || !frees.announce(index) { Err(FreeError::DoubleFree) } else { Ok(()) }
    }
}
