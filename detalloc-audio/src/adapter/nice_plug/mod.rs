//! A heap in a nice-plug plugin: one field, one line in `activate`, one in `process`.
//!
//! The plugin gets its audio in blocks of at most as many frames as the host announced, each inside
//! [`RtHeap::enter`], with the events that belong to it. What the host sends beyond that is cut; an empty block arrives
//! as one, so that its events do. The framework's own denormal flushing and process wrapper stay as they are.
//!
//! ```
//! use detalloc_audio::{RtBox, adapter::nice_plug::NiceHeap};
//! use nice_plug_core::{audio_setup::*, buffer::Buffer, context::{activate::*, process::*}, midi::*};
//! # use nice_plug_core::{params::Params, plugin::*, util::*};
//! # use std::sync::Arc;
//!
//! struct Voice { key: u8, phase: f32 }
//!
//! #[derive(Default)]
//! struct Synth { memory: NiceHeap, voices: [Option<RtBox<Voice>>; 16] }
//!
//! impl Plugin for Synth {
//! #   const NAME: &'static str = "Synth"; const VENDOR: &'static str = ""; const URL: &'static str = "";
//! #   const EMAIL: &'static str = ""; const VERSION: &'static str = "1";
//! #   const AUDIO_IO_LAYOUTS: &'static [AudioIOLayout] = &[];
//! #   type Editor = (); type SysExMessage = (); type BackgroundTask = ();
//! #   fn params(&self) -> Arc<dyn Params> { unimplemented!() }
//!     fn activate(
//!         &mut self, _: &AudioIOLayout, config: &BufferConfig, _: &mut impl ActivateContext<Self>,
//!     ) -> bool {
//!         self.memory.activate(config, |budget| budget.objects::<Voice>(16)).is_ok()
//!     }
//!
//!     fn process(
//!         &mut self, buffer: &mut Buffer<'_>, _: &mut AuxiliaryBuffers<'_>, context: &mut impl ProcessContext<Self>,
//!     ) -> ProcessStatus {
//!         self.memory.process(buffer, context, |rt, block, events| {
//!             for event in events {
//!                 if let NoteEvent::NoteOn { key, .. } = event {
//!                     if let Some(free) = self.voices.iter_mut().find(|voice| voice.is_none()) {
//!                         *free = rt.boxed(Voice { key: key.number_or_middle_c(), phase: 0.0 }).ok();
//!                     }
//!                 }
//!             }
//!             let Some([left, right]) = block.first() else { return ProcessStatus::Error("not stereo") };
//!             for (left, right) in left.iter_mut().zip(right) {
//!                 for voice in self.voices.iter_mut().flatten() {
//!                     voice.phase = (voice.phase + f32::from(voice.key) / 1000.0).fract();
//!                     *left += voice.phase;
//!                     *right += voice.phase;
//!                 }
//!             }
//!             ProcessStatus::Normal
//!         })
//!     }
//! }
//! ```

mod block;
mod events;

pub use block::Block;
pub use events::Events;

use crate::{AudioBudget, BudgetError, Rt, RtHeap};
use core::num::NonZero;
use nice_plug_core::{
    audio_setup::BufferConfig,
    buffer::Buffer,
    context::process::ProcessContext,
    plugin::{Plugin, ProcessStatus},
};

/// The memory of one plugin instance, and how many frames the host announced.
#[derive(Debug, Default)]
pub struct NiceHeap {
    heap: RtHeap,
    /// `None`: nothing has been announced yet.
    max_frames: Option<NonZero<usize>>,
}

impl NiceHeap {
    /// A heap without memory: everything that is asked of it is refused.
    #[must_use]
    pub const fn new() -> Self {
        Self { heap: RtHeap::new(), max_frames: None }
    }

    /// A heap without a reaper of its own, as [`RtHeap::reaped_by_task`]: for a plugin whose background task runs
    /// [`ReapTask`](crate::ReapTask).
    ///
    /// ```text
    /// type BackgroundTask = ReapTask;
    /// fn task_executor(&mut self) -> TaskExecutor<Self> { Box::new(ReapTask::run) }
    /// ```
    ///
    /// An editor or a timer hands the task to `execute_background`. `process` can, but in nice-plug 0.4.2 that wakes a
    /// thread by a system call, and may allocate when a thread does it for the first time.
    #[must_use]
    pub const fn reaped_by_task() -> Self {
        Self { heap: RtHeap::reaped_by_task(), max_frames: None }
    }

    /// The line in `activate`: completes the budget for the host's sample rate and block size, and gets its memory. Does
    /// nothing where nothing has changed. A host that announces blocks of no frames gets blocks of one.
    ///
    /// # Errors
    /// [`BudgetError`], as of [`RtHeap::reconfigure`]: the heap then stays as it was.
    ///
    /// # Time complexity
    /// As [`RtHeap::reconfigure`]. Not for real-time paths.
    pub fn activate(
        &mut self,
        config: &BufferConfig,
        budget: impl FnOnce(AudioBudget) -> AudioBudget,
    ) -> Result<(), BudgetError> {
        let max_frames = config.max_buffer_size.max(1);
        self.heap.reconfigure(&budget(AudioBudget::new(f64::from(config.sample_rate), max_frames)))?;
        self.max_frames = usize::try_from(max_frames).ok().and_then(NonZero::new);
        Ok(())
    }

    /// The line in `process`: runs the callback inside [`RtHeap::enter`] for each block, and once if there is an empty
    /// one. What it says of the last block goes to the host; an error ends the call at once.
    ///
    /// Events that the callback leaves untaken come first in the next block of the same call, at its start, and are gone
    /// after the last: the framework keeps none either.
    ///
    /// # Time complexity
    /// The callback's, and a constant for each block.
    pub fn process<P: Plugin, C: ProcessContext<P>>(
        &mut self,
        buffer: &mut Buffer<'_>,
        context: &mut C,
        mut callback: impl FnMut(&Rt<'_>, &mut Block<'_, '_>, &mut Events<'_, P, C>) -> ProcessStatus,
    ) -> ProcessStatus {
        let frames = buffer.samples();
        let step = self.max_frames.map_or(usize::MAX, NonZero::get);
        let mut events = Events::new(context);
        let mut start = 0_usize;
        loop {
            let end = start.saturating_add(step).min(frames);
            events.narrow(start, end, end == frames);
            let mut block = Block::new(buffer.as_slice(), start, end);
            let callback = |rt: &Rt<'_>| callback(rt, &mut block, &mut events);
            let status = match u32::try_from(end - start).unwrap_or(u32::MAX) {
                // An empty block has no deadline.
                0 => self.heap.enter(callback),
                frames => self.heap.enter_for(frames, callback),
            };
            if end == frames || matches!(status, ProcessStatus::Error(_)) {
                return status;
            }
            start = end;
        }
    }

    /// The heap itself, to read its meter.
    #[must_use]
    pub fn heap(&self) -> &RtHeap {
        &self.heap
    }

    /// The heap itself, for callbacks without audio.
    #[must_use]
    pub fn heap_mut(&mut self) -> &mut RtHeap {
        &mut self.heap
    }
}
