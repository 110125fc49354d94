//! A part of a host's buffer.

/// Some frames of all channels of the host's buffer, inputs copied to where the outputs go.
///
/// No access to it panics: a channel that is not there is `None`, and one that is shorter than the host said, as no
/// framework should let through, is empty.
#[derive(Debug)]
pub struct Block<'block, 'buffer> {
    channels: &'block mut [&'buffer mut [f32]],
    start: usize,
    end: usize,
}

impl<'block, 'buffer> Block<'block, 'buffer> {
    #[inline]
    pub(super) fn new(channels: &'block mut [&'buffer mut [f32]], start: usize, end: usize) -> Self {
        Self { channels, start, end }
    }

    /// How many frames it has: at most as many as were announced, and possibly none.
    #[must_use]
    pub fn frames(&self) -> usize {
        self.end - self.start
    }

    /// How many frames of the host's buffer come before it: where it starts in side-chain buffers, and what to add to
    /// the timing of an event that goes to the host.
    #[must_use]
    pub fn start(&self) -> usize {
        self.start
    }

    /// How many channels it has.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.channels.len()
    }

    /// The samples of one channel.
    #[inline]
    pub fn channel(&mut self, index: usize) -> Option<&mut [f32]> {
        self.channels.get_mut(index)?.get_mut(self.start..self.end)
    }

    /// The first channels, so many as are wanted, together; `None` if there are fewer.
    ///
    /// # Time complexity
    /// Linear in their number.
    #[inline]
    pub fn first<const CHANNELS: usize>(&mut self) -> Option<[&mut [f32]; CHANNELS]> {
        if self.channels.len() < CHANNELS {
            return None;
        }
        let mut channels = self.iter_mut();
        Some(core::array::from_fn(|_| channels.next().unwrap_or_default()))
    }

    /// The samples of each channel in turn.
    #[inline]
    pub fn iter_mut(&mut self) -> impl ExactSizeIterator<Item = &mut [f32]> {
        let range = self.start..self.end;
        self.channels.iter_mut().map(move |channel| channel.get_mut(range.clone()).unwrap_or_default())
    }
}
