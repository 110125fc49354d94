//! Shapes of configurations for common work: which sizes, in which proportion. A starting point where nothing was
//! recorded yet; [`Profile`](crate::Profile) knows better afterwards.
//!
//! A preset is scaled by how many blocks are live on average. If `m` of them are expected in a pool and all larger ones,
//! those get `m + 4·√m` together: four standard deviations, were every block to come and go by itself. The margin lies in
//! the larger pools, from which smaller ones borrow.

use crate::config::{Config, MAX_POOLS, PoolConfig};

/// What a heap is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// Audio: grains, voices, events and buffers of 64 B to 16 KiB, as many in each octave, four sizes an octave, and a few
    /// smaller ones for events. As it is, for 512 live blocks.
    Audio,
    /// Control loops: messages from a few numbers (32 B) to a joint state or a short scan (2 KiB), half as many for each
    /// doubling. As it is, for 256 live blocks.
    Robotics,
    /// Packets: descriptors (64 B and 128 B), short packets up to 576 B, and whole Ethernet frames (1,536 B); a few jumbo
    /// frames (9,216 B). As it is, for 512 live blocks.
    Networking,
    /// Small systems: 16 to 256 B, half as many for each doubling. As it is, for 24 live blocks.
    Embedded,
}

/// A block size, and how many of all blocks have it, in any unit.
struct Share {
    block_bytes: usize,
    weight: usize,
}

const fn share(block_bytes: usize, weight: usize) -> Share {
    Share { block_bytes, weight }
}

/// Four sizes an octave, `1.25`, `1.5`, `1.75` and `2` times its start. If sizes are log-uniform, they get these many
/// thousandths of the octave's blocks: the logarithms to base 2 of 5/4, 6/5, 7/6 and 8/7.
const STEPS: [(usize, usize); 4] = [(5, 322), (6, 263), (7, 222), (8, 193)];

const AUDIO_OCTAVES: usize = 8;

const AUDIO: [Share; 2 + AUDIO_OCTAVES * STEPS.len()] = {
    let mut shares = [const { share(32, 200) }; 2 + AUDIO_OCTAVES * STEPS.len()];
    shares[1] = share(64, 200);
    let mut size = 0;
    while size < AUDIO_OCTAVES * STEPS.len() {
        let (quarters, weight) = STEPS[size % STEPS.len()];
        shares[2 + size] = share((16 << (size / STEPS.len())) * quarters, weight);
        size += 1;
    }
    shares
};

const ROBOTICS: [Share; 7] = [
    share(32, 64),
    share(64, 32),
    share(128, 16),
    share(256, 8),
    share(512, 4),
    share(1024, 2),
    share(2048, 1),
];

const NETWORKING: [Share; 6] =
    [share(64, 24), share(128, 24), share(256, 12), share(576, 8), share(1536, 30), share(9216, 2)];

const EMBEDDED: [Share; 5] = [share(16, 16), share(32, 8), share(64, 4), share(128, 2), share(256, 1)];

impl Preset {
    /// The shape as it is.
    #[must_use]
    pub const fn config(self) -> Config {
        self.for_live_blocks(match self {
            Self::Audio | Self::Networking => 512,
            Self::Robotics => 256,
            Self::Embedded => 24,
        })
    }

    /// The shape for so many blocks that are live on average.
    #[must_use]
    pub const fn for_live_blocks(self, live_blocks: usize) -> Config {
        let shares: &[Share] = match self {
            Self::Audio => &AUDIO,
            Self::Robotics => &ROBOTICS,
            Self::Networking => &NETWORKING,
            Self::Embedded => &EMBEDDED,
        };
        // More than fit a pool are too many anyway; so nothing below overflows.
        let live_blocks =
            if live_blocks < MAX_LIVE_BLOCKS { live_blocks as u64 } else { MAX_LIVE_BLOCKS as u64 };
        let mut weights = 0;
        let mut pool = 0;
        while pool < shares.len() {
            weights += shares[pool].weight as u64;
            pool += 1;
        }
        let mut pools = [PoolConfig::new(0, 0); MAX_POOLS];
        let mut weight_from_here = 0;
        let mut blocks_above = 0;
        while pool > 0 {
            pool -= 1;
            weight_from_here += shares[pool].weight as u64;
            let expected = (live_blocks * weight_from_here).div_ceil(weights);
            let blocks = expected + (16 * expected).isqrt();
            // No more than a pool holds, by the limit above.
            #[expect(clippy::cast_possible_truncation, reason = "at most 2^20")]
            let own = (blocks - blocks_above) as usize;
            pools[pool] = PoolConfig::new(shares[pool].block_bytes, if own > 0 { own } else { 1 });
            blocks_above = blocks;
        }
        Config::constant(pools.split_at(shares.len()).0)
    }

    /// The largest such shape that fits a region of this size, wherever it starts, or nothing where not even the one for a
    /// single live block does.
    ///
    /// # Time complexity
    /// Some twenty times that of [`Preset::for_live_blocks`].
    #[must_use]
    pub const fn fitting(self, region_bytes: usize) -> Option<Config> {
        if self.for_live_blocks(1).bytes_needed() > region_bytes {
            return None;
        }
        // `fits` blocks do, `fits + step` have not been shown not to.
        let (mut fits, mut step) = (1, MAX_LIVE_BLOCKS);
        while step > 0 {
            let more = fits + step;
            if more <= MAX_LIVE_BLOCKS && self.for_live_blocks(more).bytes_needed() <= region_bytes {
                fits = more;
            }
            step /= 2;
        }
        Some(self.for_live_blocks(fits))
    }
}

/// The most live blocks that a preset is scaled to.
const MAX_LIVE_BLOCKS: usize = 1 << if usize::BITS > 32 { 19 } else { 14 };

/// Ten pools that fit 4,096 bytes with their metadata, wherever these start.
const DEFAULT: Config = Config::constant(&[
    PoolConfig::new(16, 4),
    PoolConfig::new(32, 4),
    PoolConfig::new(48, 1),
    PoolConfig::new(64, 2),
    PoolConfig::new(80, 1),
    PoolConfig::new(96, 1),
    PoolConfig::new(128, 1),
    PoolConfig::new(192, 1),
    PoolConfig::new(256, 1),
    PoolConfig::new(512, 1),
]);

const _: () = assert!(DEFAULT.bytes_needed() <= 4096);

impl Config {
    /// Ten pools of 16 to 512 bytes that fit a region of 4,096 bytes, wherever it starts: to try things out.
    pub const DEFAULT: Self = DEFAULT;
}

impl Default for Config {
    fn default() -> Self {
        DEFAULT
    }
}
