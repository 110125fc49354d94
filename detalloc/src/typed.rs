//! Typed pools: room for `N` values of one type, inline, with owned handles. The shortest way to memory that there is.
//!
//! A pool is a stack of the slots that are free. The stack lies beside the slots, so that no write past the end of a
//! value disturbs it. Handles cannot be forged, copied or kept beyond their pool, so nothing needs to be checked.
//!
//! Invariants:
//! - **(T1)** The first `free` entries of `stack` are distances of slots from the pool's start, each slot at most once,
//!   and no handle or caller of [`Pool::allocate`] has any of those slots.
//! - **(T2)** An entry has the bit [`FRESH`] if and only if its slot was never handed out.
//!
//! For one thread: a pool is `Send`, not `Sync`, and its handles are neither. Values that are freed on other threads
//! want a [`Heap`](crate::Heap) and its [`RemoteFree`](crate::RemoteFree).

#[cfg(target_has_atomic = "ptr")]
mod claimed;
mod handle;
#[cfg(target_has_atomic = "ptr")]
mod statics;

pub use handle::{PoolBox, PoolFull};
#[cfg(target_has_atomic = "ptr")]
pub use statics::{Claim, StaticPool};

use core::{
    cell::{Cell, UnsafeCell},
    fmt,
    mem::{MaybeUninit, offset_of},
    ptr::{self, NonNull},
};

/// Marks a slot that was never handed out.
const FRESH: u32 = 1 << 31;

/// A pool of `N` values of one type.
///
/// ```
/// use detalloc::Pool;
///
/// #[derive(Debug)]
/// struct Voice { phase: f32 }
///
/// let pool = Pool::<Voice, 2>::new();
/// let mut one = pool.insert(Voice { phase: 0.0 })?;
/// one.phase += 0.5;
/// let _other = pool.insert(Voice { phase: 0.0 })?;
/// // The value comes back.
/// let refused = pool.insert(Voice { phase: 0.75 }).unwrap_err();
/// assert_eq!(refused.into_value().phase, 0.75);
/// drop(one);
/// assert_eq!((pool.used(), pool.high_water()), (1, 2));
/// # Ok::<(), detalloc::PoolFull<Voice>>(())
/// ```
///
/// A handle cannot outlive its pool, nor the pool move while one is there:
/// ```compile_fail
/// # use detalloc::Pool;
/// let pool = Pool::<u8, 4>::new();
/// let handle = pool.insert(1).unwrap();
/// let moved = pool;
/// drop(handle);
/// ```
// In this order: a write past the end of a value does not reach the stack.
#[repr(C)]
pub struct Pool<T, const N: usize> {
    free: Cell<usize>,
    stack: [Cell<u32>; N],
    slots: [UnsafeCell<MaybeUninit<T>>; N],
}

impl<T, const N: usize> Pool<T, N> {
    /// An empty pool. In a constant expression too, so that it may be a static's. One of 2 GiB or more does not compile.
    ///
    /// ```compile_fail,E0080
    /// static TOO_LARGE: detalloc::StaticPool<[u8; 1 << 30], 2> = detalloc::StaticPool::new();
    /// let _ = TOO_LARGE.claim();
    /// ```
    #[must_use]
    pub const fn new() -> Self {
        const {
            assert!(size_of::<Self>() < FRESH as usize, "a pool has less than 2 GiB");
        }
        let mut stack = [const { Cell::new(0) }; N];
        let mut slot = 0;
        while slot < N {
            // The first slot on top. Below 2^31, as just asserted.
            #[expect(clippy::cast_possible_truncation, reason = "the whole pool is smaller")]
            let distance = (offset_of!(Self, slots) + slot * size_of::<T>()) as u32;
            stack[N - 1 - slot] = Cell::new(FRESH | distance);
            slot += 1;
        }
        Self { free: Cell::new(N), stack, slots: [const { UnsafeCell::new(MaybeUninit::uninit()) }; N] }
    }

    /// Takes a slot, whose contents are whatever they were.
    ///
    /// # Time complexity
    /// Constant: at most 8 instructions (`cargo xtask opcount`, `detalloc-typed`).
    #[inline]
    pub fn allocate(&self) -> Option<NonNull<T>> {
        let free = self.free.get().checked_sub(1)?;
        self.free.set(free);
        // SAFETY: (T1) `free` was at most `N` and is one less now.
        let distance = unsafe { self.stack.get_unchecked(free) }.get() & !FRESH;
        // SAFETY: (T1) the slot lies within the pool, whose cells may be written through a shared reference.
        Some(unsafe { NonNull::from(self).byte_add(distance as usize).cast() })
    }

    /// Gives a slot back. The value in it is not dropped.
    ///
    /// # Time complexity
    /// Constant: at most 8 instructions.
    ///
    /// # Safety
    /// The slot came from [`Pool::allocate`] of this pool, was not given back since, and nothing uses it afterwards.
    #[inline]
    pub unsafe fn free(&self, slot: NonNull<T>) {
        let free = self.free.get();
        let distance = slot.as_ptr().addr().wrapping_sub(ptr::from_ref(self).addr());
        // SAFETY: (T1) a slot is out, so that fewer than `N` are in.
        let entry = unsafe { self.stack.get_unchecked(free) };
        #[expect(clippy::cast_possible_truncation, reason = "the whole pool is smaller")]
        entry.set(distance as u32);
        self.free.set(free + 1);
    }

    /// Moves a value in.
    ///
    /// # Errors
    /// [`PoolFull`], with the value, if and only if `N` values are in.
    ///
    /// # Time complexity
    /// Constant, and linear in the size of the value for moving it.
    #[inline]
    pub fn insert(&self, value: T) -> Result<PoolBox<'_, T, N>, PoolFull<T>> {
        PoolBox::new(self, value)
    }

    /// How many slots are taken.
    #[must_use]
    pub fn used(&self) -> usize {
        N - self.free.get()
    }

    /// High water: the most slots ever taken at once.
    ///
    /// The slot on top is taken first, so a slot that was never taken lies below all that were.
    ///
    /// # Time complexity
    /// Linear in `N`.
    #[must_use]
    pub fn high_water(&self) -> usize {
        N - self.stack[..self.free.get()].iter().filter(|entry| entry.get() & FRESH != 0).count()
    }
}

impl<T, const N: usize> Default for Pool<T, N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, const N: usize> fmt::Debug for Pool<T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("used", &self.used()).field("slots", &N).finish()
    }
}
