//! Typed pools in statics: memory that is there before `main`, for one owner at a time.

use super::{Pool, claimed::Claimed};
use crate::sync::AtomicBool;
use core::{cell::Cell, fmt, marker::PhantomData, ops::Deref};

/// Declares a [`StaticPool`].
///
/// ```
/// struct Voice { phase: f32 }
///
/// detalloc::static_pool! {
///     /// All voices there will ever be.
///     pub static VOICES: [Voice; 64];
/// }
///
/// let voices = VOICES.claim().expect("nobody else has them");
/// let mut voice = voices.insert(Voice { phase: 0.0 })?;
/// voice.phase += 0.1;
/// assert!(VOICES.claim().is_none());
/// # drop(voice);
/// # Ok::<(), detalloc::PoolFull<Voice>>(())
/// ```
#[macro_export]
macro_rules! static_pool {
    ($($(#[$attribute:meta])* $visibility:vis static $name:ident: [$value:ty; $slots:expr];)+) => {$(
        $(#[$attribute])*
        $visibility static $name: $crate::StaticPool<$value, { $slots }> = $crate::StaticPool::new();
    )+};
}

/// A [`Pool`] in a static, which one thread claims at a time; see [`static_pool!`](crate::static_pool).
///
/// Its values are `Send`, because one owner after the other may be on different threads:
/// ```compile_fail
/// detalloc::static_pool! { static VALUES: [std::rc::Rc<u8>; 4]; }
/// ```
pub struct StaticPool<T, const N: usize> {
    claimed: Claimed,
    /// Invariant: reached only through the one [`Claim`].
    pool: Pool<T, N>,
}

// SAFETY: the pool is reached through a claim alone. There is one at a time, `claimed` orders one after the other, and a
// claim that moves to another thread needs `T: Send`, as does one that is dropped and taken anew elsewhere.
unsafe impl<T: Send, const N: usize> Sync for StaticPool<T, N> {}

impl<T, const N: usize> StaticPool<T, N> {
    /// A pool that nobody has claimed.
    #[must_use]
    pub const fn new() -> Self {
        Self { claimed: Claimed(AtomicBool::new(false)), pool: Pool::new() }
    }

    /// Becomes the pool's owner, unless somebody is.
    ///
    /// # Time complexity
    /// Constant: one atomic exchange.
    #[must_use]
    pub fn claim(&'static self) -> Option<Claim<T, N>> {
        self.claimed.claim().then_some(Claim { of: self, owner: PhantomData })
    }
}

impl<T, const N: usize> Default for StaticPool<T, N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, const N: usize> fmt::Debug for StaticPool<T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StaticPool").field("claimed", &self.claimed.0).field("slots", &N).finish()
    }
}

/// The ownership of a [`StaticPool`], which ends when it is dropped. Slots of handles that were leaked stay taken.
///
/// One thread has it at a time:
/// ```compile_fail
/// detalloc::static_pool! { static VALUES: [u8; 4]; }
/// let values = VALUES.claim().unwrap();
/// std::thread::scope(|scope| { scope.spawn(|| values.used()); });
/// ```
pub struct Claim<T: 'static, const N: usize> {
    of: &'static StaticPool<T, N>,
    /// `Send`, not `Sync`, as the pool itself.
    owner: PhantomData<Cell<()>>,
}

// SAFETY: sending the claim sends the only access to the pool; its handles borrow the claim, so none is left behind.
unsafe impl<T: Send, const N: usize> Send for Claim<T, N> {}

impl<T, const N: usize> Claim<T, N> {
    /// Keeps the pool for good, so that handles may live for ever too.
    #[must_use]
    pub fn leak(self) -> &'static Pool<T, N> {
        let pool = &self.of.pool;
        core::mem::forget(self);
        pool
    }
}

impl<T, const N: usize> Deref for Claim<T, N> {
    type Target = Pool<T, N>;

    #[inline]
    fn deref(&self) -> &Pool<T, N> {
        &self.of.pool
    }
}

impl<T, const N: usize> Drop for Claim<T, N> {
    fn drop(&mut self) {
        self.of.claimed.give_up();
    }
}

impl<T, const N: usize> fmt::Debug for Claim<T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
