//! One grain: an object of its own in the pools, with its own window and its own slice of the source.
//!
//! The slice is a copy of the next samples the grain will need, refilled as it plays. So a grain reads contiguous memory
//! that nobody overwrites, whatever becomes of the live buffer. Everything about a frame follows from whole numbers (the
//! frame's own number, and a position in 2⁻²⁰ frames), and nothing is accumulated in floating point along a grain: that
//! is why its samples are the same however a host cuts time into blocks.

use super::{
    kernel::{Reading, mix},
    limits::{CELL, FADE},
    num::{small, to_f32, to_usize},
    source::{Channel, Source},
    voice::Key,
    window::Window,
};
use detalloc_audio::{RtBox, Tailed};

/// Binary places of a position's fraction: a slice of up to 2¹² samples then has 32-bit positions.
pub(crate) const FRACTION_BITS: u32 = 20;

/// A step of one frame of source a frame.
pub(crate) const UNITY: u32 = 1 << FRACTION_BITS;

/// Samples of output, left and right.
pub(crate) type Stereo = [[f32; CELL]; 2];

/// A grain in its block: head, then knots and slice.
pub(crate) type Grain = RtBox<Tailed<Head, [f32]>>;

/// The part of a grain that every grain has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    /// Where the source is read at the next frame, in 2⁻²⁰ frames.
    pub(crate) position: u64,
    /// The position of the slice's first sample, in frames.
    slice_from: u64,
    /// The frame of the engine's clock at which the grain begins.
    pub(crate) born: u64,
    /// The frame at which the grain begins to fade, because it is choked.
    pub(crate) choked: u64,
    /// What the position rises by, a frame.
    pub(crate) step: u32,
    /// Frames that have been played.
    age: u32,
    /// How many samples of the slice are filled.
    slice_filled: u32,
    /// Whose grain this is: a key's, or the density control's.
    pub(crate) key: Option<Key>,
    channel: Channel,
    window: Window,
    /// Gains to the left and to the right.
    gains: [f32; 2],
}

/// What a grain is made from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seed {
    pub(crate) position: u64,
    pub(crate) step: u32,
    pub(crate) born: u64,
    pub(crate) key: Option<Key>,
    pub(crate) channel: Channel,
    pub(crate) window: Window,
    pub(crate) gains: [f32; 2],
}

impl Head {
    pub(crate) fn new(seed: &Seed) -> Self {
        Self {
            position: seed.position,
            slice_from: 0,
            born: seed.born,
            choked: u64::MAX,
            step: seed.step,
            age: 0,
            slice_filled: 0,
            key: seed.key,
            channel: seed.channel,
            window: seed.window,
            gains: seed.gains,
        }
    }

    /// Whether nothing is left to play.
    #[inline]
    pub(crate) fn ended(&self) -> bool {
        self.age >= self.window.length
    }

    /// The frame of the engine's clock that comes after the last.
    pub(crate) fn end(&self) -> u64 {
        let choked = self.choked.saturating_add(FADE as u64);
        choked.min(self.born + u64::from(self.window.length))
    }
}

/// Plays a grain from frame `from` to frame `to` of the engine's clock, at most a cell, and adds it to `into`, whose
/// first element is frame `from`. A choked grain fades and ends.
///
/// # Time complexity
/// Linear in the number of frames.
#[inline]
pub(crate) fn play(grain: &mut Tailed<Head, [f32]>, source: &Source, from: u64, to: u64, into: &mut Stereo) {
    let head = &grain.head;
    let begin = from.max(head.born);
    if begin >= to || head.ended() {
        return;
    }
    if head.choked >= to {
        return play_plainly(grain, source, to_usize(begin - from), to_usize(to - from), into);
    }
    let fading = begin.max(head.choked);
    play_plainly(grain, source, to_usize(begin - from), to_usize(fading - from), into);
    fade(grain, source, from, fading, to, into);
}

/// The part of [`play`] that belongs to a choked grain.
#[inline(never)]
fn fade(
    grain: &mut Tailed<Head, [f32]>,
    source: &Source,
    from: u64,
    fading: u64,
    to: u64,
    into: &mut Stereo,
) {
    let choked = grain.head.choked;
    let faded = choked + FADE as u64;
    let to = to.min(faded);
    let mut apart: Stereo = [[0.0; CELL]; 2];
    let (first, last) = (to_usize(fading - from), to_usize(to.max(fading) - from));
    play_plainly(grain, source, first, last, &mut apart);
    for (into, apart) in into.iter_mut().zip(&apart) {
        for (frame, (into, sample)) in
            (fading - choked..).zip(into.iter_mut().zip(apart).take(last).skip(first))
        {
            *into += sample * fade_gain(frame);
        }
    }
    if to == faded {
        grain.head.age = grain.head.window.length;
    }
}

/// What is left of a grain so many frames after it began to fade.
#[inline]
pub(crate) fn fade_gain(frame: u64) -> f32 {
    1.0 - (to_f32(u32::try_from(frame).unwrap_or(u32::MAX)) + 1.0) / 65.0
}

/// Plays a grain into the elements `first..last`, and no further than its end.
#[inline]
fn play_plainly(
    grain: &mut Tailed<Head, [f32]>,
    source: &Source,
    first: usize,
    last: usize,
    into: &mut Stereo,
) {
    let Tailed { head, tail } = grain;
    let (knots, slice) = tail.split_at_mut((head.window.segments as usize + 1).min(tail.len()));
    let mut at = first;
    while at < last && !head.ended() {
        let mut covered = covered(head);
        if covered == 0 {
            let from = (head.position >> FRACTION_BITS) - 1;
            head.slice_filled = small(source.read(head.channel, from, slice));
            head.slice_from = from;
            covered = self::covered(head);
            if covered == 0 {
                // A grain is placed so that its source is always there; were it not, the grain ends.
                head.age = head.window.length;
                return;
            }
        }
        let line = head.window.line(head.age, knots);
        let frames = (last - at).min((covered.min(line.frames)) as usize);
        let local = small(to_usize(head.position - ((head.slice_from + 1) << FRACTION_BITS)));
        let reading = Reading { slice, position: local, step: head.step };
        let [left, right] = into;
        mix(reading, &line, head.gains, &mut left[at..at + frames], &mut right[at..at + frames]);
        at += frames;
        head.age += small(frames);
        head.position += u64::from(head.step) * frames as u64;
    }
}

/// For how many frames the slice suffices.
#[inline]
fn covered(head: &Head) -> u32 {
    let first = head.slice_from + 1;
    let end = (head.slice_from + u64::from(head.slice_filled)).saturating_sub(2);
    let (first, end) = (first << FRACTION_BITS, end << FRACTION_BITS);
    if head.slice_filled == 0 || head.position < first || head.position >= end {
        return 0;
    }
    let left = u32::try_from(end - head.position).unwrap_or(u32::MAX);
    left.div_ceil(head.step.max(1))
}
