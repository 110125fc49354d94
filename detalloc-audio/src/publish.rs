//! Large objects for the callback, replaced while it runs: impulse responses, samples, wavetables.
//!
//! The control side publishes; the callback reads, wait-free, and holds what it reads as long as it likes. A predecessor is
//! destroyed by the reaper when the last one that holds it has let go. The handles are basedrop's `Shared`, in types that
//! close two holes of it:
//!
//! - basedrop's handles are covariant, so that safe code can put a borrow into one that its collector destroys after the
//!   borrow has ended. Ours are invariant.
//! - basedrop's `Collector` leaks when it is dropped. Ours goes to the reaper, which sees to it ([`Collected`]).

mod swap;

use crate::collected::{Collected, Quiet};
use core::{fmt, marker::PhantomData, ops::Deref};
use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    thread,
};
use swap::Swap;

/// Hands an object from the control side to callbacks, and another one later.
///
/// ```
/// use detalloc_audio::Publish;
///
/// // The control side: a thread that may allocate.
/// let room = Publish::new(vec![1.0_f32; 48_000])?;
/// let reader = room.reader();
/// // The callback: wait-free, and the object stays as long as this is held.
/// let now = reader.read();
/// assert_eq!(now.len(), 48_000);
/// // Meanwhile, the control side again.
/// room.set(vec![0.5; 96_000]);
/// assert_eq!((now.len(), reader.read().len()), (48_000, 96_000));
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Publish<T: Send + Sync + 'static> {
    place: Arc<Swap<Published<T>>>,
    /// One writer at a time.
    writer: Mutex<()>,
    collected: Collected,
}

impl<T: Send + Sync + 'static> Publish<T> {
    /// Publishes a first object.
    ///
    /// # Errors
    /// The system's, if and only if the reaper's thread could not be started.
    pub fn new(value: T) -> io::Result<Self> {
        let collected = Collected::new()?;
        let place = Arc::new(Swap::new(Published::new(&collected, value)));
        Ok(Self { place, writer: Mutex::new(()), collected })
    }

    /// Publishes another object. The one before goes to the reaper when nobody holds it any more.
    ///
    /// Not for callbacks: it allocates, and waits for readers that are in the middle of [`Reader::read`], some ten
    /// instructions, and for other threads that publish.
    pub fn set(&self, value: T) {
        let value = Published::new(&self.collected, value);
        let _one = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: under the lock.
        drop(unsafe { self.place.replace(value, thread::yield_now) });
    }

    /// What is published now.
    #[must_use]
    pub fn read(&self) -> Published<T> {
        read(&self.place)
    }

    /// A reader for a callback.
    #[must_use]
    pub fn reader(&self) -> Reader<T> {
        Reader { place: Arc::clone(&self.place) }
    }
}

impl<T: Send + Sync + fmt::Debug> fmt::Debug for Publish<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Publish").field(&*self.read()).finish()
    }
}

/// Reads what is published. Made and dropped outside of callbacks: the last one frees the place.
pub struct Reader<T: Send + Sync + 'static> {
    place: Arc<Swap<Published<T>>>,
}

impl<T: Send + Sync + 'static> Reader<T> {
    /// What is published now, also when the [`Publish`] has gone.
    ///
    /// # Time complexity
    /// Constant and wait-free (on processors with single-instruction exchanges: x86-64, AArch64 with LSE).
    #[inline]
    #[must_use]
    pub fn read(&self) -> Published<T> {
        read(&self.place)
    }
}

#[inline]
fn read<T: Send + Sync + 'static>(place: &Swap<Published<T>>) -> Published<T> {
    let published = place.get();
    // SAFETY: the slot that counts is never empty: it is filled before it counts, and emptied when it no longer does.
    unsafe { published.unwrap_unchecked() }
}

impl<T: Send + Sync> Clone for Reader<T> {
    fn clone(&self) -> Self {
        Self { place: Arc::clone(&self.place) }
    }
}

impl<T: Send + Sync + fmt::Debug> fmt::Debug for Reader<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reader").field(&*self.read()).finish()
    }
}

/// An object that was published. To clone and to drop it is wait-free anywhere, and never destroys the object there: that is
/// the reaper's to do. Were the reaper's thread gone by then, the next one or [`ReapTask`](crate::ReapTask) does.
///
/// Invariant, unlike basedrop's `Shared`. There, this compiles, and its collector reads a string that is gone:
///
/// ```compile_fail
/// use detalloc_audio::Published;
/// fn shorten<'a>(published: Published<&'static str>) -> Published<&'a str> { published }
/// ```
///
/// ```
/// fn shorten<'a>(shared: basedrop::Shared<&'static str>) -> basedrop::Shared<&'a str> { shared }
/// ```
pub struct Published<T> {
    shared: basedrop::Shared<Quiet<T>>,
    invariant: PhantomData<fn(T) -> T>,
}

impl<T: Send + Sync + 'static> Published<T> {
    fn new(collected: &Collected, value: T) -> Self {
        let shared = basedrop::Shared::new(&collected.handle(), Quiet::new(value));
        Self { shared, invariant: PhantomData }
    }
}

impl<T> Clone for Published<T> {
    #[inline]
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone(), invariant: PhantomData }
    }
}

impl<T> Deref for Published<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.shared
    }
}

impl<T: fmt::Debug> fmt::Debug for Published<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
