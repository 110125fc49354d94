//! Where grains take their sound from: the last seconds of the input, or a recording.
//!
//! Positions are counted in frames and never wrap: those of the live buffer are the engine's own clock, those of a
//! recording begin at [`LEAD`]. What lies outside is silence, so that reading can neither fail nor see another's memory.

use super::num::to_usize;
use detalloc_audio::prefault;

/// Frames that the live buffer remembers: 10.9 s at 48 kHz, 2.7 s at 192 kHz. A power of two.
pub const REMEMBERED: u64 = 1 << 19;

/// Silence before a recording, in frames: interpolation reaches one frame back.
pub(crate) const LEAD: u64 = 4;

/// The shortest recording, in frames. Shorter ones are followed by silence, so that a grain has room for its window.
const SHORTEST: usize = 64;

/// The channel that a grain takes: one, so that the stereo image survives at the price of mono.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Channel {
    Left,
    Right,
}

/// What grains are made of.
#[derive(Clone, Debug)]
pub enum Material {
    /// The live input.
    Live,
    /// A recording.
    Recording(Recording),
}

/// A recording in memory, at the engine's sample rate.
#[derive(Clone, Debug)]
pub struct Recording {
    left: Box<[f32]>,
    right: Box<[f32]>,
}

impl Recording {
    /// A recording of two channels; the shorter one is followed by silence.
    ///
    /// # Time complexity
    /// Linear. Not for real-time paths: it allocates, and touches every page.
    #[must_use]
    pub fn new(mut left: Vec<f32>, mut right: Vec<f32>) -> Self {
        let frames = left.len().max(right.len()).max(SHORTEST);
        left.resize(frames, 0.0);
        right.resize(frames, 0.0);
        super::num::sanitise(&mut left);
        super::num::sanitise(&mut right);
        let mut recording = Self { left: left.into_boxed_slice(), right: right.into_boxed_slice() };
        prefault(&mut recording.left);
        prefault(&mut recording.right);
        recording
    }

    /// The length, in frames.
    pub(crate) fn frames(&self) -> u64 {
        self.left.len() as u64
    }

    fn channel(&self, channel: Channel) -> &[f32] {
        match channel {
            Channel::Left => &self.left,
            Channel::Right => &self.right,
        }
    }
}

/// The last seconds of the input. Has no memory, and records nothing, until it is prepared.
#[derive(Debug)]
struct Live {
    left: Box<[f32]>,
    right: Box<[f32]>,
    /// The first frame since the last reset. What was before is silence, so that a reset need not clear anything.
    origin: u64,
    /// The frame that will be written next.
    head: u64,
}

impl Live {
    fn new(origin: u64) -> Self {
        Self { left: Box::default(), right: Box::default(), origin, head: origin }
    }

    fn prepare(&mut self) {
        for memory in [&mut self.left, &mut self.right] {
            if memory.is_empty() {
                *memory = vec![0.0; to_usize(REMEMBERED)].into_boxed_slice();
                prefault(memory);
            }
        }
    }

    fn write(&mut self, left: &[f32], right: &[f32]) {
        if self.left.is_empty() || self.right.is_empty() {
            return;
        }
        let at = to_usize(self.head & (REMEMBERED - 1));
        for (memory, input) in [(&mut self.left, left), (&mut self.right, right)] {
            let (before, after) = input.split_at(input.len().min(memory.len() - at));
            memory[at..at + before.len()].copy_from_slice(before);
            memory[..after.len()].copy_from_slice(after);
        }
        self.head += left.len() as u64;
    }

    fn read(&self, channel: Channel, from: u64, into: &mut [f32]) -> usize {
        let memory = match channel {
            Channel::Left => &self.left,
            Channel::Right => &self.right,
        };
        let there = to_usize(self.head.saturating_sub(from)).min(into.len()).min(memory.len());
        if there == 0 {
            return 0;
        }
        let into = &mut into[..there];
        let silent = to_usize(self.origin.saturating_sub(from)).min(there);
        let (silence, sound) = into.split_at_mut(silent);
        silence.fill(0.0);
        let at = to_usize((from + silent as u64) & (REMEMBERED - 1));
        let first = sound.len().min(memory.len() - at);
        let (before, after) = sound.split_at_mut(first);
        before.copy_from_slice(&memory[at..at + first]);
        after.copy_from_slice(&memory[..after.len()]);
        there
    }
}

/// Everything that can be read from. The live buffer always records, so that it has something to give when a recording
/// is taken away.
#[derive(Debug)]
pub(crate) struct Source {
    live: Live,
    /// In a box, so that it can be exchanged on the audio thread without anything being freed there.
    material: Box<Material>,
}

impl Source {
    /// The live input, from `origin` of the clock on, without memory.
    pub(crate) fn new(origin: u64) -> Self {
        Self { live: Live::new(origin), material: Box::new(Material::Live) }
    }

    /// Gets memory for the live input, if there is none yet. Not for real-time paths.
    pub(crate) fn prepare(&mut self) {
        self.live.prepare();
    }

    /// Forgets the input.
    pub(crate) fn reset(&mut self, origin: u64) {
        self.live.origin = origin;
        self.live.head = origin;
    }

    /// Takes other material, and gives the one before back.
    pub(crate) fn replace(&mut self, material: Box<Material>) -> Box<Material> {
        std::mem::replace(&mut self.material, material)
    }

    /// The recording that is played, if it is one.
    pub(crate) fn recording(&self) -> Option<&Recording> {
        match &*self.material {
            Material::Live => None,
            Material::Recording(recording) => Some(recording),
        }
    }

    /// Records input; both slices have the same length, at most [`REMEMBERED`].
    pub(crate) fn write(&mut self, left: &[f32], right: &[f32]) {
        self.live.write(left, right);
    }

    /// Copies what there is from position `from` on, and says how much that was: less than asked for only at the end of
    /// what has been recorded so far.
    ///
    /// # Time complexity
    /// Linear in the length of `into`.
    pub(crate) fn read(&self, channel: Channel, from: u64, into: &mut [f32]) -> usize {
        let Some(recording) = self.recording() else { return self.live.read(channel, from, into) };
        let samples = recording.channel(channel);
        let silent = to_usize(LEAD.saturating_sub(from)).min(into.len());
        let at = to_usize(from.saturating_sub(LEAD)).min(samples.len());
        let (silence, rest) = into.split_at_mut(silent);
        silence.fill(0.0);
        let sound = rest.len().min(samples.len() - at);
        rest[..sound].copy_from_slice(&samples[at..at + sound]);
        rest[sound..].fill(0.0);
        into.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: u64 = 1 << 24;

    /// A value that tells where it was written.
    fn mark(position: u64) -> f32 {
        super::super::num::to_f32(u32::try_from(position - ORIGIN).unwrap() + 1)
    }

    fn written(frames: u64) -> Source {
        let mut source = Source::new(ORIGIN);
        source.prepare();
        let mut position = ORIGIN;
        while position < ORIGIN + frames {
            let block: Vec<f32> = (position..(position + 61).min(ORIGIN + frames)).map(mark).collect();
            source.write(&block, &block.iter().map(|value| -value).collect::<Vec<_>>());
            position += block.len() as u64;
        }
        source
    }

    #[test]
    fn what_was_written_is_read_back_across_the_seam() {
        let source = written(REMEMBERED + 1_000);
        for from in [ORIGIN + 1_000, ORIGIN + REMEMBERED - 40, ORIGIN + REMEMBERED, ORIGIN + REMEMBERED + 936]
        {
            let mut into = [0.0; 64];
            assert_eq!(source.read(Channel::Left, from, &mut into), 64);
            assert!(into.iter().zip(from..).all(|(value, position)| *value == mark(position)), "{from}");
            assert_eq!(source.read(Channel::Right, from, &mut into), 64);
            assert!(into.iter().zip(from..).all(|(value, position)| *value == -mark(position)), "{from}");
        }
    }

    #[test]
    fn nothing_is_read_past_the_head_and_silence_before_the_origin() {
        let source = written(100);
        let mut into = [9.0; 64];
        assert_eq!(source.read(Channel::Left, ORIGIN + 70, &mut into), 30);
        assert_eq!(source.read(Channel::Left, ORIGIN + 100, &mut into), 0);
        assert_eq!(source.read(Channel::Left, ORIGIN - 10, &mut into), 64);
        assert!(into[..10].iter().all(|value| *value == 0.0) && into[10] == mark(ORIGIN));
        assert_eq!(source.read(Channel::Left, ORIGIN - 100, &mut into), 64);
        assert!(into.iter().all(|value| *value == 0.0));
    }

    #[test]
    fn a_reset_forgets_without_clearing() {
        let mut source = written(1_000);
        source.reset(ORIGIN + 2_000);
        source.write(&[5.0], &[5.0]);
        let mut into = [9.0; 3];
        assert_eq!(source.read(Channel::Left, ORIGIN + 1_999, &mut into), 2);
        assert_eq!(into[..2], [0.0, 5.0]);
        assert_eq!(source.read(Channel::Left, ORIGIN + 500, &mut into), 3);
        assert_eq!(into, [0.0; 3], "what was recorded there before");
    }

    #[test]
    fn without_memory_there_is_nothing_to_read() {
        let mut source = Source::new(ORIGIN);
        source.write(&[1.0; 64], &[1.0; 64]);
        assert_eq!(source.read(Channel::Left, ORIGIN, &mut [0.0; 8]), 0);
    }

    #[test]
    fn a_recording_lies_in_silence() {
        let mut source = Source::new(ORIGIN);
        source.replace(Box::new(Material::Recording(Recording::new(vec![1.0, 2.0], vec![3.0]))));
        let mut into = [9.0; 70];
        assert_eq!(source.read(Channel::Left, LEAD - 1, &mut into), 70);
        assert_eq!(into[..4], [0.0, 1.0, 2.0, 0.0]);
        assert!(into[4..].iter().all(|value| *value == 0.0));
        assert_eq!(source.read(Channel::Right, LEAD + 1_000, &mut into), 70);
        assert!(into.iter().all(|value| *value == 0.0));
    }
}
