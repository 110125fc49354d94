//! Memory from a heap that every thread may use at any time: glibc's, mimalloc, jemalloc.

use super::memory::{Memory, Samples};
use crate::{
    allocators::{self, Calls, Room},
    replay::Request,
    traces,
};
use core::{ptr, slice};

/// A heap of the process.
pub(super) struct Heaped {
    heap: Heap,
    release: fn(),
}

/// What to call. There is one of each in the process, so that it may be called on any thread.
#[derive(Clone, Copy)]
pub(super) struct Heap(Calls);

// SAFETY: the heaps that this is made of need nothing to be called on, and may be called on any thread.
unsafe impl Send for Heap {}

impl Heaped {
    /// The system heap, mimalloc or jemalloc, and what makes it give memory back.
    pub(super) fn new(build: allocators::Build, room: &Room, release: fn()) -> Self {
        Self { heap: Heap(build(room).calls(traces::layout(16))), release }
    }
}

impl Heap {
    /// A block for so many bytes, aligned to 16.
    fn allocate(self, bytes: usize) -> Option<Owned> {
        let request = Request { calls: self.0, block: ptr::null_mut(), layout: traces::layout(bytes) };
        // SAFETY: these heaps are always there.
        let block = unsafe { request.perform() };
        (!block.is_null()).then_some(Owned(Request { block, ..request }))
    }
}

/// A block, by the request that will free it.
pub(super) struct Owned(Request);

// SAFETY: the block is this one's alone, and any thread may free it.
unsafe impl Send for Owned {}

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: these heaps are always there, and the block is live until now.
        unsafe { self.0.perform() };
    }
}

/// A block of samples, of which the first so many were written.
pub(super) struct Grown {
    block: Owned,
    len: usize,
}

impl Samples for Grown {
    fn append(&mut self, samples: &[f32]) {
        let room = self.block.0.layout.size() / size_of::<f32>() - self.len;
        assert!(samples.len() <= room, "the room that was asked for");
        // SAFETY: aligned for samples, with room for them behind the others, and nobody else's.
        unsafe {
            let end = self.block.0.block.cast::<f32>().add(self.len);
            end.copy_from_nonoverlapping(samples.as_ptr(), samples.len());
        }
        self.len += samples.len();
    }

    fn samples(&self) -> &[f32] {
        // SAFETY: so many were written, and nobody changes them while they are borrowed.
        unsafe { slice::from_raw_parts(self.block.0.block.cast(), self.len) }
    }
}

impl Memory for Heaped {
    type Block = Grown;
    type Scope<'s> = Heap;
    type Loaded = Owned;

    fn callback<R>(&mut self, run: impl FnOnce(&Heap) -> R) -> R {
        run(&self.heap)
    }

    fn allocate(heap: &Heap, _: usize, samples: usize) -> Option<Grown> {
        heap.allocate(samples * size_of::<f32>()).map(|block| Grown { block, len: 0 })
    }

    fn loader(&self) -> impl Fn(usize) -> Owned + Send + 'static {
        let heap = self.heap;
        move |bytes| {
            let owned = { heap }.allocate(bytes).expect("memory for a loader");
            // SAFETY: new, of so many bytes.
            unsafe { owned.0.block.write_bytes(1, bytes) };
            owned
        }
    }

    fn releaser(&self) -> fn() {
        self.release
    }
}

/// Lets mimalloc give back what it can.
#[cfg(feature = "c-rivals")]
pub(super) fn collect_mimalloc() {
    // SAFETY: may be called at any time, on any thread.
    unsafe { libmimalloc_sys::mi_collect(true) };
}

/// Lets jemalloc give back what it can, from all arenas.
#[cfg(feature = "c-rivals")]
pub(super) fn purge_jemalloc() {
    // SAFETY: a name that ends, and neither an old nor a new value; 4096 stands for all arenas.
    unsafe {
        let name = c"arena.4096.purge";
        tikv_jemalloc_sys::mallctl(name.as_ptr(), ptr::null_mut(), ptr::null_mut(), ptr::null_mut(), 0);
    }
}
