//! The handle with which any thread gives blocks back to a heap. Only where words can be exchanged atomically.

use crate::{error::FreeError, region::Region};
use core::ptr::NonNull;

/// Gives blocks back to a heap from any thread, beside its owner.
///
/// A block given back here is free for the owner once the owner adopts it, which happens by itself when a class runs
/// dry. Wait-free where the target has single-instruction exchanges (x86-64, AArch64 with LSE), lock-free elsewhere.
#[derive(Clone, Copy, Debug)]
pub struct RemoteFree<'r> {
    region: Region<'r>,
}

// SAFETY: (I2, I4) only shapes and atomics are touched, never a `Cell`.
unsafe impl Send for RemoteFree<'_> {}
// SAFETY: as above.
unsafe impl Sync for RemoteFree<'_> {}

impl<'r> RemoteFree<'r> {
    pub(crate) fn new(region: Region<'r>) -> Self {
        Self { region }
    }

    /// How many bytes the block holds: the block size of its pool.
    ///
    /// # Errors
    /// As [`Allocate::usable_bytes`](crate::Allocate::usable_bytes). The answer about a block that is not the caller's may be
    /// over already.
    ///
    /// # Time complexity
    /// Constant.
    pub fn usable_bytes(&self, block: NonNull<u8>) -> Result<usize, FreeError> {
        let (parts, index) = self.region.find(block)?;
        if parts.is_live(index) { Ok(parts.pool.block_bytes) } else { Err(FreeError::DoubleFree) }
    }

    /// Gives a block back.
    ///
    /// # Errors
    /// As [`Allocate::free`](crate::Allocate::free). A block that another thread has freed in the meantime is told as
    /// [`FreeError::DoubleFree`] too. Only a second free that runs at the very moment at which the owner takes over the
    /// first one can go unseen.
    ///
    /// # Time complexity
    /// Constant: three atomic operations, whatever other threads do (see the type for targets without such).
    ///
    /// # Safety
    /// As [`Allocate::free`](crate::Allocate::free); and a double free that goes unseen gives the block back for whoever has it next.
    pub unsafe fn free(&self, block: NonNull<u8>) -> Result<(), FreeError> {
        let (parts, index) = self.region.find(block)?;
        let number = parts.pool.bit.trailing_zeros() as usize;
        let frees = parts.remote(number, &self.region.header().pending.0);
        if parts.is_free(index) || !frees.announce(index) { Err(FreeError::DoubleFree) } else { Ok(()) }
    }
}
