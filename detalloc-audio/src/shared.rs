//! What a heap, its handles and the reaper share, and the invariants that the unsafe code of this crate leans on.
//!
//! - **(A1)** A `Shared` outlives its blocks: the reaper, or the list of orphans, keeps it until it is closed, every
//!   block has come home and nobody is visiting ([`Visits`]). So every handle may hold a plain pointer to it.
//! - **(A2)** The owner is the thread that is in `RtHeap::enter`, under an exclusive borrow. Its identity is in the word
//!   `owner` of the heap's first region meanwhile. For the other regions that the heap has or has had, which share its
//!   *family*, `inside` knows it. `lane` is touched by the owner alone. `heap` is
//!   touched by the owner until `closed` is set, under an exclusive borrow too (Release), and once that was seen
//!   (Acquire) by whoever holds the region's item in the reaper. No reference into either outlives one operation, and no
//!   operation runs foreign code.
//! - **(A3)** A handle owns its block: nobody else frees it, and it is freed once.
//! - **(A4)** A block that lies in the lane is live. The lane has room for all blocks, so it is never full.
//! - **(A5)** Values in blocks are `Send + 'static`: a handle may be dropped on any thread, and the destructor may run
//!   on the reaper, at any later time.

use crate::{
    closed::Closed,
    deferred::{Deferred, LaneIn, LaneOut, lane},
    inside,
    leaving::Leaving,
    owner::Owner,
    tap::Tap,
    thread,
    visits::Visits,
    window::Memory,
};
use core::{alloc::Layout, cell::UnsafeCell, mem::MaybeUninit, ptr::NonNull, slice};
use detalloc::{AllocError, Allocate, Config, Heap, Meter, RemoteFree, Room, sanitizer};
use ringbuf::traits::Producer;
use std::sync::Arc;

/// What all regions that one `RtHeap` has and has had in common, and what tells them from those of others.
pub(crate) type Family = Arc<Common>;

/// See [`Family`].
pub(crate) struct Common {
    pub(crate) tap: Tap,
}

impl Default for Common {
    fn default() -> Self {
        Self { tap: Tap::open() }
    }
}

/// A region and everything that other threads may reach of it.
pub(crate) struct Shared {
    /// Always nobody in regions that are not the heap's first one.
    owner: Owner,
    family: Family,
    heap: UnsafeCell<Heap<'static>>,
    lane: UnsafeCell<LaneIn<Deferred>>,
    remote: RemoteFree<'static>,
    meter: Meter<'static>,
    visits: Visits,
    /// The `RtHeap` is gone or has another region now: nobody will allocate here again.
    closed: Closed,
    in_window: bool,
    /// Last, so that it goes last.
    pub(crate) region: Memory,
}

// SAFETY: `heap` and `lane` are the only parts that are not `Sync`, and (A2) says who touches them.
unsafe impl Sync for Shared {}
// SAFETY: all parts are `Send`.
unsafe impl Send for Shared {}

impl Shared {
    /// A region of its own, every page of it touched, and the far end of its lane. `None`: the system has not that much
    /// memory.
    pub(crate) fn build(config: &Config, family: Family) -> Option<(Arc<Self>, LaneOut<Deferred>)> {
        let region = Memory::new(config.layout())?;
        // SAFETY: the region is exclusively ours and lives as long as the `Shared` that `heap` goes into: `region` is its
        // last field, and nothing that is handed out outlives it (A1).
        let memory: &'static mut [MaybeUninit<u8>] =
            unsafe { slice::from_raw_parts_mut(region.start.as_ptr().cast(), region.bytes) };
        // The region was cut for this configuration; were it too small after all, there is no heap.
        let heap = Heap::new(memory, config).ok()?;
        let blocks = config.pools().iter().map(|pool| pool.blocks).sum();
        // SAFETY: this is never destroyed: the ring has no destructor to run for what it forgets.
        let (producer, consumer) = lane(blocks, || unsafe { Deferred::new(NonNull::<u8>::dangling()) })?;
        let shared = Arc::new(Self {
            owner: Owner::new(),
            family,
            remote: heap.remote(),
            meter: heap.meter(),
            heap: UnsafeCell::new(heap),
            lane: UnsafeCell::new(producer),
            visits: Visits::new(),
            closed: Closed::new(),
            in_window: region.is_in_window(),
            region,
        });
        shared.region.belongs_to(NonNull::from(&*shared));
        Some((shared, consumer))
    }

    /// Whether blocks can be told from those of the system heap by their addresses.
    #[inline]
    pub(crate) fn is_in_window(&self) -> bool {
        self.in_window
    }

    pub(crate) fn meter(&self) -> Meter<'_> {
        self.meter
    }

    pub(crate) fn visits(&self) -> &Visits {
        &self.visits
    }

    /// Whether this thread is in the callback of the heap whose first region this is.
    #[inline]
    fn is_owner(&self) -> bool {
        self.owner.is(thread::current())
    }

    /// Makes this thread, whose identity that is, the owner; 0: nobody.
    ///
    /// # Safety
    /// The caller has the exclusive borrow of the `RtHeap` whose first region this is (A2).
    #[inline]
    pub(crate) unsafe fn set_owner(&self, thread: usize) {
        self.owner.set(thread);
    }

    /// Whether these regions are or were the same heap's.
    pub(crate) fn is_of(&self, family: &Family) -> bool {
        Arc::ptr_eq(&self.family, family)
    }

    /// Takes over what other threads have freed, for one callback.
    ///
    /// # Safety
    /// This thread is the owner, and the region is not closed (A2).
    #[inline]
    pub(crate) unsafe fn adopt(&self) {
        // SAFETY: (A2) this thread is the owner, and no other reference into `heap` is live.
        unsafe { (*self.heap.get()).adopt_remote_frees(ADOPTED_GROUPS) };
    }

    /// How much room a class has.
    ///
    /// # Safety
    /// As [`Shared::adopt`].
    #[inline]
    pub(crate) unsafe fn room(&self, layout: Layout) -> Option<Room> {
        // SAFETY: (A2) this thread is the owner, and no other reference into `heap` is live.
        unsafe { (*self.heap.get()).room(layout) }
    }

    /// Says that nobody will allocate here again, and hands `heap` over to the reaper. Under the exclusive borrow of the
    /// `RtHeap` (A2).
    pub(crate) fn close(&self) {
        self.closed.close();
    }

    /// Whether a closed region can end: all blocks are at home, and nobody is on the way. For the one who holds the
    /// item.
    pub(crate) fn can_end(&self) -> bool {
        if !self.closed.is_closed() {
            return false;
        }
        // SAFETY: (A2) closed was seen, and the caller holds the item.
        let heap = unsafe { &mut *self.heap.get() };
        heap.adopt_remote_frees(usize::MAX);
        heap.live_blocks() == 0 && self.visits.none()
    }

    /// Allocates a block the short way, if it is ready: see [`Heap::allocate_ready`].
    ///
    /// # Safety
    /// This thread is the owner, and the region is not closed (A2).
    #[inline(always)]
    pub(crate) unsafe fn allocate_ready(&self, layout: Layout) -> Option<NonNull<u8>> {
        // SAFETY: (A2) this thread is the owner, and no other reference into `heap` is live.
        unsafe { (*self.heap.get()).allocate_ready(layout) }
            .inspect(|&block| self.tell(block, sanitizer::lend))
    }

    /// Allocates a block from the first region that can serve.
    ///
    /// # Safety
    /// As [`Shared::allocate_ready`], of all these regions, and no two are the same.
    #[inline]
    pub(crate) unsafe fn allocate_from_first<'s>(
        main: &'s Self,
        added: impl Iterator<Item = &'s Self>,
        layout: Layout,
    ) -> Result<(NonNull<Self>, NonNull<u8>), AllocError> {
        // SAFETY: (A2) this thread is the owner, and no other reference into any `heap` is live: they are different ones.
        let heap_of = |region: &'s Self| (region, unsafe { &mut *region.heap.get() });
        let (region, block) = Heap::allocate_from_first(heap_of(main), added.map(heap_of), layout)?;
        region.tell(block, sanitizer::lend);
        Ok((NonNull::from(region), block))
    }

    /// Tells sanitizers something about a live block, where there are any.
    #[inline(always)]
    fn tell(&self, block: NonNull<u8>, what: fn(usize, usize)) {
        if sanitizer::ANNOUNCES
            && let Ok(bytes) = self.remote.usable_bytes(block)
        {
            what(block.as_ptr().addr(), bytes);
        }
    }

    /// Gives a block back that has nothing in it to destroy.
    ///
    /// # Safety
    /// `shared` and `block` are a handle's, which does not use them afterwards (A1, A3).
    #[inline]
    pub(crate) unsafe fn free(shared: NonNull<Self>, block: NonNull<u8>) {
        // SAFETY: (A1) the block is not home yet.
        let this = unsafe { shared.as_ref() };
        this.family.tap.freed(block);
        this.tell(block, sanitizer::take_back);
        let freed = if this.is_owner() {
            // SAFETY: (A2) this thread is the owner, and nobody closes a region in its callback. (A3) the block is the
            // handle's.
            // wcet: unreached: a handle's block is live
            unsafe { (*this.heap.get()).free(block) }
        } else {
            // SAFETY: (A1, A3) as for this function.
            unsafe { Self::free_remotely(shared, block) }
        };
        debug_assert_eq!(freed, Ok(()));
    }

    /// Gives a block back as a thread that does not own the heap.
    ///
    /// # Safety
    /// As [`Shared::free`].
    #[cold]
    unsafe fn free_remotely(shared: NonNull<Self>, block: NonNull<u8>) -> Result<(), detalloc::FreeError> {
        // SAFETY: (A1) the block is not home yet; and then this thread is visiting.
        unsafe { shared.as_ref() }.visits.arrive();
        // SAFETY: (A1) as above. (A3) the block is the caller's.
        let freed = unsafe { shared.as_ref().remote.free(block) };
        // SAFETY: (A1) this thread is still visiting, and touches nothing afterwards.
        if unsafe { shared.as_ref() }.visits.leave() {
            crate::reaper::sweep();
        }
        freed
    }

    /// Destroys a value and gives its block back: on the reaper inside a callback, by the region's own lane in that of its
    /// heap and as a foreign value in that of another, and here and now elsewhere. What needs no destructor is given back
    /// at once.
    ///
    /// # Safety
    /// As [`Shared::free`]; the value begins its block and is `Send + 'static` (A5).
    #[inline]
    pub(crate) unsafe fn drop<T: ?Sized>(shared: NonNull<Self>, value: NonNull<T>) {
        if core::mem::needs_drop::<T>() {
            // SAFETY: the caller's promise is the same.
            unsafe { Self::drop_value(shared, Deferred::new(value)) };
        } else {
            // SAFETY: the caller's promise, and there is nothing to destroy.
            unsafe { Self::free(shared, value.cast()) };
        }
    }

    /// # Safety
    /// As [`Shared::drop`].
    #[inline]
    unsafe fn drop_value(shared: NonNull<Self>, value: Deferred) {
        // SAFETY: (A1) the block is not home yet.
        let this = unsafe { shared.as_ref() };
        if this.is_owner() {
            // SAFETY: (A2) this thread is the owner.
            unsafe { this.defer(value) };
        } else {
            // SAFETY: the caller's promise is the same.
            unsafe { Self::drop_elsewhere(shared, value) };
        }
    }

    /// # Safety
    /// This thread is the owner (A2), and the value lies in a block of this region that is nobody else's (A3).
    #[inline]
    unsafe fn defer(&self, value: Deferred) {
        // SAFETY: (A2) this thread is the owner, and no other reference to the lane is live.
        let pushed = unsafe { (*self.lane.get()).try_push(value) };
        // (A4) there is always room. Were there none, the block would stay live for ever, which is safe.
        debug_assert!(pushed.is_ok());
    }

    /// # Safety
    /// As [`Shared::drop`]; this is not the first region of a heap that this thread is in.
    #[cold]
    unsafe fn drop_elsewhere(shared: NonNull<Self>, value: Deferred) {
        let Some(instance) = inside::current() else {
            // SAFETY: the caller's promise.
            return unsafe { Self::drop_here(shared, &value) };
        };
        // SAFETY: (A6) this thread is in that instance's callback. (A1) the block is not home yet.
        let (instance, this) = unsafe { (instance.as_ref(), shared.as_ref()) };
        if !this.is_of(instance.family()) {
            // SAFETY: (A6) as above.
            return unsafe { instance.retire(Leaving::new(Guest { shared, value })) };
        }
        // SAFETY: just compared, and the caller's promise.
        unsafe { this.defer_visiting(value) };
    }

    /// Sends a value to the reaper by the lane of any region that the heap has or has had.
    ///
    /// # Safety
    /// This thread is in the callback of that heap (A2), and the value lies in a block of this region that is nobody else's (A3).
    pub(crate) unsafe fn defer_visiting(&self, value: Deferred) {
        // The reaper may end a closed region as soon as it has the value, while this push is still on its way out.
        self.visits.arrive();
        // SAFETY: the caller's promise.
        unsafe { self.defer(value) };
        if self.visits.leave() {
            crate::reaper::sweep();
        }
    }

    /// Destroys a value on this thread, which is not the owner, and gives its block back, also when the destructor
    /// panics.
    ///
    /// # Safety
    /// As [`Shared::drop`], and once.
    #[cold]
    #[inline(never)]
    // wcet: call: on the reaper or elsewhere, but not in a callback
    pub(crate) unsafe fn drop_here(shared: NonNull<Self>, value: &Deferred) {
        struct Home(NonNull<Shared>, NonNull<u8>);
        impl Drop for Home {
            fn drop(&mut self) {
                // SAFETY: as for `drop_here`: destroying the value does not free the block.
                unsafe { Shared::free(self.0, self.1) };
            }
        }
        let _home = Home(shared, value.block);
        // SAFETY: the caller's promise.
        unsafe { value.destroy() };
    }
}

/// A value of another heap, on its way to the reaper.
struct Guest {
    shared: NonNull<Shared>,
    value: Deferred,
}

// SAFETY: what is shared with the heap is `Sync`, and the value is `Send` (A5).
unsafe impl Send for Guest {}

impl Drop for Guest {
    fn drop(&mut self) {
        // SAFETY: (A1, A3, A5) the value is nobody else's, and this is its end.
        unsafe { Shared::drop_here(self.shared, &self.value) };
    }
}

/// How many groups of remote frees a callback adopts at its start: a bound on what entering costs, and more than a
/// reaper that runs every few milliseconds produces between two callbacks.
const ADOPTED_GROUPS: usize = 8;
