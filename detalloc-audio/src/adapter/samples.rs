//! What a stream's buffer has to be able to do: be silent, and come in chunks.

use core::num::NonZero;

/// A sample that knows its silence, which is not zero where samples are unsigned.
pub trait Sample: Copy {
    /// The sample that makes no sound.
    const SILENCE: Self;
}

macro_rules! silence {
    ($($sample:ty: $silence:expr),+ $(,)?) => {
        $(impl Sample for $sample { const SILENCE: Self = $silence; })+
    };
}

silence! {
    f32: 0.0,
    f64: 0.0,
    i8: 0,
    i16: 0,
    i32: 0,
    i64: 0,
    u8: 1 << 7,
    u16: 1 << 15,
    u32: 1 << 31,
    u64: 1 << 63,
}

/// The buffer of a stream: a slice of [`Sample`]s, interleaved, or with the feature `cpal` its raw `Data`.
pub trait Samples {
    /// How many samples it has, of all channels together.
    fn count(&self) -> usize;

    /// Makes all of it silent.
    fn silence(&mut self);

    /// Goes through it in chunks of `len` samples, the last of which may be shorter. None if it is empty.
    fn chunks(&self, len: NonZero<usize>, each: impl FnMut(&Self));

    /// As [`Samples::chunks`], to write to them.
    fn chunks_mut(&mut self, len: NonZero<usize>, each: impl FnMut(&mut Self));
}

impl<S: Sample> Samples for [S] {
    #[inline]
    fn count(&self) -> usize {
        self.len()
    }

    #[inline]
    fn silence(&mut self) {
        self.fill(S::SILENCE);
    }

    #[inline]
    fn chunks(&self, len: NonZero<usize>, each: impl FnMut(&Self)) {
        <[S]>::chunks(self, len.get()).for_each(each);
    }

    #[inline]
    fn chunks_mut(&mut self, len: NonZero<usize>, each: impl FnMut(&mut Self)) {
        <[S]>::chunks_mut(self, len.get()).for_each(each);
    }
}
