//! The callback's scope: the only place where something can be allocated.

use crate::{
    boxed::RtBox,
    budget::tailed_layout,
    foreign::{Foreign, Leaving},
    instance::Instance,
    pressure::Pressure,
    refused::{Refusal, Refused},
    shared::Shared,
    tailed::Tailed,
    vec::RtVec,
};
use core::{alloc::Layout, fmt, marker::PhantomData, ptr::NonNull};

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
