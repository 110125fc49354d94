//! The instrument without a host: input, notes and controls go in, sound comes out.
//!
//! - **Nothing is allocated while it plays**, but in its own pools; all memory is there after [`Engine::prepare`].
//! - **The same input gives the same samples, bit for bit**, whatever the sizes of the blocks it comes in: time is
//!   counted from the last reset, chance has a fixed seed, and whatever could depend on a block's borders happens at the
//!   borders of cells of [`CELL`] frames instead.
//! - **Only finite, normal numbers leave it**, whatever comes in; silence is exact.
//! - **A note-off always arrives**: notes take a fixed table, not the pools.
//!
//! It does not read files and knows no plugin format.
#![forbid(unsafe_code)]

mod cloud;
mod controls;
mod core;
mod grain;
mod kernel;
mod limits;
mod num;
mod rng;
mod source;
mod spawn;
mod telemetry;
mod voice;
mod window;

pub use self::{
    controls::Controls,
    limits::{CELL, FADE, GRAINS, VOICES},
    source::{Material, REMEMBERED, Recording},
    telemetry::{Counts, Telemetry},
};

use self::core::Core;
use detalloc_audio::{BudgetError, Meter, Refusal, RtHeap};
use std::sync::Arc;

/// What a player does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Note {
    /// Presses a key. A velocity of 0 releases it.
    On {
        /// 0 to 15.
        channel: u8,
        /// 0 to 127; 60 plays the source as it is.
        key: u8,
        /// 0 to 1.
        velocity: f32,
        /// What the host calls this note, if it does.
        id: Option<i32>,
    },
    /// Releases keys: they spawn no more, and their grains play to their end.
    Off(Which),
    /// Releases keys, and lets their grains fade at once.
    Choke(Which),
}

/// Which keys are released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Which {
    /// `None`: on all channels.
    pub channel: Option<u8>,
    /// `None`: all keys.
    pub key: Option<u8>,
    /// What the host calls the note, if it does. If one of those keys is held under that name, only that one is meant.
    pub id: Option<i32>,
}

/// When a player does it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TimedNote {
    /// Frames since the beginning of the block. What lies past its end happens at its end, and what lies before the
    /// event before it happens with that.
    pub offset: u32,
    /// What happens.
    pub note: Note,
}

/// Why an engine cannot be prepared.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The pools cannot be had.
    #[error("no memory for grains: {0}")]
    Budget(#[from] BudgetError),
    /// The pools have no room for the list of grains.
    #[error("no memory for the list of grains: {0}")]
    Places(Refusal),
}

/// A granular instrument and effect.
#[derive(Debug)]
pub struct Engine {
    heap: RtHeap,
    core: Core,
    telemetry: Arc<Telemetry>,
}

impl Engine {
    /// An engine without memory for grains: [`Engine::prepare`] it before it plays.
    #[must_use]
    pub fn new() -> Self {
        Self { heap: RtHeap::new(), core: Core::new(), telemetry: Arc::default() }
    }

    /// Gets all memory, for a sample rate in Hz and the largest block that was announced, in frames, and begins from
    /// silence. May be called again and again: memory that is there is kept.
    ///
    /// # Errors
    /// [`PrepareError`] if and only if the rate or the size are absurd or the system has no memory.
    ///
    /// # Time complexity
    /// Linear in the memory that is new. Not for real-time paths.
    pub fn prepare(&mut self, rate_hz: f64, max_frames: u32) -> Result<(), PrepareError> {
        self.heap.reconfigure(&limits::budget(rate_hz, max_frames))?;
        let core = &mut self.core;
        core.allocate();
        self.heap.enter(|rt| core.prepare(rt, num::narrow(rate_hz))).map_err(PrepareError::Places)
    }

    /// Begins from silence: no grain, no key, nothing recorded, the same chance again. The recording stays.
    ///
    /// # Time complexity
    /// Linear in the number of grains. Real-time safe.
    pub fn reset(&mut self) {
        let core = &mut self.core;
        self.heap.enter(|_| core.reset());
        self.telemetry.publish(self.core.counts());
    }

    /// Plays other material from now on. Grains that are live are cut.
    ///
    /// Not for real-time paths: the material before is freed.
    pub fn load(&mut self, material: Box<Material>) {
        let core = &mut self.core;
        self.heap.enter(|_| core.reset());
        core.load(material);
    }

    /// Plays other material from now on. Grains that are live fade; the material before goes to the reaper.
    ///
    /// # Errors
    /// The new material comes back, and what was played before still is, if and only if the pools cannot take the old
    /// material on its way to the reaper. Try again later.
    ///
    /// # Time complexity
    /// Linear in the number of grains. Real-time safe.
    pub fn play_from(&mut self, material: Box<Material>) -> Result<(), Box<Material>> {
        let core = &mut self.core;
        self.heap.enter(|rt| core.play_from(rt, material))
    }

    /// Plays a block: `left` and `right` hold the input, and then the output. Of two lengths the shorter counts.
    ///
    /// # Time complexity
    /// Linear in frames times live grains, plus notes times grains for chokes, else notes times [`VOICES`]. Real-time
    /// safe.
    pub fn process(
        &mut self,
        notes: impl IntoIterator<Item = TimedNote>,
        controls: &Controls,
        left: &mut [f32],
        right: &mut [f32],
    ) {
        let core = &mut self.core;
        self.heap.enter(|rt| core.process(rt, notes.into_iter(), controls, left, right));
        self.telemetry.publish(self.core.counts());
    }

    /// How many keys are held.
    #[must_use]
    pub fn keys_held(&self) -> usize {
        self.core.keys_held()
    }

    /// What it has done, for any thread.
    #[must_use]
    pub fn telemetry(&self) -> Arc<Telemetry> {
        Arc::clone(&self.telemetry)
    }

    /// The counts of its pools, for any thread. `None` before [`Engine::prepare`].
    #[must_use]
    pub fn meter(&self) -> Option<Meter> {
        self.heap.meter()
    }
}

impl Default for Engine {
    fn default() -> Self {
        Self::new()
    }
}
