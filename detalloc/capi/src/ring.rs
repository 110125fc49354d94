//! Rings: messages from one thread to another, in order and without copying.

use crate::{
    error::{
        det_error_t::{self, *},
        handle_or_null, noted,
    },
    sealed::{self, InBuffer, Sealed},
};
use core::{cell::UnsafeCell, ffi::c_void, ptr};
use detalloc::{Grant, Received, RingConsumer, RingError, RingProducer, ring};

/// A ring in a buffer of the caller's.
pub struct det_ring_t(
    #[expect(dead_code, reason = "only its address is used, as that of what lies behind the seal")]
    InBuffer<Ends>,
);

/// Each end is one thread's (C3). What is open of an end borrows it, and is dropped before the end is used again.
struct Ends {
    grant: UnsafeCell<Option<Grant<'static>>>,
    producer: UnsafeCell<RingProducer<'static>>,
    received: UnsafeCell<Option<Received<'static>>>,
    consumer: UnsafeCell<RingConsumer<'static>>,
}

impl Sealed for Ends {
    const MARK: usize = 0x0DE7_A219;
}

/// # Safety
/// (C1)
unsafe fn open<'a>(ring: *mut det_ring_t) -> Result<&'a Ends, det_error_t> {
    // SAFETY: the caller's promise.
    unsafe { sealed::open(ring.cast()) }
}

/// How many bytes a buffer needs, wherever it begins, for a ring in which `count` messages of at most `size` bytes each
/// always find a place; 0 if that exceeds the address space.
///
/// @param count How many messages.
/// @param size The bytes of the longest.
/// @return The bytes.
///
/// Time: constant. Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn det_ring_size(count: usize, size: usize) -> usize {
    let ring = detalloc::checked_ring_bytes_needed(count, size);
    ring.and_then(|ring| ring.checked_add(sealed::bytes_needed::<Ends>())).unwrap_or(0)
}

/// Sets up a ring in a buffer of any alignment, every byte of which is written.
///
/// @param buffer The memory.
/// @param size Its size in bytes.
/// @return The ring, inside the buffer, or NULL.
///
/// Errors: NULL, and as `det_last_error(NULL)` `DET_ERR_NULL`, `DET_ERR_INVALID_PARAM` for a size that no object has, or
/// `DET_ERR_BUFFER_TOO_SMALL`.
///
/// Time: linear in the size of the buffer. Threads: any, each with a buffer of its own.
///
/// # Safety
/// (C1), and the buffer is nobody else's until the ring is destroyed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn det_ring_init(buffer: *mut c_void, size: usize) -> *mut det_ring_t {
    // SAFETY: the caller's promise.
    handle_or_null(unsafe { init(buffer, size) })
}

/// # Safety
/// As [`det_ring_init`].
unsafe fn init(buffer: *mut c_void, size: usize) -> Result<*mut det_ring_t, det_error_t> {
    // SAFETY: the caller's promise.
    let (place, rest) = unsafe { sealed::lent(buffer, size) }?;
    let (producer, consumer) = ring(rest).map_err(|_| DET_ERR_BUFFER_TOO_SMALL)?;
    let ends = Ends {
        grant: UnsafeCell::new(None),
        producer: UnsafeCell::new(producer),
        received: UnsafeCell::new(None),
        consumer: UnsafeCell::new(consumer),
    };
    Ok(sealed::put(place, ends).cast())
}

/// A place for a message of at most `size` bytes, aligned to 16. Nothing is taken until `det_ring_commit`. Another grant takes
/// the place of this one, unless it is refused: then this one stays, with what was written to it.
///
/// @param ring The ring.
/// @param size The bytes of the message.
/// @return The place, or NULL.
///
/// Errors: NULL, and as `det_last_error(NULL)` `DET_ERR_NULL`, `DET_ERR_NOT_INITIALIZED`, `DET_ERR_FULL` when there is no
/// place now, or `DET_ERR_UNSUPPORTED_SIZE` when there never is.
///
/// Time: constant, wait-free. Threads: one, the producer.
///
/// # Safety
/// (C1)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn det_ring_grant(ring: *mut det_ring_t, size: usize) -> *mut c_void {
    // SAFETY: the caller's promise.
    let Ok(ends) = (unsafe { open(ring) }) else { return ptr::null_mut() };
    // SAFETY: (C3) the producer's.
    let held = unsafe { &mut *ends.grant.get() };
    let granted = match held.take() {
        Some(open) => open.replaced(size).map_err(|(open, error)| {
            *held = Some(open);
            error
        }),
        // SAFETY: (C3), and (C2) it does not move, so what it lends lasts; nothing of it is lent now.
        None => unsafe { &mut *ends.producer.get() }.grant(size),
    };
    match granted {
        Ok(grant) => (**held.insert(grant)).as_mut_ptr().cast(),
        Err(error) => {
            noted(match error {
                RingError::Full { .. } => DET_ERR_FULL,
                RingError::TooLong { .. } => DET_ERR_UNSUPPORTED_SIZE,
            });
            ptr::null_mut()
        }
    }
}

/// Publishes the first `size` bytes of the grant, all of them where there are fewer.
///
/// @param ring The ring.
/// @param size The bytes to publish.
/// @return DET_OK or the error.
///
/// Errors: `DET_ERR_NULL`, `DET_ERR_NOT_INITIALIZED`, and `DET_ERR_INVALID_PARAM` without a grant.
///
/// Time: constant, wait-free. Threads: one, the producer.
///
/// # Safety
/// (C1)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn det_ring_commit(ring: *mut det_ring_t, size: usize) -> det_error_t {
    // SAFETY: the caller's promise.
    let ends = match unsafe { open(ring) } {
        Ok(ends) => ends,
        Err(error) => return error,
    };
    // SAFETY: (C3) the producer's.
    match unsafe { &mut *ends.grant.get() }.take() {
        Some(grant) => grant.commit(size),
        None => return DET_ERR_INVALID_PARAM,
    }
    DET_OK
}

/// The next message and, unless `size` is NULL, how many bytes it has; NULL if there is none. It stays where it is until
/// `det_ring_release`; reading again before that gives the same message.
///
/// @param ring The ring.
/// @param size Where its length in bytes is written, or NULL.
/// @return The message, or NULL.
///
/// Errors, as `det_last_error(NULL)`: `DET_ERR_NULL`, `DET_ERR_NOT_INITIALIZED`.
///
/// Time: constant, wait-free. Threads: one, the consumer.
///
/// # Safety
/// (C1)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn det_ring_read(ring: *mut det_ring_t, size: *mut usize) -> *const c_void {
    // SAFETY: the caller's promise.
    let Ok(ends) = (unsafe { open(ring) }) else { return ptr::null() };
    // SAFETY: (C3) the consumer's.
    let held = unsafe { &mut *ends.received.get() };
    if held.is_none() {
        // SAFETY: (C3), and (C2) it does not move; nothing of it is lent now.
        *held = unsafe { &mut *ends.consumer.get() }.read();
    }
    let Some(message) = held.as_deref() else { return ptr::null() };
    if !size.is_null() {
        // SAFETY: (C1)
        unsafe { size.write(message.len()) };
    }
    message.as_ptr().cast()
}

/// Gives the message that was read back to the producer.
///
/// @param ring The ring.
/// @return DET_OK or the error.
///
/// Errors: `DET_ERR_NULL`, `DET_ERR_NOT_INITIALIZED`, and `DET_ERR_INVALID_PARAM` without a message.
///
/// Time: constant, wait-free. Threads: one, the consumer.
///
/// # Safety
/// (C1), and nobody uses the message any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn det_ring_release(ring: *mut det_ring_t) -> det_error_t {
    // SAFETY: the caller's promise.
    let ends = match unsafe { open(ring) } {
        Ok(ends) => ends,
        Err(error) => return error,
    };
    // SAFETY: (C3) the consumer's.
    if unsafe { &mut *ends.received.get() }.take().is_some() { DET_OK } else { DET_ERR_INVALID_PARAM }
}

/// Ends a ring: its buffer is the caller's again.
///
/// @param ring The ring.
/// @return DET_OK or the error.
///
/// Errors: `DET_ERR_NULL`, `DET_ERR_NOT_INITIALIZED`.
///
/// Time: constant. Threads: when neither end is used.
///
/// # Safety
/// (C1), and nobody uses a grant or a message.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn det_ring_destroy(ring: *mut det_ring_t) -> det_error_t {
    // SAFETY: the caller's promise.
    unsafe { sealed::end(ring.cast::<InBuffer<Ends>>()) }
}
