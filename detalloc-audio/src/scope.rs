//! The callback's scope: the only place where something can be allocated.

use crate::{
    boxed::RtBox,
    budget::tailed_layout,
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
    shared: Option<&'s Shared>,
    /// Neither `Send` nor `Sync`: holding one means to be on the owner's thread.
    thread: PhantomData<*const ()>,
}

impl<'s> Rt<'s> {
    pub(crate) fn new(shared: Option<&'s Shared>) -> Self {
        Self { shared, thread: PhantomData }
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

    #[inline]
    fn allocate(&self, layout: Layout) -> Result<(NonNull<Shared>, NonNull<u8>), Refusal> {
        let Some(shared) = self.shared else { return Err(Refusal::Unconfigured) };
        // SAFETY: an `Rt` exists only inside `enter`, on the thread that entered, which is the owner.
        let block = unsafe { shared.allocate(layout) }?;
        Ok((NonNull::from(shared), block))
    }
}

impl fmt::Debug for Rt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rt").field("has_memory", &self.shared.is_some()).finish()
    }
}
