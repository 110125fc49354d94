//! The longer ways of the owner's operations: a class that has run dry, a pool of more than two levels, a pointer that is
//! no block. Bounded all the same: nothing here loops but for a constant number of times.
//!
//! All of it is for the owner (I3), but for [`Region::find`].

use crate::{
    class::{GRANULE_BYTES, key_of},
    config::LARGE_POOLS,
    error::FreeError,
    parts::Parts,
    pool::Pool,
    region::{Refusal, Region},
    remote::Group,
    sync::Ordering::Relaxed,
};
use core::{ptr::NonNull, sync::atomic::AtomicU32};

/// How often an allocation tries to claim what is announced before it borrows or refuses. The first attempt nearly always succeeds;
/// it finds nothing where an announcement has been collected together with the one before it.
const ADOPTIONS: usize = 4;

/// Counts one up, by plain load and store, Relaxed: only the owner counts (I4).
#[inline]
fn count_one(count: &AtomicU32) {
    count.store(count.load(Relaxed).saturating_add(1), Relaxed);
}

/// Where an allocation that did not succeed the short way takes its block from.
#[derive(Clone, Copy)]
pub(crate) struct Sought<'r> {
    pool: &'r Pool,
    /// What other threads have freed there, which comes home first: the pool has nothing else.
    claimed: Option<(Parts<'r>, Group)>,
}

impl<'r> Region<'r> {
    /// The size is that of no pool, or its pool is not aligned enough.
    #[cold]
    #[inline(never)]
    pub(crate) fn take_odd(self, align_mask: usize, key: isize) -> Option<NonNull<u8>> {
        // Nothing but a size of zero has the highest key.
        let key = if key == key_of(0, align_mask) { key_of(1, align_mask) } else { key };
        let sought = self.seek(align_mask, key)?;
        self.serve(sought)
    }

    /// The pool did not give a block the short way: it is empty, or a deep one.
    ///
    /// # Safety
    /// `align_mask <= own.align_mask`: its blocks are aligned enough.
    #[cold]
    #[inline(never)]
    pub(crate) unsafe fn take_dry(self, align_mask: usize, own: &'r Pool) -> Option<NonNull<u8>> {
        if self.header().available.get() & own.bit != 0 {
            return self.take_deep(own);
        }
        // SAFETY: (I2) no pool is aligned to more than a page, and the request to no more than the pool.
        let aligned = unsafe { self.header().aligned_pools_within_page(align_mask) };
        let lenders = aligned & own.bit.wrapping_neg() & self.header().borrow;
        if self.header().is_awaited() {
            return self.take_waiting(own, lenders);
        }
        self.take_lent(own, lenders)
    }

    /// The same where blocks are on their way home. Apart, so that borrowing saves no registers for it.
    #[cold]
    #[inline(never)]
    fn take_waiting(self, own: &'r Pool, lenders: usize) -> Option<NonNull<u8>> {
        match self.seek_announced(own, lenders) {
            Some((parts, group)) => self.take_announced(parts, group),
            None => self.take_lent(own, lenders),
        }
    }

    /// Takes a block from the smallest of these pools that has one. A function of its own only where two call it.
    #[cfg_attr(all(target_has_atomic = "ptr", feature = "remote-free"), cold, inline(never))]
    #[cfg_attr(not(all(target_has_atomic = "ptr", feature = "remote-free")), inline(always))]
    fn take_lent(self, own: &Pool, lenders: usize) -> Option<NonNull<u8>> {
        let number = (self.header().available.get() & lenders).trailing_zeros() as usize;
        if number >= self.header().pool_count {
            self.note_refusal(own);
            return None;
        }
        own.count_borrowed();
        // SAFETY: just compared.
        self.take_from(unsafe { self.existing_pool(number) })
    }

    /// Looks for a block, and takes none yet: by [`Region::serve`], before anything else happens to the heap. None: there is
    /// none, which is counted, and the reason noted.
    #[inline]
    pub(crate) fn seek(self, align_mask: usize, key: isize) -> Option<Sought<'r>> {
        let header = self.header();
        let not_smaller = if key < header.keys { self.pool_for(key).bit.wrapping_neg() } else { 0 };
        let fitting = header.aligned_pools(align_mask) & not_smaller;
        match self.pool(fitting.trailing_zeros() as usize) {
            Some(own) if header.available.get() & own.bit != 0 => Some(Sought { pool: own, claimed: None }),
            Some(own) => self.seek_in(own, fitting),
            None => {
                count_one(&header.unsupported);
                header.refusal.set(Refusal::UNSUPPORTED);
                None
            }
        }
    }

    /// The same in a class that has run dry, the first of the pools that fit: what is on its way home to the class itself comes before
    /// borrowing, and what is on its way to others before refusing.
    #[inline(always)]
    fn seek_in(self, own: &'r Pool, fitting: usize) -> Option<Sought<'r>> {
        let header = self.header();
        let lenders = fitting & header.borrow;
        if header.is_awaited() {
            if let Some(claimed) = self.seek_announced(own, lenders) {
                return Some(Sought { pool: claimed.0.pool, claimed: Some(claimed) });
            }
        }
        self.seek_lender(own, lenders).map(|pool| Sought { pool, claimed: None })
    }

    /// The smallest of these pools that has a block. None: there is none, which is counted, and the reason noted.
    #[inline(always)]
    fn seek_lender(self, own: &Pool, lenders: usize) -> Option<&'r Pool> {
        let lender = self.pool((self.header().available.get() & lenders).trailing_zeros() as usize);
        match lender {
            Some(_) => own.count_borrowed(),
            None => self.refuse_for(own),
        }
        lender
    }

    /// Blocks that other threads have freed: of the class itself, or else, where none of these pools has a block, of them.
    #[cold]
    #[inline(never)]
    fn seek_announced(self, own: &Pool, lenders: usize) -> Option<(Parts<'r>, Group)> {
        let others = if self.header().available.get() & lenders == 0 { lenders } else { 0 };
        let pending = &self.header().pending.0;
        // wcet: loop 4: the constant
        for _ in 0..ADOPTIONS {
            // Relaxed: only where to look. The claim acquires what it gets.
            let announced = pending.load(Relaxed);
            let from = if announced & own.bit != 0 { own.bit } else { announced & others };
            let number = from.trailing_zeros() as usize;
            let parts = self.parts(number)?;
            let remote = parts.remote(number, pending);
            if let Some(group) = remote.claim().and_then(|group| remote.narrow(group)) {
                if parts.pool.bit != own.bit {
                    own.count_borrowed();
                }
                return Some((parts, group));
            }
        }
        None
    }

    /// Takes the block that was found.
    #[inline(always)]
    pub(crate) fn serve(self, sought: Sought<'r>) -> Option<NonNull<u8>> {
        match sought.claimed {
            Some((parts, group)) => self.take_announced(parts, group),
            None => self.take_from(sought.pool),
        }
    }

    #[cold]
    #[inline(never)]
    fn take_announced(self, parts: Parts<'r>, group: Group) -> Option<NonNull<u8>> {
        self.collect(parts, group);
        self.take_parts(parts)
    }

    /// Takes a block from a pool that says it has one.
    #[inline]
    fn take_from(self, pool: &Pool) -> Option<NonNull<u8>> {
        match pool.take(&self.header().available) {
            Some(block) => Some(block),
            None => self.take_deep(pool),
        }
    }

    /// The same the longer way, which without large pools is nothing but the refusal.
    #[cold]
    #[cfg_attr(feature = "large-pools", inline(never))]
    fn take_deep(self, pool: &Pool) -> Option<NonNull<u8>> {
        if !LARGE_POOLS {
            self.header().refusal.set(Refusal::CORRUPT);
            return None;
        }
        // wcet: unreached: every pool has parts
        self.parts_of(pool).and_then(|parts| self.take_parts(parts))
    }

    #[inline(always)]
    fn take_parts(self, parts: Parts<'_>) -> Option<NonNull<u8>> {
        let block = parts.take(&self.header().available);
        if block.is_none() {
            // The reason is left where [`Allocate::allocate`](crate::Allocate::allocate) picks it up. It is not returned, so that a
            // caller who does not ask for it does not pay for its way through memory.
            self.header().refusal.set(Refusal::CORRUPT);
        }
        block
    }

    #[cold]
    #[inline(never)]
    fn refuse_for(self, own: &Pool) {
        self.note_refusal(own);
    }

    /// Counts a refusal and notes its reason. By no call where that would make every way of the caller save registers.
    #[inline(always)]
    fn note_refusal(self, own: &Pool) {
        self.parts_of(own).into_iter().for_each(|own| count_one(&own.ledger.refused));
        self.header().refusal.set(Refusal::exhausted(own.block_bytes));
    }

    /// The short way gave nothing back: the pool is a deep one, or this is no block.
    #[cold]
    #[inline(never)]
    pub(crate) fn put_odd(self, block: NonNull<u8>) -> Result<(), FreeError> {
        // wcet: unreached: the short way has found its page
        let (parts, index) = self.find(block)?;
        if !LARGE_POOLS || !parts.is_live(index) {
            return Err(FreeError::DoubleFree);
        }
        let (leaf, bit) = (index / usize::BITS as usize, 1 << (index % usize::BITS as usize));
        // wcet: unreached: a block of two levels goes the short way
        parts.put(leaf, bit, &self.header().available);
        Ok(())
    }

    /// Takes over one group of blocks that other threads have freed.
    pub(crate) fn adopt(self, number: usize) -> usize {
        let Some(parts) = self.parts(number) else { return 0 };
        let group = parts.remote(number, &self.header().pending.0).claim();
        group.map_or(0, |group| self.collect(parts, group))
    }

    /// Makes claimed blocks free: how many.
    #[inline]
    fn collect(self, parts: Parts<'_>, group: Group) -> usize {
        let header = self.header();
        let mut adopted = 0;
        let number = parts.pool.bit.trailing_zeros() as usize;
        parts.remote(number, &header.pending.0).collect(group, |leaf, bits| {
            let Some(word) = parts.leaves().get(leaf) else { return };
            // Relaxed: (I4) the owner's.
            let live = bits & !word.load(Relaxed) & parts.existing(leaf);
            parts.put(leaf, live, &header.available);
            adopted += live.count_ones();
        });
        let freed = &parts.ledger.freed;
        // Relaxed: (I4) the owner's.
        freed.store(freed.load(Relaxed).saturating_add(adopted), Relaxed);
        adopted as usize
    }

    /// The pool and number of the block that begins at this address.
    ///
    /// # Errors
    /// What is wrong with it otherwise.
    #[inline]
    pub(crate) fn find(self, block: NonNull<u8>) -> Result<(Parts<'r>, usize), FreeError> {
        let address = block.as_ptr().addr();
        let parts = self.pool_of(address).and_then(|pool| self.parts_of(pool)).ok_or(FreeError::Foreign)?;
        match parts.index_of(address) {
            Some(index) => Ok((parts, index)),
            None => Err(name(parts, address)),
        }
    }
}

/// What is wrong with an address at which no block of its page's pool begins.
#[cold]
fn name(parts: Parts<'_>, address: usize) -> FreeError {
    let bytes = parts.blocks() * parts.pool.block_bytes;
    if address.wrapping_sub(parts.pool.base.as_ptr().addr()) >= bytes {
        FreeError::Foreign
    } else if address % GRANULE_BYTES != 0 {
        FreeError::Misaligned
    } else {
        FreeError::Interior
    }
}
