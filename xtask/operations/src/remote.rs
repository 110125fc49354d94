//! The core's operations with blocks that other threads free.

use crate::heap::{block, done};
use crate::operation::operations;
use core::ptr;
use detalloc::{Heap, RemoteFree};

operations! {
    /// Takes over what other threads have freed, as a callback does.
    adopt(heap: Heap<'_>, _, _, _) {
        ptr::without_provenance_mut(heap.adopt_remote_frees(8))
    }

    /// From another thread.
    free_remotely(remote: RemoteFree<'_>, old, _, _) {
        // SAFETY: the caller's promise.
        done(old, unsafe { remote.free(block(old)) }.is_ok())
    }
}
