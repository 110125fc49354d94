//! The callback's scope: the only place where something can be allocated.

use crate::{
    arc::{Counted, RtArc},
    boxed::RtBox,
    budget::tailed_layout,
    foreign::Foreign,
    instance::{Instance, SCRATCH_ALIGN_BYTES},
    leaving::Leaving,
    map::{RtMap, table_layout},
    pressure::Pressure,
    queue::{RtQueue, queue_layout},
    refused::{Refusal, Refused},
    shared::Shared,
    string::RtString,
    tailed::Tailed,
    vec::RtVec,
};
use core::{alloc::Layout, fmt, hash::Hash, marker::PhantomData, ptr::NonNull};
use detalloc::AllocError;

/// One callback, seen from inside: [`RtHeap::enter`](crate::RtHeap::enter) hands it out.
///
/// It can neither leave the callback nor its thread:
///
/// ```compile_fail
/// # let mut heap = detalloc_audio::RtHeap::new();
/// let escaped = heap.enter(|rt| rt);
/// ```
///
/// ```compile_fail
/// # let mut heap = detalloc_audio::RtHeap::new();
/// heap.enter(|rt| std::thread::scope(|scope| { scope.spawn(|| rt.boxed(1_u32)); }));
/// ```
pub struct Rt<'s> {
    instance: Result<&'s Instance, Refusal>,
    /// Neither `Send` nor `Sync`: holding one means to be on the owner's thread.
    thread: PhantomData<*const ()>,
}

impl<'s> Rt<'s> {
    pub(crate) fn new(instance: Result<&'s Instance, Refusal>) -> Self {
        Self { instance, thread: PhantomData }
    }

    /// Puts a value into a block of its own.
    ///
    /// # Errors
    /// The value comes back with the [`Refusal`] if and only if no pool can serve it. One with a destructor then wants
    /// to be kept, or dropped outside of the callback.
    ///
    /// # Time complexity
    /// Constant, and the move of the value.
    #[inline]
    pub fn boxed<T: Send + 'static>(&self, value: T) -> Result<RtBox<T>, Refused<T>> {
        match self.allocate(Layout::new::<T>()) {
            Ok((shared, block)) => {
                let block = block.cast::<T>();
                // SAFETY: the block was allocated for a `T`.
                unsafe { block.write(value) };
                // SAFETY: (A3, A5) the block is new, holds a `T`, and `T: Send + 'static`.
                Ok(unsafe { RtBox::from_raw(block, shared) })
            }
            Err(refusal) => Err(Refused { value, refusal }),
        }
    }

    /// Puts a header and a slice of `tail_len` times `fill` behind it into one block.
    ///
    /// # Errors
    /// The header comes back with the [`Refusal`] if and only if no pool can serve it.
    ///
    /// # Time complexity
    /// Constant, and the filling of the slice.
    #[inline]
    pub fn tailed<H: Send + 'static, T: Copy + Send + 'static>(
        &self,
        head: H,
        tail_len: usize,
        fill: T,
    ) -> Result<RtBox<Tailed<H, [T]>>, Refused<H>> {
        let Some(layout) = tailed_layout::<H, T>(tail_len) else {
            return Err(Refused { value: head, refusal: Refusal::TooLarge });
        };
        match self.allocate(layout) {
            Ok((shared, block)) => {
                let whole = NonNull::slice_from_raw_parts(block.cast::<T>(), tail_len).as_ptr()
                    as *mut Tailed<H, [T]>;
                // SAFETY: the block was allocated with the layout of such an object: `repr(C)` puts the slice where
                // `Layout::extend` does.
                unsafe {
                    (&raw mut (*whole).head).write(head);
                    let tail = (&raw mut (*whole).tail).cast::<T>();
                    for element in 0..tail_len {
                        tail.add(element).write(fill);
                    }
                    // (A3, A5) the block is new, holds such an object, and its parts are `Send + 'static`.
                    Ok(RtBox::from_raw(NonNull::new_unchecked(whole), shared))
                }
            }
            Err(refusal) => Err(Refused { value: head, refusal }),
        }
    }

    /// Puts a value into a block of its own, to be shared.
    ///
    /// # Errors
    /// As [`Rt::boxed`].
    ///
    /// # Time complexity
    /// As [`Rt::boxed`].
    #[inline]
    pub fn arc<T: Send + Sync + 'static>(&self, value: T) -> Result<RtArc<T>, Refused<T>> {
        match self.allocate(Layout::new::<Counted<T>>()) {
            Ok((shared, block)) => {
                let block = block.cast::<Counted<T>>();
                // SAFETY: the block was allocated for it.
                unsafe { block.write(Counted::new(value)) };
                // SAFETY: (A3, A5) the block is new, counts one, and `T: Send + 'static`.
                Ok(unsafe { RtArc::from_raw(block, shared) })
            }
            Err(refusal) => Err(Refused { value, refusal }),
        }
    }

    /// An empty string with room for so many bytes; it does not grow.
    ///
    /// # Errors
    /// As [`Rt::vec`].
    ///
    /// # Time complexity
    /// Constant.
    #[inline]
    pub fn string(&self, capacity_bytes: usize) -> Result<RtString, Refusal> {
        self.vec(capacity_bytes).map(RtString::in_bytes)
    }

    /// An empty queue with room for `capacity` elements; it does not grow.
    ///
    /// # Errors
    /// As [`Rt::vec`].
    ///
    /// # Time complexity
    /// Constant.
    #[inline]
    pub fn queue<T: Send + 'static>(&self, capacity: usize) -> Result<RtQueue<T>, Refusal> {
        let layout = queue_layout::<T>(capacity).ok_or(Refusal::TooLarge)?;
        let (shared, block) = self.allocate(layout)?;
        // SAFETY: (A3, A5) the block is new, cut for that, and `T: Send + 'static`.
        Ok(unsafe { RtQueue::from_raw(block, capacity, shared) })
    }

    /// An empty hash map with room for `capacity` elements; it does not grow. It takes two blocks: the budget's
    /// [`map`](crate::AudioBudget::map) knows their sizes.
    ///
    /// # Errors
    /// As [`Rt::vec`].
    ///
    /// # Time complexity
    /// Linear in the capacity: a control byte for every place.
    pub fn map<K, V>(&self, capacity: usize) -> Result<RtMap<K, V>, Refusal>
    where
        K: Eq + Hash + Send + 'static,
        V: Send + 'static,
    {
        let layout = table_layout::<K, V>(capacity).ok_or(Refusal::TooLarge)?;
        let instance = self.instance?;
        let exhausted = Refusal::Pools(AllocError::Exhausted { block_bytes: layout.size() });
        // SAFETY: (A6) an `Rt` exists only inside `enter`, on the thread that entered.
        let table = unsafe { RtMap::table(instance, capacity) }.ok_or(exhausted)?;
        match self.boxed(table) {
            Ok(table) => Ok(RtMap::in_box(table, capacity)),
            // The empty table is dropped here: its block is free again.
            Err(refused) => Err(refused.refusal),
        }
    }

    /// A temporary buffer for this callback, aligned to 64 bytes and filled with `fill`. What there is in all is the budget's to say
    /// ([`AudioBudget::scratch`](crate::AudioBudget::scratch)).
    ///
    /// ```compile_fail
    /// # let mut heap = detalloc_audio::RtHeap::new();
    /// let escaped: &mut [f32] = heap.enter(|rt| rt.scratch(64, 0.0).unwrap());
    /// ```
    ///
    /// ```
    /// # let mut heap = detalloc_audio::RtHeap::new();
    /// heap.reconfigure(&detalloc_audio::AudioBudget::new(48_000.0, 64).scratch::<f32>(64))?;
    /// let sum: f32 = heap.enter(|rt| rt.scratch(64, 0.5).unwrap().iter().sum());
    /// assert_eq!(sum, 32.0);
    /// # Ok::<(), detalloc_audio::BudgetError>(())
    /// ```
    ///
    /// # Errors
    /// [`Refusal::Scratch`] if and only if less is left than that, once aligned; [`Refusal::Unconfigured`] and
    /// [`Refusal::Nested`] as for all of this type.
    ///
    /// # Time complexity
    /// Constant, and the filling.
    #[inline]
    #[expect(clippy::mut_from_ref, reason = "every call gives another part of the memory")]
    pub fn scratch<T: Copy>(&self, len: usize, fill: T) -> Result<&mut [T], Refusal> {
        // SAFETY: (A6) an `Rt` exists only inside `enter`, on the thread that entered, and the result borrows it.
        let arena = unsafe { self.instance?.scratch() };
        arena.slice(len, SCRATCH_ALIGN_BYTES, fill).map_err(Refusal::Scratch)
    }

    /// An empty vector with room for `capacity` elements; it does not grow.
    ///
    /// # Errors
    /// The [`Refusal`] if and only if no pool can serve it.
    ///
    /// # Time complexity
    /// Constant.
    #[inline]
    pub fn vec<T: Send + 'static>(&self, capacity: usize) -> Result<RtVec<T>, Refusal> {
        let layout = Layout::array::<T>(capacity).map_err(|_| Refusal::TooLarge)?;
        let (shared, block) = self.allocate(layout)?;
        // SAFETY: (A3, A5) the block is new, has room for that many, and `T: Send + 'static`.
        Ok(unsafe { RtVec::from_raw(block.cast(), capacity, shared) })
    }

    /// As [`Rt::boxed`], but when the class of `T` is low, `relieve` is called first: to steal a voice, say, before there is a
    /// refusal. What it drops is free again at once, if it has no destructor, and when the reaper has seen to it otherwise.
    /// How few blocks are low is the budget's to say ([`AudioBudget::low_water_percent`](crate::AudioBudget::low_water_percent)).
    ///
    /// # Errors
    /// As [`Rt::boxed`].
    ///
    /// # Time complexity
    /// As [`Rt::boxed`], and `relieve`.
    #[inline]
    pub fn boxed_relieving<T: Send + 'static>(
        &self,
        value: T,
        relieve: impl FnOnce(Pressure),
    ) -> Result<RtBox<T>, Refused<T>> {
        self.pressure(Layout::new::<T>()).map(relieve);
        self.boxed(value)
    }

    /// What is left of the class that serves this layout, if that is at or below the low water of the budget.
    ///
    /// # Time complexity
    /// Constant.
    #[inline]
    #[must_use]
    pub fn pressure(&self, layout: Layout) -> Option<Pressure> {
        // SAFETY: (A6) an `Rt` exists only inside `enter`, on the thread that entered.
        unsafe { self.instance.ok()?.pressure(layout) }
    }

    /// Sends a value that is no pool's to the reaper, as dropping a [`Foreign`] does: see there.
    ///
    /// # Errors
    /// The value comes back if and only if the heap has no memory. It is safe to drop.
    ///
    /// # Time complexity
    /// Constant, and the move of the value.
    #[inline]
    pub fn retire<T: Send + 'static>(&self, value: T) -> Result<(), Refused<Foreign<T>>> {
        match self.instance {
            Ok(instance) => {
                // SAFETY: (A6) an `Rt` exists only inside `enter`, on the thread that entered.
                unsafe { instance.retire(Leaving::new(value)) };
                Ok(())
            }
            Err(refusal) => Err(Refused { value: Foreign::new(value), refusal }),
        }
    }

    #[inline(always)]
    pub(crate) fn allocate(&self, layout: Layout) -> Result<(NonNull<Shared>, NonNull<u8>), Refusal> {
        // SAFETY: (A6) an `Rt` exists only inside `enter`, on the thread that entered.
        Ok(unsafe { self.instance?.allocate(layout) }?)
    }
}

impl fmt::Debug for Rt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rt").field("has_memory", &self.instance.is_ok()).finish()
    }
}
