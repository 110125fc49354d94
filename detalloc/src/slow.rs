//! The longer ways of the owner's operations: a class that has run dry, a pool of more than two levels, a pointer that is
//! no block. Bounded all the same: nothing here loops but for a constant number of times.
//!
//! All of it is for the owner (I3), but for [`Region::find`].

use crate::{
    class::{GRANULE_BYTES, key_of},
    error::FreeError,
    parts::Parts,
    pool::Pool,
    region::{Refusal, Region},
    sync::Ordering::Relaxed,
};
use core::{ptr::NonNull, sync::atomic::AtomicU32};

/// How often an allocation tries to adopt before it borrows or refuses. The first attempt nearly always succeeds; it
/// finds nothing where an announcement has been collected together with the one before it.
const ADOPTIONS: usize = 4;

/// Counts one up, by plain load and store: only the owner counts.
#[inline]
fn count_one(count: &AtomicU32) {
    count.store(count.load(Relaxed).saturating_add(1), Relaxed);
}

impl<'r> Region<'r> {
    /// The size is that of no pool, or its pool is not aligned enough.
    #[cold]
    #[inline(never)]
    pub(crate) fn take_odd(self, align_mask: usize, key: isize) -> Option<NonNull<u8>> {
        let header = self.header();
        // Nothing but a size of zero has the highest key.
        let key = if key == key_of(0, align_mask) { key_of(1, align_mask) } else { key };
        let not_smaller = if key < header.keys { self.pool_for(key).bit.wrapping_neg() } else { 0 };
        let fitting = header.aligned_pools(align_mask) & not_smaller;
        match self.parts(fitting.trailing_zeros() as usize) {
            Some(own) if header.available.get() & own.pool.bit != 0 => self.take_from(own.pool),
            // SAFETY: (I2) `fitting` has only pools whose blocks are aligned enough.
            Some(own) => unsafe { self.take_dry(align_mask, own.pool) },
            None => {
                count_one(&header.unsupported);
                self.refuse(Refusal::UNSUPPORTED)
            }
        }
    }

    /// The pool did not give a block the short way: it is empty, or a deep one.
    ///
    /// # Safety
    /// `align_mask <= own.align_mask`: its blocks are aligned enough.
    #[cold]
    #[inline(never)]
    pub(crate) unsafe fn take_dry(self, align_mask: usize, own: &Pool) -> Option<NonNull<u8>> {
        let header = self.header();
        if header.available.get() & own.bit != 0 {
            return self.take_deep(own);
        }
        if header.pending.0.load(Relaxed) != 0 {
            // SAFETY: the caller's promise.
            return unsafe { self.take_adopting(align_mask, own) };
        }
        // SAFETY: the caller's promise.
        unsafe { self.borrow(align_mask, own) }
    }

    /// Other threads have freed blocks: maybe one that serves.
    ///
    /// # Safety
    /// As [`Region::take_dry`].
    #[cold]
    #[inline(never)]
    unsafe fn take_adopting(self, align_mask: usize, own: &Pool) -> Option<NonNull<u8>> {
        let header = self.header();
        // SAFETY: the caller's promise.
        let lenders = unsafe { self.lenders(align_mask, own) };
        self.adopt_for(own.bit, own.bit | lenders);
        if header.available.get() & own.bit != 0 {
            self.take_from(own)
        } else {
            // SAFETY: the caller's promise.
            unsafe { self.borrow(align_mask, own) }
        }
    }

    /// Takes a block from the next larger class that has one and is aligned enough, where that is allowed.
    ///
    /// # Safety
    /// As [`Region::take_dry`].
    #[inline]
    unsafe fn borrow(self, align_mask: usize, own: &Pool) -> Option<NonNull<u8>> {
        // SAFETY: the caller's promise.
        let from = self.header().available.get() & unsafe { self.lenders(align_mask, own) };
        match self.pool(from.trailing_zeros() as usize) {
            Some(lender) => {
                own.count_borrowed();
                self.take_from(lender)
            }
            None => self.refuse_for(own),
        }
    }

    /// The pools that may serve a request of a class whose own pool is empty, as a mask.
    ///
    /// # Safety
    /// As [`Region::take_dry`].
    #[inline]
    unsafe fn lenders(self, align_mask: usize, own: &Pool) -> usize {
        let header = self.header();
        // SAFETY: (I2) no pool is aligned to more than a page, and the request to no more than the pool.
        let aligned = unsafe { header.aligned_pools_within_page(align_mask) };
        aligned & own.bit.wrapping_neg() & header.borrow
    }

    /// Takes a block from a pool that says it has one.
    #[inline]
    fn take_from(self, pool: &Pool) -> Option<NonNull<u8>> {
        match pool.take(&self.header().available) {
            Some(block) => Some(block),
            None => self.take_deep(pool),
        }
    }

    /// The same the longer way.
    #[cold]
    #[inline(never)]
    fn take_deep(self, pool: &Pool) -> Option<NonNull<u8>> {
        let block = self.parts_of(pool).and_then(|parts| parts.take(&self.header().available));
        block.or_else(|| self.refuse(Refusal::CORRUPT))
    }

    #[cold]
    #[inline(never)]
    fn refuse_for(self, own: &Pool) -> Option<NonNull<u8>> {
        self.parts_of(own).into_iter().for_each(|own| count_one(&own.ledger.refused));
        self.refuse(Refusal::exhausted(own.block_bytes))
    }

    /// Blocks that are on their way home to the class itself come before borrowing, and others' before refusing.
    #[cold]
    #[inline(never)]
    fn adopt_for(self, own: usize, eligible: usize) {
        let header = self.header();
        // wcet: loop 4: the constant
        for _ in 0..ADOPTIONS {
            let pending = header.pending.0.load(Relaxed) & eligible;
            let available = header.available.get() & eligible;
            let from = if pending & own != 0 { own } else { pending };
            let enough = available & own != 0 || (available != 0 && from != own);
            if from == 0 || enough || self.adopt(from.trailing_zeros() as usize) > 0 {
                break;
            }
        }
    }

    /// Leaves the reason where [`Allocate::allocate`] picks it up. It is not returned, so that a caller who does not ask
    /// for it does not pay for its way through memory.
    #[cold]
    fn refuse(self, reason: Refusal) -> Option<NonNull<u8>> {
        self.header().refusal.set(reason);
        None
    }

    /// The short way gave nothing back: the pool is a deep one, or this is no block.
    #[cold]
    #[inline(never)]
    pub(crate) fn put_odd(self, block: NonNull<u8>) -> Result<(), FreeError> {
        let (parts, index) = self.find(block)?;
        if !parts.is_live(index) {
            return Err(FreeError::DoubleFree);
        }
        parts.put(
            index / usize::BITS as usize,
            1 << (index % usize::BITS as usize),
            &self.header().available,
        );
        Ok(())
    }

    /// Takes over one group of blocks that other threads have freed.
    pub(crate) fn adopt(self, number: usize) -> usize {
        let Some(parts) = self.parts(number) else { return 0 };
        let mut adopted = 0;
        parts.remote(number, &self.header().pending.0).collect_group(|leaf, bits| {
            let Some(word) = parts.leaves().get(leaf) else { return };
            let live = bits & !word.load(Relaxed) & parts.existing(leaf);
            parts.put(leaf, live, &self.header().available);
            adopted += live.count_ones();
        });
        if adopted > 0 {
            let freed = &parts.ledger.freed;
            freed.store(freed.load(Relaxed).saturating_add(adopted), Relaxed);
        }
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
