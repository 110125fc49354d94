//! What one `RtHeap` has while it has memory, and what its callback reaches: regions, lanes, counts and a clock.
//!
//! - **(A6)** A thread that [`inside`](crate::inside) finds in a callback is the owner of that instance, which is alive
//!   until the callback ends: the `RtHeap` holds it, exclusively borrowed. What only the owner may touch is touched through
//!   that, one operation at a time, and no operation runs foreign code meanwhile.

use crate::{
    counts::Counts,
    dead::{Dead, Link},
    foreign::{self, Leaving},
    inside::{Entry, Place},
    pressure::{LowWater, Pressure},
    reaper::{Chore, destroy},
    refused::Refusal,
    region_chore::RegionChore,
    shared::{Owned, Owner, Shared},
    thread,
    timing::{Started, Timing},
    topup::Extras,
    violation,
};
use core::{
    alloc::Layout,
    cell::UnsafeCell,
    ptr::NonNull,
    sync::atomic::{AtomicBool, Ordering, fence},
};
use detalloc::{AllocError, Config};
use ringbuf::{
    HeapCons, HeapProd,
    traits::{Consumer, Observer, Producer},
};
use std::sync::Arc;

/// What an instance is built from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plan {
    pub(crate) config: Config,
    /// How many foreign values can be on their way at once.
    pub(crate) foreign: usize,
    pub(crate) low_water: LowWater,
    /// How many bytes the reaper may add; 0 switches it off.
    pub(crate) top_up_bytes: usize,
}

/// See the module.
pub(crate) struct Instance {
    owner: Owner,
    main: Arc<Shared>,
    extras: Extras,
    foreign: UnsafeCell<HeapProd<Leaving>>,
    dead: Dead,
    pub(crate) counts: Counts,
    pub(crate) timing: Timing,
    low_water: LowWater,
    /// The callback has to end with a panic.
    violated: AtomicBool,
    /// Nobody will enter again.
    closed: AtomicBool,
    #[cfg(feature = "fault-injection")]
    faults: crate::faults::Faults,
}

// SAFETY: `foreign` is the only part that is not `Sync`, and the owner alone touches it (A2, A6).
unsafe impl Sync for Instance {}

impl Instance {
    /// Gets the memory for a plan, and the reaper's work for it. `None`: the system has not that much.
    pub(crate) fn build(plan: &Plan, owner: Owner) -> Option<(Arc<Self>, RegionChore, InstanceChore)> {
        let (main, lane) = Shared::build(&plan.config, Arc::clone(&owner))?;
        let (producer, consumer) = foreign::lane(plan.foreign)?;
        let instance = Arc::new(Self {
            owner,
            main: Arc::clone(&main),
            extras: Extras::default(),
            foreign: UnsafeCell::new(producer),
            dead: Dead::new(),
            counts: Counts::default(),
            timing: Timing::default(),
            low_water: plan.low_water,
            violated: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            #[cfg(feature = "fault-injection")]
            faults: crate::faults::Faults::default(),
        });
        let chore = InstanceChore {
            instance: Arc::clone(&instance),
            foreign: consumer,
            top_up_bytes: plan.top_up_bytes,
        };
        Some((instance, RegionChore::new(main, lane), chore))
    }

    /// The word that says who the owner is, for the next instance of the same heap.
    pub(crate) fn owner(&self) -> Owner {
        Arc::clone(&self.owner)
    }

    /// Says that nobody will enter again. Under the exclusive borrow of the `RtHeap` (A2).
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        // Either this sees a region that is being added, or its addition sees this.
        fence(Ordering::SeqCst);
        self.regions().for_each(Shared::close);
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
        match unsafe { self.main.allocate(layout) } {
            Ok(block) => Ok((NonNull::from(&*self.main), block)),
            // SAFETY: as above.
            Err(refusal) => unsafe { self.allocate_elsewhere(layout, refusal) },
        }
    }

    /// # Safety
    /// As [`Instance::allocate`].
    #[cold]
    unsafe fn allocate_elsewhere(
        &self,
        layout: Layout,
        refusal: AllocError,
    ) -> Result<(NonNull<Shared>, NonNull<u8>), AllocError> {
        // SAFETY: (A6) this thread is the owner.
        let found = unsafe { self.extras.allocate(layout, refusal) };
        if found.is_ok() {
            self.counts.topped_up.up();
        } else {
            self.counts.refused.up();
        }
        found
    }

    /// See [`RtHeap::refuse_nth`](crate::RtHeap::refuse_nth).
    #[cfg(feature = "fault-injection")]
    pub(crate) fn refuse_nth(&self, n: Option<usize>) {
        self.faults.set(n);
    }

    /// The callback shall end with a panic.
    pub(crate) fn set_violated(&self) {
        self.violated.store(true, Ordering::Relaxed);
    }

    /// What is left of a class, if that is not much.
    ///
    /// # Safety
    /// As [`Instance::allocate`].
    #[inline]
    pub(crate) unsafe fn pressure(&self, layout: Layout) -> Option<Pressure> {
        let mut left = Pressure { free_blocks: 0, blocks: 0 };
        for region in self.regions() {
            // SAFETY: (A6) this thread is the owner.
            if let Some(room) = unsafe { region.room(layout) } {
                left.free_blocks += room.free_blocks;
                left.blocks += room.blocks;
            }
        }
        self.low_water.is_low(left.free_blocks, left.blocks).then_some(left)
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
        // SAFETY: (A3, A5) the block is new and cut for it, and what leaves is `Send + 'static`.
        unsafe {
            block.write(value);
            Shared::drop(shared, block);
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

/// One callback: this thread is the owner until this is dropped, by a panic too.
pub(crate) struct Visit<'s> {
    instance: &'s Instance,
    started: Started,
    _owned: Owned<'s>,
    _place: Option<Place>,
}

impl<'s> Visit<'s> {
    /// Begins a callback, for so many frames or the most there can be.
    ///
    /// # Errors
    /// [`Refusal::Nested`] if and only if this thread is in a callback already.
    ///
    /// # Safety
    /// The caller has the exclusive borrow of the `RtHeap` for as long as the result lives, and this is its instance (A2).
    #[inline]
    pub(crate) unsafe fn new(instance: &'s Instance, frames: Option<u32>) -> Result<Self, Refusal> {
        let thread = thread::current();
        // SAFETY: the result has the borrow of the instance, and the place.
        let place = match unsafe { Entry::new(NonNull::from(instance), thread) } {
            Entry::Inside(place) => Some(place),
            Entry::Crowded => {
                instance.counts.crowded.up();
                None
            }
            Entry::Nested => return Err(Refusal::Nested),
        };
        let started = match frames {
            Some(frames) => instance.timing.start_for(frames),
            None => instance.timing.start(),
        };
        // SAFETY: the caller's promise.
        let owned = unsafe { Owned::new(&instance.owner, thread) };
        for region in instance.regions() {
            // SAFETY: (A2) this thread has just become the owner.
            unsafe { region.adopt() };
        }
        Ok(Self { instance, started, _owned: owned, _place: place })
    }

    pub(crate) fn instance(&self) -> &'s Instance {
        self.instance
    }

    /// Ends the callback, with a panic if it has violated what was to end it like that.
    #[inline]
    pub(crate) fn end(self) {
        let violated = &self.instance.violated;
        drop(self);
        if violated.load(Ordering::Relaxed) {
            violated.store(false, Ordering::Relaxed);
            violation::raise();
        }
    }
}

impl Drop for Visit<'_> {
    #[inline]
    fn drop(&mut self) {
        self.instance.timing.end(self.started);
    }
}

/// The reaper's work for one instance: what travels to it but by the regions' own lanes, and more memory.
pub(crate) struct InstanceChore {
    instance: Arc<Instance>,
    foreign: HeapCons<Leaving>,
    top_up_bytes: usize,
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
        if !over && self.top_up_bytes > 0 {
            let Instance { extras, main, owner, low_water, .. } = &*self.instance;
            extras.add(main, owner, *low_water, &mut self.top_up_bytes);
            fence(Ordering::SeqCst);
            if self.instance.closed.load(Ordering::Relaxed) {
                extras.iter().for_each(Shared::close);
            }
        }
        over
    }

    fn is_over(&mut self) -> bool {
        self.instance.closed.load(Ordering::Acquire)
            && self.foreign.is_empty()
            && self.instance.dead.is_empty()
    }
}
