//! Owned handles to the values of a typed pool.

use super::Pool;
use core::{
    error, fmt,
    mem::ManuallyDrop,
    ops::{Deref, DerefMut},
    ptr::NonNull,
};

/// A value in a [`Pool`], which owns it: dropping the handle drops the value and gives the slot back.
///
/// It stays on the thread of its pool:
/// ```compile_fail
/// # use detalloc::Pool;
/// let pool = Pool::<u8, 4>::new();
/// let handle = pool.insert(1).unwrap();
/// std::thread::scope(|scope| { scope.spawn(move || drop(handle)); });
/// ```
///
/// Nothing that lives shorter than the type says can be put into it:
/// ```compile_fail
/// # use detalloc::PoolBox;
/// fn shorten<'a, 'p>(handle: PoolBox<'p, &'static str, 2>) -> PoolBox<'p, &'a str, 2> { handle }
/// ```
pub struct PoolBox<'p, T, const N: usize> {
    pool: &'p Pool<T, N>,
    /// Invariant: a slot of `pool` that this handle alone has, with a value in it.
    value: NonNull<T>,
}

impl<'p, T, const N: usize> PoolBox<'p, T, N> {
    #[inline]
    pub(super) fn new(pool: &'p Pool<T, N>, value: T) -> Result<Self, PoolFull<T>> {
        match pool.allocate() {
            Some(slot) => {
                // SAFETY: the slot is this handle's, large and aligned enough.
                unsafe { slot.write(value) };
                Ok(Self { pool, value: slot })
            }
            None => Err(PoolFull(value)),
        }
    }

    /// Takes the value out.
    #[must_use]
    #[inline]
    pub fn into_value(self) -> T {
        let this = ManuallyDrop::new(self);
        // SAFETY: the handle's invariant; the handle is not used afterwards.
        unsafe {
            let value = this.value.read();
            this.pool.free(this.value);
            value
        }
    }
}

impl<T, const N: usize> Drop for PoolBox<'_, T, N> {
    #[inline]
    fn drop(&mut self) {
        /// Gives the slot back also when the value's destructor panics.
        struct Slot<'a, T, const N: usize>(&'a Pool<T, N>, NonNull<T>);
        impl<T, const N: usize> Drop for Slot<'_, T, N> {
            #[inline]
            fn drop(&mut self) {
                // SAFETY: the handle's invariant; its value was dropped, and it goes now.
                unsafe { self.0.free(self.1) };
            }
        }
        let slot = Slot(self.pool, self.value);
        // SAFETY: the handle's invariant; nothing uses the value afterwards.
        unsafe { slot.1.drop_in_place() };
    }
}

impl<T, const N: usize> Deref for PoolBox<'_, T, N> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the handle's invariant.
        unsafe { self.value.as_ref() }
    }
}

impl<T, const N: usize> DerefMut for PoolBox<'_, T, N> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the handle's invariant.
        unsafe { self.value.as_mut() }
    }
}

impl<T: fmt::Debug, const N: usize> fmt::Debug for PoolBox<'_, T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// All slots are taken. The value is inside.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PoolFull<T>(pub(super) T);

impl<T> PoolFull<T> {
    /// The value that was not taken.
    #[must_use]
    pub fn into_value(self) -> T {
        self.0
    }
}

impl<T> fmt::Debug for PoolFull<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PoolFull")
    }
}

impl<T> fmt::Display for PoolFull<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("all slots of the pool are taken")
    }
}

impl<T> error::Error for PoolFull<T> {}
