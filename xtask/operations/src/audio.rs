//! The integration's operations. Handles lie at the place that an operation is given.

use crate::{heap::Voice, operation::operations};
use core::{alloc::Layout, ptr};
use detalloc_audio::{Foreign, Published, Reader, Routed, Rt, RtArc, RtBox, RtHeap, RtQueue, RtVec};
use std::{alloc::GlobalAlloc, sync::Arc};

/// A value that needs its destructor.
pub struct Owner(#[expect(dead_code, reason = "its drop is what counts")] pub Arc<u64>);

/// The allocator below a routing one here: it does nothing, so that routing alone counts.
#[derive(Clone, Copy)]
pub struct Elsewhere;

// SAFETY: it never gives a block.
unsafe impl GlobalAlloc for Elsewhere {
    unsafe fn alloc(&self, _: Layout) -> *mut u8 {
        ptr::null_mut()
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

/// Writes what an operation made to its place; the place itself as "true".
///
/// # Safety
/// The place has room for it.
unsafe fn put<T>(place: *mut u8, made: Option<T>) -> *mut u8 {
    let Some(made) = made else { return ptr::null_mut() };
    // SAFETY: the caller's promise.
    unsafe { place.cast::<T>().write(made) };
    place
}

/// The object at a place.
///
/// # Safety
/// There is one, and it is borrowed nowhere else.
unsafe fn at<'a, T>(place: *mut u8) -> &'a mut T {
    // SAFETY: the caller's promise.
    unsafe { &mut *place.cast::<T>() }
}

/// Drops the object at a place.
///
/// # Safety
/// There is one, which is not used afterwards.
unsafe fn end<T>(place: *mut u8) -> *mut u8 {
    // SAFETY: the caller's promise.
    unsafe { place.cast::<T>().drop_in_place() };
    place
}

/// A callback that does nothing.
fn nothing(_: &Rt<'_>) {}

operations! {
    /// One callback.
    enter_and_leave(heap: RtHeap, _, _, _) {
        heap.enter(nothing);
        ptr::null_mut()
    }

    /// One callback, for so many frames.
    enter_for_and_leave(heap: RtHeap, _, size, _) {
        heap.enter_for(u32::try_from(size).unwrap_or(u32::MAX), nothing);
        ptr::null_mut()
    }

    /// A plain value in a box.
    boxed(rt: Rt<'_>, place, _, _) {
        // SAFETY: operations are called with a place.
        unsafe { put::<RtBox<Voice>>(place, rt.boxed([0; 8]).ok()) }
    }

    /// A box of a plain value.
    drop_plain(_nothing: (), place, _, _) {
        // SAFETY: operations are called with a place, here and below.
        unsafe { end::<RtBox<Voice>>(place) }
    }

    /// A box of a value with a destructor, left to the reaper.
    drop_deferred(_nothing: (), place, _, _) {
        // SAFETY: as above.
        unsafe { end::<RtBox<Owner>>(place) }
    }

    /// A value that is no pool's, left to the reaper.
    drop_foreign(_nothing: (), place, _, _) {
        // SAFETY: as above.
        unsafe { end::<Foreign<Arc<u64>>>(place) }
    }

    /// The same without a look for the heap.
    retire(rt: Rt<'_>, place, _, _) {
        // SAFETY: as above.
        let value = unsafe { place.cast::<Arc<u64>>().read() };
        if rt.retire(value).is_ok() { place } else { ptr::null_mut() }
    }

    /// A plain value, shared.
    arc(rt: Rt<'_>, place, _, _) {
        // SAFETY: as above.
        unsafe { put::<RtArc<Voice>>(place, rt.arc([0; 8]).ok()) }
    }

    /// Another handle of it.
    clone_arc(arc: RtArc<Voice>, place, _, _) {
        // SAFETY: as above.
        unsafe { put::<RtArc<Voice>>(place, Some(arc.clone())) }
    }

    /// A handle less.
    drop_arc(_nothing: (), place, _, _) {
        // SAFETY: as above.
        unsafe { end::<RtArc<Voice>>(place) }
    }

    /// A vector with room.
    vec(rt: Rt<'_>, place, size, _) {
        // SAFETY: as above.
        unsafe { put::<RtVec<u64>>(place, rt.vec(size).ok()) }
    }

    /// An element more.
    push(_nothing: (), place, size, _) {
        // SAFETY: as above.
        if unsafe { at::<RtVec<u64>>(place) }.try_push(size as u64).is_ok() { place } else { ptr::null_mut() }
    }

    /// An event more.
    push_event(_nothing: (), place, size, _) {
        // SAFETY: as above.
        let queue = unsafe { at::<RtQueue<u64>>(place) };
        if queue.try_push_back(size as u64).is_ok() { place } else { ptr::null_mut() }
    }

    /// An event less.
    pop_event(_nothing: (), place, _, _) {
        // SAFETY: as above.
        if unsafe { at::<RtQueue<u64>>(place) }.pop_front().is_some() { place } else { ptr::null_mut() }
    }

    /// A buffer for the rest of the callback.
    scratch(rt: Rt<'_>, _, size, _) {
        // wcet: loose: the longest path ends with the filling, which is not counted
        rt.scratch(size, 0_u64).map_or(ptr::null_mut(), |buffer| buffer.as_mut_ptr().cast())
    }

    /// Whether a class is low.
    pressure(rt: Rt<'_>, _, size, align) {
        // SAFETY: operations are called with the size and alignment of a layout.
        let layout = unsafe { Layout::from_size_align_unchecked(size, align) };
        ptr::without_provenance_mut(rt.pressure(layout).map_or(0, |low| low.blocks))
    }

    /// What is published.
    read_published(reader: Reader<Voice>, place, _, _) {
        // SAFETY: as above.
        unsafe { put::<Published<Voice>>(place, Some(reader.read())) }
    }

    /// No longer.
    drop_published(_nothing: (), place, _, _) {
        // SAFETY: as above.
        unsafe { end::<Published<Voice>>(place) }
    }

    /// Ordinary code, in a callback or elsewhere.
    allocate_routed(routed: Routed<Elsewhere>, _, size, align) {
        // SAFETY: as above.
        unsafe { routed.alloc(Layout::from_size_align_unchecked(size, align)) }
    }

    /// Ordinary code, in a callback or elsewhere.
    free_routed(routed: Routed<Elsewhere>, old, size, align) {
        // SAFETY: as above, and of the caller's block.
        unsafe { routed.dealloc(old, Layout::from_size_align_unchecked(size, align)) };
        old
    }
}
