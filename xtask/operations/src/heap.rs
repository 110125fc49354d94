//! The core's operations.

use crate::operation::operations;
use core::{
    alloc::Layout,
    ptr::{self, NonNull},
};
use detalloc::{Allocate, Arena, Heap, Local, Pool, RingConsumer, RingProducer, SharedHeap, Unchecked};

/// What a typed pool holds here.
pub type Voice = [u64; 8];

fn layout(size: usize, align: usize) -> Layout {
    // SAFETY: operations are called with the size and alignment of a layout.
    unsafe { Layout::from_size_align_unchecked(size, align) }
}

fn address<E>(block: Result<NonNull<u8>, E>) -> *mut u8 {
    block.map_or(ptr::null_mut(), NonNull::as_ptr)
}

/// The object itself as "true": something was done.
pub(crate) fn done(on: *mut u8, yes: bool) -> *mut u8 {
    if yes { on } else { ptr::null_mut() }
}

pub(crate) fn block(address: *mut u8) -> NonNull<u8> {
    // SAFETY: operations are called with a block.
    unsafe { NonNull::new_unchecked(address) }
}

operations! {
    /// Checked, borrowing where it must.
    allocate(heap: Heap<'_>, _, size, align) {
        address(heap.allocate(layout(size, align)))
    }

    /// The short way alone.
    allocate_ready(heap: Heap<'_>, _, size, align) {
        heap.allocate_ready(layout(size, align)).map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    /// Checked, by the address.
    free(heap: Heap<'_>, old, _, _) {
        // SAFETY: the caller's promise.
        done(old, unsafe { heap.free(block(old)) }.is_ok())
    }

    /// Checked, by address and layout.
    free_layout(heap: Heap<'_>, old, size, align) {
        // SAFETY: the caller's promise.
        done(old, unsafe { heap.free_layout(block(old), layout(size, align)) }.is_ok())
    }

    /// Neither checked nor counted.
    allocate_unchecked(heap: Heap<'_, Unchecked>, _, size, align) {
        address(heap.allocate(layout(size, align)))
    }

    /// Neither checked nor counted.
    free_unchecked(heap: Heap<'_, Unchecked>, old, _, _) {
        // SAFETY: the caller's promise.
        // wcet: unreached: what is freed is live
        done(old, unsafe { heap.free(block(old)) }.is_ok())
    }

    /// In code that is not `&mut`.
    allocate_local(heap: Local<Heap<'_>>, _, size, align) {
        // wcet: unreached: nothing allocates within an allocation
        address((&*heap).allocate(layout(size, align)))
    }

    /// How much room a class has.
    room(heap: Heap<'_>, _, size, align) {
        ptr::without_provenance_mut(heap.room(layout(size, align)).map_or(0, |room| room.free_blocks))
    }

    /// From any thread, without a lock.
    allocate_shared(heap: SharedHeap<'_>, _, size, align) {
        // wcet: loose: the bound is that of a thread which loses every race that it can lose without starting over
        address(heap.allocate(layout(size, align)))
    }

    /// From any thread, without a lock.
    free_shared(heap: SharedHeap<'_>, old, _, _) {
        // SAFETY: the caller's promise.
        done(old, unsafe { heap.free(block(old)) }.is_ok())
    }

    /// A slot of one type.
    allocate_typed(pool: Pool<Voice, 64>, _, _, _) {
        pool.allocate().map_or(ptr::null_mut(), |slot| slot.as_ptr().cast())
    }

    /// A slot of one type.
    free_typed(pool: Pool<Voice, 64>, old, _, _) {
        // SAFETY: the caller's promise.
        unsafe { pool.free(block(old).cast()) };
        old
    }

    /// Memory for a while.
    allocate_arena(arena: Arena<'_>, _, size, align) {
        address(arena.allocate(layout(size, align)))
    }

    /// A message to another thread, without its contents.
    send(ring: RingProducer<'_>, _, size, _) {
        match ring.grant(size) {
            Ok(mut grant) => {
                let message = grant.as_mut_ptr().cast();
                grant.commit(size);
                message
            }
            Err(_) => ptr::null_mut(),
        }
    }

    /// A message from another thread.
    receive(ring: RingConsumer<'_>, _, _, _) {
        ring.read().map_or(ptr::null_mut(), |message| message.as_ptr().cast_mut())
    }
}
