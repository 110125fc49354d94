//! A value that is no pool's, on its way to the reaper: by value, in an entry of a lane, so that nothing is boxed for it.

use core::mem::MaybeUninit;

/// The largest value that travels by value, in words: a `Vec` has 3, a wide `Box` 2.
const WORDS: usize = 6;

type Payload = [MaybeUninit<usize>; WORDS];

/// Dropping it destroys the value.
pub(crate) struct Leaving {
    payload: Payload,
    destroy: unsafe fn(*mut Payload),
}

// SAFETY: made from values that are `Send` only.
unsafe impl Send for Leaving {}

impl Leaving {
    /// Values of this type travel by value, or this does not compile.
    pub(crate) const fn assert_fits<T>() {
        assert!(
            size_of::<T>() <= size_of::<Payload>() && align_of::<T>() <= align_of::<Payload>(),
            "the value is larger than 6 words or aligned more strictly: put it into a `Box` or an `Arc` where it is made"
        );
    }

    /// Takes a value over.
    pub(crate) fn new<T: Send + 'static>(value: T) -> Self {
        const { Self::assert_fits::<T>() }
        let mut payload = [MaybeUninit::uninit(); WORDS];
        // SAFETY: it fits, as just asserted.
        unsafe { payload.as_mut_ptr().cast::<T>().write(value) };
        /// # Safety
        /// The payload holds a `T`, which is not used afterwards.
        unsafe fn destroy<T>(payload: *mut Payload) {
            // SAFETY: the caller's promise.
            unsafe { payload.cast::<T>().drop_in_place() };
        }
        Self { payload, destroy: destroy::<T> }
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        // SAFETY: `new` put the value and its destructor together, and this is the only call.
        unsafe { (self.destroy)(&raw mut self.payload) };
    }
}
