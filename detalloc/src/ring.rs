//! A ring: memory through which one thread hands messages of any length to another, in order and without copying.
//!
//! Both ends are wait-free: constant time, plain loads and stores on every target, whatever the other end does. The
//! producer fills a *grant*, which is contiguous and aligned to 16 bytes, and commits it; the consumer reads the same
//! bytes and gives them back. For notes to a callback, meters and snapshots from it. A message takes at most half of the
//! ring, because it stays in one piece wherever the ring stands.
//!
//! Invariants:
//! - **(R1)** The region begins with the positions and continues with `capacity` bytes, initialised, for `'r`.
//! - **(R2)** From `tail` to `head`, less what is left over at the end, only the producer touches the bytes; from `head` to
//!   `tail` only the consumer ([`protocol`]).

mod protocol;

/// By this name, so that the model can put loom's in place.
mod sync {
    pub(crate) use crate::sync::{AtomicUsize, Ordering};
}

use crate::{error::InitError, line};
use core::{
    error, fmt,
    marker::PhantomData,
    mem::MaybeUninit,
    ops::{Deref, DerefMut},
    ptr::{self, NonNull},
    slice,
};
use protocol::{GRANULE_BYTES, Message, NoPlace, Place, Positions, Reader, Writer, frame_bytes};

/// Alignment of the region that a ring is set up in, in bytes.
const ALIGN_BYTES: usize = align_of::<Positions>();

/// How large a region has to be, wherever it starts, for a ring in which `count` messages of at most `len_bytes` each
/// always find a place, if at most so many are there at once, in bytes.
///
/// ```compile_fail,E0080
/// const TOO_MANY: usize = detalloc::ring_bytes_needed(usize::MAX, 1);
/// let _region = [0_u8; TOO_MANY];
/// ```
///
/// # Panics
/// When that exceeds the address space; in a constant, where it belongs, that is a compile error.
#[must_use]
pub const fn ring_bytes_needed(count: usize, len_bytes: usize) -> usize {
    match checked_ring_bytes_needed(count, len_bytes) {
        Some(bytes) => bytes,
        None => panic!("the messages exceed the address space"),
    }
}

/// As [`ring_bytes_needed`], for numbers that are known only when the program runs: nothing where that exceeds the address
/// space.
#[must_use]
pub const fn checked_ring_bytes_needed(count: usize, len_bytes: usize) -> Option<usize> {
    let Some(frame) = frame_bytes(len_bytes) else { return None };
    // One more for what is left over at the end, and the granule that is never filled.
    let messages = match count.checked_add(1) {
        Some(count) => count.checked_mul(frame),
        None => None,
    };
    let fixed = size_of::<Positions>() + ALIGN_BYTES - 1 + GRANULE_BYTES;
    match messages {
        Some(messages) if messages <= isize::MAX as usize - fixed => Some(messages + fixed),
        _ => None,
    }
}

/// Sets up a ring in a region, every byte of which is written, and gives its two ends.
///
/// ```
/// use core::mem::MaybeUninit;
/// use detalloc::{ring, ring_bytes_needed};
///
/// let mut region = [MaybeUninit::uninit(); ring_bytes_needed(8, 64)];
/// let (mut producer, mut consumer) = ring(&mut region)?;
/// std::thread::scope(|scope| {
///     scope.spawn(move || {
///         let mut grant = producer.grant(64)?;
///         grant[..5].copy_from_slice(b"hello");
///         grant.commit(5);
///         Ok::<(), detalloc::RingError>(())
///     });
/// });
/// assert_eq!(&*consumer.read().expect("one message"), b"hello");
/// assert!(consumer.read().is_none());
/// # Ok::<(), detalloc::InitError>(())
/// ```
///
/// # Errors
/// [`InitError::TooSmall`] if and only if the region has no room for a message of no bytes.
///
/// # Time complexity
/// Linear in the size of the region. Not for real-time paths.
pub fn ring(region: &mut [MaybeUninit<u8>]) -> Result<(RingProducer<'_>, RingConsumer<'_>), InitError> {
    let slack = region.as_ptr().addr().wrapping_neg() & (ALIGN_BYTES - 1);
    let given = region.len();
    let needed = slack + size_of::<Positions>() + 2 * GRANULE_BYTES;
    if given < needed {
        return Err(InitError::TooSmall { needed, given });
    }
    let region = &mut region[slack..];
    let capacity = (region.len() - size_of::<Positions>()) / GRANULE_BYTES * GRANULE_BYTES;
    region.fill(MaybeUninit::new(0));
    let positions = NonNull::from(region).cast::<Positions>();
    // SAFETY: the region is that large and aligned, and nobody else has it.
    let (positions, bytes) = unsafe {
        positions.write(Positions::default());
        (positions.as_ref(), positions.add(1).cast())
    };
    let memory = Memory { positions, bytes, capacity, region: PhantomData };
    Ok((
        RingProducer { memory, writer: Writer::default() },
        RingConsumer { memory, reader: Reader::default() },
    ))
}

/// The region of a ring.
#[derive(Clone, Copy)]
struct Memory<'r> {
    positions: &'r Positions,
    bytes: NonNull<u8>,
    capacity: usize,
    region: PhantomData<&'r [u8]>,
}

impl Memory<'_> {
    /// Where a message of this length goes.
    #[inline]
    fn place(&self, writer: &mut Writer, len_bytes: usize) -> Result<Place, RingError> {
        let Self { capacity, positions, .. } = *self;
        // Wherever an empty ring stands, half of it is free in one piece: so what is refused now fits later.
        let most = capacity / GRANULE_BYTES / 2 * GRANULE_BYTES;
        if frame_bytes(len_bytes).is_none_or(|needed| needed > most) {
            return Err(RingError::TooLong { most_bytes: most - GRANULE_BYTES });
        }
        let full = |no: NoPlace| RingError::Full { free_bytes: no.free.saturating_sub(GRANULE_BYTES) };
        writer.place(positions, capacity, len_bytes).map_err(full)
    }

    /// # Safety
    /// A header at `at`, which is the caller's to read (R2).
    unsafe fn header(&self, at: usize) -> usize {
        // SAFETY: (R1) headers lie at granules within the capacity, aligned enough for a word.
        unsafe { self.bytes.add(at).cast::<usize>().read() }
    }
}

/// The end of a ring that writes.
pub struct RingProducer<'r> {
    memory: Memory<'r>,
    writer: Writer,
}

// SAFETY: (R2) the producer touches only its own bytes; the positions are atomics.
unsafe impl Send for RingProducer<'_> {}

impl RingProducer<'_> {
    /// A place for a message of at most `len_bytes`: contiguous, aligned to 16 bytes, and holding whatever was there. Nothing
    /// is taken until it is committed.
    ///
    /// # Errors
    /// [`RingError::Full`] if and only if there is no such place now, [`RingError::TooLong`] if and only if there never is.
    ///
    /// # Time complexity
    /// Constant.
    #[inline]
    pub fn grant(&mut self, len_bytes: usize) -> Result<Grant<'_>, RingError> {
        let place = self.memory.place(&mut self.writer, len_bytes)?;
        Ok(Grant { memory: self.memory, writer: &mut self.writer, place, len: len_bytes })
    }
}

/// Bytes to write a message to. Dropped, it never was.
///
/// There is one at a time:
/// ```compile_fail
/// # let mut region = [core::mem::MaybeUninit::uninit(); 1000];
/// # let (mut producer, _consumer) = detalloc::ring(&mut region).unwrap();
/// let one = producer.grant(4).unwrap();
/// let other = producer.grant(4).unwrap();
/// one.commit(4);
/// ```
pub struct Grant<'p> {
    memory: Memory<'p>,
    writer: &'p mut Writer,
    place: Place,
    len: usize,
}

// SAFETY: as for the producer, which it borrows.
unsafe impl Send for Grant<'_> {}

impl Grant<'_> {
    /// Another place instead of this one, for a message of at most `len_bytes`.
    ///
    /// # Errors
    /// As [`RingProducer::grant`]; the grant comes back, with what was written to it.
    ///
    /// # Time complexity
    /// Constant.
    #[inline]
    pub fn replaced(mut self, len_bytes: usize) -> Result<Self, (Self, RingError)> {
        match self.memory.place(self.writer, len_bytes) {
            Ok(place) => {
                (self.place, self.len) = (place, len_bytes);
                Ok(self)
            }
            Err(error) => Err((self, error)),
        }
    }

    /// Where its bytes are.
    #[inline]
    fn start(&self) -> NonNull<u8> {
        // SAFETY: (R1, R2) the place lies in the ring and is the producer's.
        unsafe { self.memory.bytes.add(self.place.header + GRANULE_BYTES) }
    }

    /// Publishes the first `len_bytes`, all of them where there are fewer.
    ///
    /// # Time complexity
    /// Constant.
    #[inline]
    pub fn commit(self, len_bytes: usize) {
        let Self { memory, writer, place, len, .. } = self;
        writer.publish(memory.positions, memory.capacity, place, len_bytes.min(len), |at, header| {
            // SAFETY: (R1, R2) headers lie at granules within the capacity, aligned, and are the producer's until published.
            unsafe { memory.bytes.add(at).cast::<usize>().write(header) };
        });
    }
}

impl Deref for Grant<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: (R1, R2) initialised bytes that are the producer's as long as the grant borrows it.
        unsafe { slice::from_raw_parts(self.start().as_ptr(), self.len) }
    }
}

impl DerefMut for Grant<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above.
        unsafe { slice::from_raw_parts_mut(self.start().as_ptr(), self.len) }
    }
}

/// The end of a ring that reads.
pub struct RingConsumer<'r> {
    memory: Memory<'r>,
    reader: Reader,
}

// SAFETY: (R2) the consumer touches only its own bytes; the positions are atomics.
unsafe impl Send for RingConsumer<'_> {}

impl RingConsumer<'_> {
    /// The oldest message, if there is one. Dropping it gives its place back to the producer.
    ///
    /// # Time complexity
    /// Constant.
    #[inline]
    pub fn read(&mut self) -> Option<Received<'_>> {
        let memory = self.memory;
        // SAFETY: (R2) the reader asks for headers between head and tail.
        let message = self.reader.next(memory.positions, |at| unsafe { memory.header(at) })?;
        Some(Received { memory, reader: &mut self.reader, message })
    }
}

/// A message.
///
/// Its bytes cannot be kept beyond it:
/// ```compile_fail
/// # let mut region = [core::mem::MaybeUninit::uninit(); 1000];
/// # let (_producer, mut consumer) = detalloc::ring(&mut region).unwrap();
/// let message = consumer.read().unwrap();
/// let bytes: &[u8] = &message;
/// drop(message);
/// println!("{bytes:?}");
/// ```
pub struct Received<'c> {
    memory: Memory<'c>,
    reader: &'c mut Reader,
    message: Message,
}

// SAFETY: as for the consumer, which it borrows.
unsafe impl Send for Received<'_> {}

impl Deref for Received<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: (R1, R2) the producer has initialised the message, which is the consumer's until it is released.
        unsafe {
            slice::from_raw_parts(self.memory.bytes.add(self.message.payload).as_ptr(), self.message.len)
        }
    }
}

impl DerefMut for Received<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above.
        unsafe {
            slice::from_raw_parts_mut(self.memory.bytes.add(self.message.payload).as_ptr(), self.message.len)
        }
    }
}

impl Drop for Received<'_> {
    #[inline]
    fn drop(&mut self) {
        self.reader.release(self.memory.positions, self.memory.capacity, self.message);
    }
}

macro_rules! debug {
    ($($end:ident),+) => {$(
        impl fmt::Debug for $end<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let at = ptr::from_ref(self.memory.positions);
                f.debug_struct(stringify!($end)).field("ring", &at).finish_non_exhaustive()
            }
        }
    )+};
}

debug!(RingProducer, RingConsumer, Grant, Received);

/// Why there is no place for a message. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RingError {
    /// Not now: the consumer has to read first.
    Full {
        /// The longest message that has a place now, in bytes; 0 also where not even an empty one has.
        free_bytes: usize,
    },
    /// Never: it exceeds half the ring.
    TooLong {
        /// The longest message, in bytes.
        most_bytes: usize,
    },
}

impl fmt::Display for RingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full { free_bytes } => {
                write!(f, "the ring has place for {free_bytes} bytes until its consumer reads")
            }
            Self::TooLong { most_bytes } => {
                write!(f, "the ring holds no message of more than {most_bytes} bytes")
            }
        }
    }
}

impl error::Error for RingError {}
