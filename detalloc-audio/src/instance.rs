//! What one `RtHeap` has while it has memory, and what its callback reaches: regions, lanes, counts and a clock.
//!
//! - **(A6)** A thread that [`inside`](crate::inside) finds in a callback is the owner of that instance, which is alive
//!   until the callback ends: the `RtHeap` holds it, exclusively borrowed. What only the owner may touch is touched through
//!   that, one operation at a time, and no operation runs foreign code meanwhile.

use crate::{
    closed::Closed,
    counts::Counts,
    dead::{Dead, Link},
    deferred::{Deferred, LaneIn, LaneOut, lane},
    inside::Place,
    leaving::Leaving,
    pressure::{LowWater, Pressure},
    reaper::{Chore, destroy},
    region_chore::RegionChore,
    shared::{Family, Shared},
    thread,
    timing::{Started, Timing},
    topup::{Extras, TopUp},
    violation,
    window::Memory,
};
use core::{
    alloc::Layout,
    cell::UnsafeCell,
    mem::{ManuallyDrop, MaybeUninit},
    ops::Deref,
    ptr::NonNull,
    slice,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};
use detalloc::{AllocError, Arena, Config};
use ringbuf::traits::{Consumer, Observer, Producer};
use std::sync::Arc;

/// What buffers for a callback are aligned to: a cache line, and the widest vectors there are.
pub(crate) const SCRATCH_ALIGN_BYTES: usize = 64;

/// What an instance is built from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plan {
    pub(crate) config: Config,
    pub(crate) scratch_bytes: usize,
    /// How many foreign values can be on their way at once.
    pub(crate) foreign: usize,
    pub(crate) low_water: LowWater,
    /// How many bytes the reaper may add; 0 switches it off.
    pub(crate) top_up_bytes: usize,
}

/// See the module.
pub(crate) struct Instance {
    family: Family,
    main: Arc<Shared>,
    extras: Extras<Shared>,
    foreign: UnsafeCell<LaneIn<Leaving>>,
    scratch: UnsafeCell<Arena<'static>>,
    /// What `scratch` is cut from.
    #[cfg_attr(not(feature = "realtime"), allow(dead_code, reason = "kept for its drop"))]
    pub(crate) scratch_memory: Memory,
    dead: Dead,
    pub(crate) counts: Counts,
    pub(crate) timing: Timing,
    low_water: LowWater,
    /// The callback has to end with a panic.
    violated: AtomicBool,
    /// Nobody will enter again.
    closed: Closed,
    #[cfg(feature = "fault-injection")]
    faults: crate::faults::Faults,
}

// SAFETY: `foreign` and `scratch` are the only parts that are not `Sync`, and the owner alone touches them (A2, A6).
unsafe impl Sync for Instance {}

impl Instance {
    /// Gets the memory for a plan, and the reaper's work for it. `None`: the system has not that much.
    pub(crate) fn build(plan: &Plan, family: Family) -> Option<(Arc<Self>, RegionChore, InstanceChore)> {
        let (main, main_out) = Shared::build(&plan.config, Arc::clone(&family))?;
        let (producer, consumer) = lane(plan.foreign, || Leaving::new(()))?;
        let layout = Layout::from_size_align(plan.scratch_bytes.max(1), SCRATCH_ALIGN_BYTES).ok()?;
        let scratch_memory = Memory::new(layout)?;
        // SAFETY: the memory is exclusively ours, and lives as long as the instance that the arena goes into.
        let scratch: &'static mut [MaybeUninit<u8>] =
            unsafe { slice::from_raw_parts_mut(scratch_memory.start.as_ptr().cast(), scratch_memory.bytes) };
        let instance = Arc::new(Self {
            family,
            main: Arc::clone(&main),
            extras: Extras::default(),
            foreign: UnsafeCell::new(producer),
            scratch: UnsafeCell::new(Arena::new(scratch)),
            scratch_memory,
            dead: Dead::new(),
            counts: Counts::default(),
            timing: Timing::default(),
            low_water: plan.low_water,
            violated: AtomicBool::new(false),
            closed: Closed::new(),
            #[cfg(feature = "fault-injection")]
            faults: crate::faults::Faults::from_environment(),
        });
        let chore = InstanceChore {
            instance: Arc::clone(&instance),
            foreign: consumer,
            top_up: TopUp::new(plan.top_up_bytes, plan.low_water),
        };
        Some((instance, RegionChore::new(main, main_out), chore))
    }

    /// What tells the regions of this heap, for its next instance.
    pub(crate) fn family(&self) -> &Family {
        &self.family
    }

    /// Says that nobody will enter again. Under the exclusive borrow of the `RtHeap` (A2).
    pub(crate) fn close(&self) {
        self.closed.close_with(|| self.regions().for_each(Shared::close));
    }

    /// The regions that there are, the first one first.
    pub(crate) fn regions(&self) -> impl Iterator<Item = &Shared> {
        core::iter::once(&*self.main).chain(self.extras.iter())
    }

    /// Whether blocks can be told from those of the system heap by their addresses.
    #[inline]
    pub(crate) fn is_in_window(&self) -> bool {
        self.main.is_in_window()
    }

    /// Allocates a block.
    ///
    /// # Safety
    /// This thread is in this instance's callback (A6).
    #[inline]
    pub(crate) unsafe fn allocate(
        &self,
        layout: Layout,
    ) -> Result<(NonNull<Shared>, NonNull<u8>), AllocError> {
        #[cfg(feature = "fault-injection")]
        if self.faults.strikes() {
            self.counts.refused.up();
            return Err(AllocError::Exhausted { block_bytes: layout.size() });
        }
        // SAFETY: (A6) this thread is the owner.
        match unsafe { self.main.allocate_ready(layout) } {
            Some(block) => {
                self.family.tap.allocated(block, layout);
                Ok((NonNull::from(&*self.main), block))
            }
            // SAFETY: as above.
            None => unsafe { self.allocate_the_longer_way(layout) },
        }
    }

    /// # Safety
    /// As [`Instance::allocate`].
    #[cold]
    #[inline(never)]
    unsafe fn allocate_the_longer_way(
        &self,
        layout: Layout,
    ) -> Result<(NonNull<Shared>, NonNull<u8>), AllocError> {
        // SAFETY: (A6) this thread is the owner.
        match unsafe { Shared::allocate_from_first(&self.main, self.extras.iter(), layout) } {
            Ok(found) => {
                if found.0 != NonNull::from(&*self.main) {
                    self.counts.topped_up.up();
                }
                self.family.tap.allocated(found.1, layout);
                Ok(found)
            }
            Err(refusal) => {
                self.counts.refused.up();
                self.family.tap.refused(layout);
                Err(refusal)
            }
        }
    }

    /// See [`RtHeap::refuse_nth`](crate::RtHeap::refuse_nth).
    #[cfg(feature = "fault-injection")]
    pub(crate) fn refuse_nth(&self, n: Option<usize>) {
        self.faults.set(n);
    }

    /// The callback shall end with a panic.
    pub(crate) fn set_violated(&self) {
        // Relaxed, as everywhere: only ever touched by the owner, on one thread at a time.
        self.violated.store(true, Relaxed);
        self.timing.make_notable();
    }

    /// What is left of a class, if that is not much.
    ///
    /// # Safety
    /// As [`Instance::allocate`].
    #[inline]
    pub(crate) unsafe fn pressure(&self, layout: Layout) -> Option<Pressure> {
        let mut left = Pressure { free_blocks: 0, blocks: 0 };
        let mut add = |region: &Shared| {
            // SAFETY: (A6) this thread is the owner.
            if let Some(room) = unsafe { region.room(layout) } {
                left.free_blocks += room.free_blocks;
                left.blocks += room.blocks;
            }
        };
        add(&self.main);
        // wcet: loop 8: so many regions are added at most
        for region in self.extras.iter() {
            add(region);
        }
        self.low_water.is_low(left.free_blocks, left.blocks).then_some(left)
    }

    /// Memory for the rest of the callback.
    ///
    /// # Safety
    /// As [`Instance::allocate`]; what it hands out is not used after the callback.
    #[inline]
    pub(crate) unsafe fn scratch(&self) -> &Arena<'static> {
        // SAFETY: (A6) this thread is the owner, and the arena is borrowed exclusively at the end of the callback only.
        unsafe { &*self.scratch.get() }
    }

    /// Sends a value to the reaper.
    ///
    /// # Safety
    /// This thread is in this instance's callback (A6).
    #[inline]
    pub(crate) unsafe fn retire(&self, value: Leaving) {
        // SAFETY: (A6) this thread is the owner, and no other reference to the lane is live.
        if let Err(value) = unsafe { (*self.foreign.get()).try_push(value) } {
            // SAFETY: the caller's promise.
            unsafe { self.carry(value) };
        }
    }

    /// Sends a value to the reaper in a block of the pools: that way has room for every block.
    ///
    /// # Safety
    /// As [`Instance::retire`].
    #[cold]
    unsafe fn carry(&self, value: Leaving) {
        // SAFETY: the caller's promise.
        let Ok((shared, block)) = (unsafe { self.allocate(Layout::new::<Leaving>()) }) else {
            self.counts.abandoned.up();
            core::mem::forget(value);
            return;
        };
        self.counts.carried.up();
        let block = block.cast::<Leaving>();
        // SAFETY: (A1, A3, A5) the block is new and cut for it, and what leaves is `Send + 'static`. (A2) the caller's promise.
        unsafe {
            block.write(value);
            shared.as_ref().defer_visiting(Deferred::new(block));
        }
    }

    /// Keeps a dead block of the system heap for the reaper.
    ///
    /// # Safety
    /// This thread is in this instance's callback (A6). The block is of the system heap, nobody uses it any more, and it was
    /// allocated with this layout, which has room for a [`Link`].
    #[inline]
    pub(crate) unsafe fn bury(&self, block: NonNull<u8>, layout: Layout) {
        let link = block.cast::<Link>().as_ptr();
        // SAFETY: the caller's promises; the owner is the only one that adds.
        unsafe {
            self.dead.add(link, |next| {
                link.write_unaligned(Link { next, size: layout.size(), align: layout.align() });
            });
        }
        self.counts.buried.up();
    }
}

/// An `Arc` of an instance that is reached without adding to a pointer first, which the callback would pay for.
pub(crate) struct Held(NonNull<Instance>);

// SAFETY: an `Arc` by another name.
unsafe impl Send for Held {}
// SAFETY: as above.
unsafe impl Sync for Held {}

impl Held {
    pub(crate) fn new(instance: Arc<Instance>) -> Self {
        // SAFETY: no `Arc` is at null.
        Self(unsafe { NonNull::new_unchecked(Arc::into_raw(instance).cast_mut()) })
    }

    /// Another reference.
    pub(crate) fn share(&self) -> Arc<Instance> {
        // SAFETY: from `Arc::into_raw`, which is ours until the drop.
        unsafe {
            Arc::increment_strong_count(self.0.as_ptr());
            Arc::from_raw(self.0.as_ptr())
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // SAFETY: from `Arc::into_raw`, once.
        drop(unsafe { Arc::from_raw(self.0.as_ptr()) });
    }
}

impl Deref for Held {
    type Target = Instance;

    #[inline]
    fn deref(&self) -> &Instance {
        // SAFETY: from `Arc::into_raw`, which is ours until the drop.
        unsafe { self.0.as_ref() }
    }
}

/// One callback: this thread is the owner until this is dropped, by a panic too.
pub(crate) struct Visit<'s> {
    instance: &'s Instance,
    place: Place,
    started: Started,
}

impl<'s> Visit<'s> {
    /// Begins a callback, for so many frames or the most there can be. `None`: this thread or one that leads to the same
    /// place is in a callback already; [`Visit::beside_others`] knows more.
    ///
    /// # Safety
    /// The caller has the exclusive borrow of the `RtHeap` for as long as the result lives, and this is its instance (A2).
    #[inline]
    pub(crate) unsafe fn new(instance: &'s Instance, frames: Option<u32>) -> Option<Self> {
        let thread = thread::current();
        // SAFETY: the result has the borrow of the instance, and the place.
        let place = unsafe { Place::alone(NonNull::from(instance), thread) }?;
        // SAFETY: the caller's promise.
        Some(unsafe { Self::begin(instance, frames, place, thread) })
    }

    /// The same the longer way. `None`: this thread is in a callback already.
    ///
    /// # Safety
    /// As [`Visit::new`].
    #[cold]
    pub(crate) unsafe fn beside_others(instance: &'s Instance, frames: Option<u32>) -> Option<Self> {
        let thread = thread::current();
        // SAFETY: as in `new`.
        let place = unsafe { Place::beside_others(NonNull::from(instance), thread) }?;
        // SAFETY: the caller's promise.
        Some(unsafe { Self::begin(instance, frames, place, thread) })
    }

    /// # Safety
    /// As [`Visit::new`]; the thread is this one.
    #[inline]
    unsafe fn begin(instance: &'s Instance, frames: Option<u32>, place: Place, thread: usize) -> Self {
        let main = &*instance.main;
        // SAFETY: the caller's promise; then (A2) this thread has just become the owner.
        unsafe {
            main.set_owner(thread);
            main.adopt();
        }
        instance.family.tap.callback();
        Self { instance, place, started: Started::now(frames) }
    }

    #[inline]
    pub(crate) fn instance(&self) -> &'s Instance {
        self.instance
    }

    /// Ends the callback, with a panic if it has violated what was to end it like that.
    #[inline]
    pub(crate) fn end(self) {
        let mut this = ManuallyDrop::new(self);
        if this.leave() {
            // Relaxed: the owner's.
            this.instance.violated.store(false, Relaxed);
            violation::raise();
        }
    }

    /// Whether the callback has to end with a panic.
    #[inline]
    fn leave(&mut self) -> bool {
        let notable = self.instance.timing.end(self.started);
        // SAFETY: `new` has the borrow until now. (A6) what the arena has handed out borrows the `Rt`, which is gone.
        unsafe {
            (*self.instance.scratch.get()).reset();
            self.instance.main.set_owner(0);
        }
        self.place.leave();
        notable && self.instance.violated.load(Relaxed)
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        // It ends with a panic already.
        self.leave();
        self.instance.violated.store(false, Relaxed);
    }
}

/// The reaper's work for one instance: what travels to it but by the regions' own lanes, and more memory.
pub(crate) struct InstanceChore {
    instance: Arc<Instance>,
    foreign: LaneOut<Leaving>,
    top_up: TopUp,
}

impl Chore for InstanceChore {
    fn look(&mut self) -> bool {
        while let Some(value) = self.foreign.try_pop() {
            destroy(|| drop(value));
        }
        let mut dead = self.instance.dead.take();
        while let Some(block) = NonNull::new(dead) {
            // SAFETY: `bury` put the link there, and the block is nobody else's.
            let Link { next, size, align } = unsafe { block.read_unaligned() };
            dead = next;
            // SAFETY: allocated with this layout, from the global allocator.
            unsafe {
                std::alloc::dealloc(block.as_ptr().cast(), Layout::from_size_align_unchecked(size, align))
            };
        }
        let over = self.is_over();
        if !over && !self.top_up.is_off() {
            let Instance { extras, main, family, .. } = &*self.instance;
            extras.add(main, family, &mut self.top_up);
            if self.instance.closed.is_closed_to_added() {
                extras.iter().for_each(Shared::close);
            }
        }
        over
    }

    fn is_over(&mut self) -> bool {
        self.instance.closed.is_closed() && self.foreign.is_empty() && self.instance.dead.is_empty()
    }
}
