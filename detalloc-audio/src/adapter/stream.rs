//! A heap around the callback of a stream.

use super::samples::Samples;
use crate::{Rt, RtHeap};
use core::{
    fmt,
    num::NonZero,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

/// Puts a heap around the callback of a stream.
///
/// - The closure runs inside [`RtHeap::enter`], once for every chunk of the buffer ([`Guarded::in_chunks`]), and never
///   with an empty one.
/// - A panic in it does not reach the stream's library, which might end the stream without a word: the buffer is
///   silenced, the closure not called again, and [`Watch::panicked`] says so. That needs the unwinding of panics, which
///   is cargo's default. In a debug build under [`AllocDisabler`](crate::AllocDisabler) a panic with a message aborts,
///   as it uses the system heap.
///
/// The two ends of a duplex stream are two callbacks, and have a heap each.
///
/// ```
/// use detalloc_audio::{AudioBudget, RtHeap, adapter::guarded};
///
/// let mut heap = RtHeap::new();
/// heap.reconfigure(&AudioBudget::new(48_000.0, 64).audio_buffers(1))?;
///
/// let stream = guarded(heap).in_chunks(2, 64);
/// let watch = stream.watch();
/// // As for `build_output_stream` of cpal, whose second argument would be an `&OutputCallbackInfo`.
/// let mut callback = stream.output(|rt, buffer: &mut [f32], _info: &()| {
///     let Ok(mut mono) = rt.vec::<f32>(64) else { return };
///     for frame in buffer.chunks_mut(2) {
///         frame.fill(0.25);
///         let _ = mono.try_push(0.25);
///     }
/// });
///
/// let mut buffer = [0.0; 2 * 100];
/// callback(&mut buffer, &());
/// assert_eq!(buffer, [0.25; 200]);
/// assert_eq!((watch.callbacks(), watch.chunks(), watch.panicked()), (1, 2, false));
/// # Ok::<(), detalloc_audio::BudgetError>(())
/// ```
#[must_use]
pub fn guarded(heap: RtHeap) -> Guarded {
    Guarded { heap, channels: None, chunk: NonZero::<usize>::MAX, counts: Arc::default() }
}

/// A heap that waits for its callback: see [`guarded`].
#[derive(Debug)]
pub struct Guarded {
    heap: RtHeap,
    /// `None`: nobody said.
    channels: Option<NonZero<usize>>,
    /// In samples of all channels together.
    chunk: NonZero<usize>,
    counts: Arc<Counts>,
}

impl Guarded {
    /// Gives the closure at most `max_frames` frames of so many channels at a time, as was announced to the budget, and
    /// holds each chunk to the deadline of its frames. All chunks of a buffer come with the same word about it; the last
    /// may be shorter. With no channels or no frames, and where nobody asked, the buffer stays whole.
    #[must_use]
    pub fn in_chunks(mut self, channels: usize, max_frames: usize) -> Self {
        self.channels = NonZero::new(channels);
        self.chunk = NonZero::new(channels.saturating_mul(max_frames)).unwrap_or(NonZero::<usize>::MAX);
        self
    }

    /// Sees from any thread how the callback fares.
    #[must_use]
    pub fn watch(&self) -> Watch {
        Watch { counts: Arc::clone(&self.counts) }
    }

    /// The callback of an output stream. The closure gets the buffer as it comes: cpal makes it silent before.
    ///
    /// # Time complexity
    /// The closure's, and a constant for the callback and for each chunk; after a panic, linear in the buffer.
    pub fn output<B: Samples + ?Sized, I: ?Sized>(
        mut self,
        mut callback: impl FnMut(&Rt<'_>, &mut B, &I),
    ) -> impl FnMut(&mut B, &I) {
        move |buffer, info| {
            let (heap, channels) = (&mut self.heap, self.channels);
            let counts = &*self.counts;
            let whole = counts.run(|| {
                buffer.chunks_mut(self.chunk, |chunk| {
                    counts.chunk();
                    enter(heap, channels, chunk.count(), |rt| callback(rt, chunk, info));
                });
            });
            if !whole {
                buffer.silence();
            }
        }
    }

    /// The callback of an input stream. After a panic, what comes in is thrown away.
    ///
    /// # Time complexity
    /// The closure's, and a constant for the callback and for each chunk.
    pub fn input<B: Samples + ?Sized, I: ?Sized>(
        mut self,
        mut callback: impl FnMut(&Rt<'_>, &B, &I),
    ) -> impl FnMut(&B, &I) {
        move |buffer, info| {
            let (heap, channels) = (&mut self.heap, self.channels);
            let counts = &*self.counts;
            counts.run(|| {
                buffer.chunks(self.chunk, |chunk| {
                    counts.chunk();
                    enter(heap, channels, chunk.count(), |rt| callback(rt, chunk, info));
                });
            });
        }
    }
}

/// Enters for a chunk of so many samples.
#[inline]
fn enter(
    heap: &mut RtHeap,
    channels: Option<NonZero<usize>>,
    samples: usize,
    callback: impl FnOnce(&Rt<'_>),
) {
    match channels.map(|channels| u32::try_from(samples / channels).unwrap_or(u32::MAX)) {
        // Less than a frame has no deadline.
        None | Some(0) => heap.enter(callback),
        Some(frames) => heap.enter_for(frames, callback),
    }
}

/// Written by the callback alone. Relaxed: none of them says anything about another.
#[derive(Debug, Default)]
struct Counts {
    callbacks: AtomicUsize,
    chunks: AtomicUsize,
    panicked: AtomicBool,
}

impl Counts {
    /// Runs one callback, unless one has panicked before. `false`: this one or an earlier one has.
    #[inline]
    fn run(&self, callback: impl FnOnce()) -> bool {
        self.callbacks.fetch_add(1, Ordering::Relaxed);
        if self.panicked.load(Ordering::Relaxed) {
            return false;
        }
        // Nothing of the closure's is used again after a panic.
        let Err(payload) = catch_unwind(AssertUnwindSafe(callback)) else { return true };
        // Its destructor may do anything, and this is still the audio thread. It comes once in a stream's life.
        core::mem::forget(payload);
        // Relaxed: nothing of the closure's is handed over with it.
        self.panicked.store(true, Ordering::Relaxed);
        false
    }

    #[inline]
    fn chunk(&self) {
        self.chunks.fetch_add(1, Ordering::Relaxed);
    }
}

/// Sees from any thread how a guarded callback fares. Reading it costs the callback nothing.
#[derive(Clone)]
pub struct Watch {
    counts: Arc<Counts>,
}

impl Watch {
    /// How often the stream has called, counting those calls that came after a panic. Wraps around.
    #[must_use]
    pub fn callbacks(&self) -> usize {
        self.counts.callbacks.load(Ordering::Relaxed)
    }

    /// How many chunks the closure has got. Wraps around.
    #[must_use]
    pub fn chunks(&self) -> usize {
        self.counts.chunks.load(Ordering::Relaxed)
    }

    /// Whether the closure has panicked, and the stream is silent since.
    #[must_use]
    pub fn panicked(&self) -> bool {
        self.counts.panicked.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.counts.fmt(f)
    }
}
