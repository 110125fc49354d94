//! A string of fixed capacity.

use crate::{
    refused::{Refusal, Refused},
    vec::RtVec,
};
use core::{fmt, ops::Deref, str};

/// A string in a block of its own, made by [`Rt::string`](crate::Rt::string). It never grows, so that appending never
/// allocates; `write!` fails when it is full.
///
/// ```
/// use core::fmt::Write;
/// use detalloc_audio::{AudioBudget, RtHeap};
///
/// let mut heap = RtHeap::new();
/// heap.reconfigure(&AudioBudget::new(48_000.0, 64).slices::<u8>(16, 1))?;
/// let text = heap.enter(|rt| {
///     let mut text = rt.string(16)?;
///     // A number's way into text allocates nothing.
///     write!(text, "voice {}", 7).ok();
///     Ok::<_, detalloc_audio::Refusal>(text)
/// })?;
/// assert_eq!(&*text, "voice 7");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Default)]
pub struct RtString {
    /// Invariant: UTF-8.
    bytes: RtVec<u8>,
}

impl RtString {
    /// A string without room, for before the heap has memory.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: RtVec::new() }
    }

    /// An empty string with the room of these bytes, of which there are none.
    pub(crate) fn in_bytes(bytes: RtVec<u8>) -> Self {
        Self { bytes }
    }

    /// How many bytes there is room for.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Appends a character.
    ///
    /// # Errors
    /// It comes back with [`Refusal::Full`] if and only if there is no room for all of it. Nothing has changed.
    ///
    /// # Time complexity
    /// Constant.
    pub fn try_push(&mut self, character: char) -> Result<(), Refused<char>> {
        self.try_push_str(character.encode_utf8(&mut [0; 4]))
            .map_err(|refusal| Refused { value: character, refusal })
    }

    /// Appends a text.
    ///
    /// # Errors
    /// [`Refusal::Full`] if and only if there is no room for all of it. Nothing has changed.
    ///
    /// # Time complexity
    /// Linear in the length of the text.
    pub fn try_push_str(&mut self, text: &str) -> Result<(), Refusal> {
        self.bytes.try_extend_from_slice(text.as_bytes())
    }

    /// Removes all of it; the room stays.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }
}

impl Deref for RtString {
    type Target = str;

    #[inline]
    fn deref(&self) -> &str {
        // SAFETY: only whole texts and characters are appended.
        unsafe { str::from_utf8_unchecked(&self.bytes) }
    }
}

impl fmt::Write for RtString {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.try_push_str(text).map_err(|_| fmt::Error)
    }
}

impl fmt::Debug for RtString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl fmt::Display for RtString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
