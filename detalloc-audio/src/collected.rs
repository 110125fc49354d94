//! basedrop's collector, drained by the reaper.

use crate::{
    closed::Closed,
    reaper::{self, Chore, Membership, destroy},
};
use basedrop::{Collector, Handle, Owned};
use core::{
    fmt,
    marker::PhantomData,
    mem::ManuallyDrop,
    ops::{Deref, DerefMut},
};
use std::{io, sync::Arc};

/// A basedrop `Collector` that the reaper drains at every look, for objects of basedrop's own types or of ours.
///
/// When this is dropped, the reaper goes on until everything has been collected and every handle is gone, and then frees the
/// collector, which basedrop itself would leak.
///
/// ```
/// use detalloc_audio::Collected;
///
/// let collected = Collected::new()?;
/// let table = basedrop::Shared::new(&collected.handle(), vec![0.0_f32; 2048]);
/// // In a callback: queued for the reaper.
/// drop(table);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Collected {
    handle: Handle,
    abandoned: Arc<Closed>,
    _membership: Membership,
}

impl Collected {
    /// A collector of its own.
    ///
    /// # Errors
    /// The system's, if and only if the reaper's thread could not be started.
    pub fn new() -> io::Result<Self> {
        Self::drain(Collector::new())
    }

    /// Lets the reaper drain a collector that there is already.
    ///
    /// # Errors
    /// As [`Collected::new`]. The collector is leaked then, as basedrop does.
    pub fn drain(collector: Collector) -> io::Result<Self> {
        let abandoned = Arc::<Closed>::default();
        let handle = collector.handle();
        let chore = Collect { collector: Some(collector), abandoned: Arc::clone(&abandoned) };
        Ok(Self { handle, abandoned, _membership: reaper::add(Box::new(chore))? })
    }

    /// What basedrop's types are made with.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Makes an object that may be dropped in any callback.
    #[must_use]
    pub fn own<T: Send + 'static>(&self, value: T) -> Reaped<T> {
        Reaped { owned: Owned::new(&self.handle, Quiet::new(value)), invariant: PhantomData }
    }
}

impl Drop for Collected {
    fn drop(&mut self) {
        self.abandoned.close();
    }
}

impl fmt::Debug for Collected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collected").finish_non_exhaustive()
    }
}

/// An object that was made on the control side by [`Collected::own`], and may be changed and dropped in any callback: dropping is
/// wait-free, and the reaper destroys it.
///
/// Invariant, unlike basedrop's `Owned`, into which safe code can write a borrow that has ended by the time the collector
/// destroys it:
///
/// ```compile_fail
/// use detalloc_audio::Reaped;
/// fn shorten<'a>(reaped: Reaped<&'static str>) -> Reaped<&'a str> { reaped }
/// ```
///
/// ```
/// fn shorten<'a>(owned: basedrop::Owned<&'static str>) -> basedrop::Owned<&'a str> { owned }
/// ```
pub struct Reaped<T> {
    owned: Owned<Quiet<T>>,
    invariant: PhantomData<fn(T) -> T>,
}

impl<T> Deref for Reaped<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.owned
    }
}

impl<T> DerefMut for Reaped<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.owned.0
    }
}

impl<T: fmt::Debug> fmt::Debug for Reaped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// A value whose destructor does not panic as far as anybody can see: basedrop would lose count.
pub(crate) struct Quiet<T>(ManuallyDrop<T>);

impl<T> Quiet<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(ManuallyDrop::new(value))
    }
}

impl<T> Deref for Quiet<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Drop for Quiet<T> {
    fn drop(&mut self) {
        // SAFETY: this is the end of `self`.
        destroy(|| unsafe { ManuallyDrop::drop(&mut self.0) });
    }
}

/// The reaper's work.
struct Collect {
    /// `None`: freed.
    collector: Option<Collector>,
    abandoned: Arc<Closed>,
}

impl Chore for Collect {
    fn look(&mut self) -> bool {
        let Some(mut collector) = self.collector.take() else { return true };
        // Before the look, so that nothing that was dropped before is missed.
        let abandoned = self.abandoned.is_closed();
        let mut more = true;
        while more {
            more = false;
            // basedrop's own types do not keep panics to themselves. What one interrupts stays allocated.
            destroy(|| more = collector.collect_one());
        }
        self.collector = if abandoned { collector.try_cleanup().err() } else { Some(collector) };
        self.collector.is_none()
    }
}
