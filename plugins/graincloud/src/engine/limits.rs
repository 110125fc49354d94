//! How much there can be of everything, and the sizes of grains.
//!
//! A grain is one pool object: a head, its window's knots, and its slice of the source. Its size follows its length in
//! time, over a ladder of seven sizes from 176 bytes (5 ms, a slice of 64 bytes) to 16 KiB (1 s), so that every grain
//! refills its slice about as many times in its life. A grain fills the block it gets: the slice takes what head and
//! window leave.

use super::grain::{Grain, Head};
use super::source::Material;
use detalloc_audio::AudioBudget;

/// Frames that are rendered at a time. Grains end, and give their memory back, only at multiples of this since the last
/// reset, so that nothing depends on how a host cuts time into blocks.
pub const CELL: usize = 64;

/// Frames over which a grain fades that is stolen or choked.
pub const FADE: usize = 64;

/// Grains that can be live at the same time; one more steals the oldest.
pub const GRAINS: usize = 2_000;

/// Keys that can be held at the same time; one more steals the voice that has been held longest.
pub const VOICES: usize = 64;

/// Places for grains in the order of their birth. Stolen ones leave a hole until the end of the cell, so there are
/// twice as many places as grains.
pub(crate) const PLACES: usize = 2 * GRAINS;

/// Recordings that can be on their way to the reaper at the same time.
const RETIRED_MATERIALS: usize = 4;

/// One size of grain.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rung {
    /// Grains up to this long have this size.
    pub(crate) seconds: f32,
    /// Segments of the window's ramp; there is one knot more.
    pub(crate) segments: u32,
    /// Elements behind the head: knots, then slice.
    pub(crate) tail: usize,
    /// How many there is room for. A rung that is full borrows from the ones above.
    blocks: usize,
}

/// Elements that a block of so many bytes holds behind the head.
const fn filling(block_bytes: usize) -> usize {
    (block_bytes - size_of::<Head>()) / size_of::<f32>()
}

/// Together 24 MiB. Up to 2 KiB (125 ms, which covers the default size) all 2,000 grains have room at once; of the
/// longest, more than 500 a second for a second need.
pub(crate) const LADDER: [Rung; 7] = [
    // 9 knots and 16 samples.
    Rung { seconds: 0.008, segments: 8, tail: 9 + 16, blocks: 1024 },
    Rung { seconds: 0.031, segments: 16, tail: filling(512), blocks: 1024 },
    Rung { seconds: 0.062, segments: 32, tail: filling(1024), blocks: 1024 },
    Rung { seconds: 0.125, segments: 32, tail: filling(2048), blocks: 2048 },
    Rung { seconds: 0.25, segments: 64, tail: filling(4096), blocks: 1024 },
    Rung { seconds: 0.5, segments: 64, tail: filling(8192), blocks: 512 },
    Rung { seconds: f32::INFINITY, segments: 64, tail: filling(16_384), blocks: 640 },
];

/// The rung of a grain of this length.
pub(crate) fn rung(seconds: f32) -> &'static Rung {
    LADDER.iter().find(|rung| seconds <= rung.seconds).unwrap_or(&LADDER[LADDER.len() - 1])
}

/// What an instance needs of its pools. It is the same for every sample rate and block size, so that a host may
/// activate again at any time without anything being allocated.
pub(crate) fn budget(rate_hz: f64, max_frames: u32) -> AudioBudget {
    let fixed = AudioBudget::new(rate_hz, max_frames)
        .slices::<Option<Grain>>(PLACES, 1)
        .objects::<Box<Material>>(RETIRED_MATERIALS);
    LADDER.iter().fold(fixed, |budget, rung| budget.tailed::<Head, f32>(rung.tail, rung.blocks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grains_take_from_176_bytes_to_16_kib() {
        let bytes = |rung: &Rung| size_of::<Head>() + 4 * rung.tail;
        assert!(bytes(&LADDER[0]) <= 192, "{}", bytes(&LADDER[0]));
        assert_eq!(LADDER[0].tail - 9, 64 / 4);
        assert_eq!(bytes(&LADDER[6]), 16_384);
        assert!(LADDER.is_sorted_by_key(|rung| rung.tail));
    }

    #[test]
    fn an_instance_takes_at_most_24_mebibytes() {
        let config = budget(48_000.0, 64).config().unwrap();
        let bytes: usize = config.pools().iter().map(|pool| pool.block_bytes * pool.blocks).sum();
        assert!(bytes <= 24 << 20, "{bytes}");
    }

    #[test]
    fn pools_do_not_depend_on_rate_or_block_size() {
        assert_eq!(budget(44_100.0, 1).config().unwrap(), budget(192_000.0, 8192).config().unwrap());
    }
}
