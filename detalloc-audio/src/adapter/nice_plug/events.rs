//! The events that belong to a block.

use core::fmt;
use nice_plug_core::{context::process::ProcessContext, midi::PluginNoteEvent, plugin::Plugin};

/// The events of one block, their timing counted from its start, in the host's order. An event behind the end of the
/// host's buffer comes on its last frame.
pub struct Events<'context, P: Plugin, C: ProcessContext<P>> {
    context: &'context mut C,
    /// Taken from the host, and for a later block.
    held: Option<PluginNoteEvent<P>>,
    /// In frames of the host's buffer, as `end`.
    start: u32,
    end: u32,
    last: bool,
}

impl<'context, P: Plugin, C: ProcessContext<P>> Events<'context, P, C> {
    #[inline]
    pub(super) fn new(context: &'context mut C) -> Self {
        Self { context, held: None, start: 0, end: 0, last: false }
    }

    /// From now on these frames; behind the last of them there are no more.
    #[inline]
    pub(super) fn narrow(&mut self, start: usize, end: usize, last: bool) {
        let frames = |frames| u32::try_from(frames).unwrap_or(u32::MAX);
        (self.start, self.end, self.last) = (frames(start), frames(end), last);
    }

    /// The framework's context, for the transport, for tasks, and for events to the host, whose timing wants
    /// [`Block::start`](super::Block::start) added. Events are to be taken from here instead: those that the context
    /// itself hands out keep the host's timing, and may belong to a later block.
    pub fn context(&mut self) -> &mut C {
        self.context
    }
}

impl<P: Plugin, C: ProcessContext<P>> Iterator for Events<'_, P, C> {
    type Item = PluginNoteEvent<P>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let mut event = self.held.take().or_else(|| self.context.next_event())?;
        let timing = event.timing();
        if timing >= self.end && !self.last {
            self.held = Some(event);
            return None;
        }
        let newest = self.end.saturating_sub(1).saturating_sub(self.start);
        let wanted = timing.saturating_sub(self.start).min(newest);
        event.subtract_timing(timing - wanted);
        Some(event)
    }
}

impl<P: Plugin, C: ProcessContext<P>> fmt::Debug for Events<'_, P, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events")
            .field("start", &self.start)
            .field("end", &self.end)
            .field("holds_one", &self.held.is_some())
            .finish()
    }
}
