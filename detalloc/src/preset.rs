//! Shapes of configurations for common work: which sizes, in which proportion. A starting point where nothing
//! was recorded yet; [`Profile`](crate::Profile) knows better afterwards.
//!
//! A preset is scaled by how many blocks are live on average. If `m` of them are expected in a pool and all
//! larger ones, those get `m + 4·√m` together: four standard deviations, were every block to come and go by
//! itself. The margin lies in the larger pools, from which smaller ones borrow.
//!
//! What a preset does not know: this program. A request above its largest block is refused; so look at the
//! largest request first.

use crate::config::{Config, MAX_POOLS, PoolConfig};

/// What a heap is for.
///
/// ```
/// use detalloc::{Config, Preset};
///
/// // For so many grains that sound at once, or for all that fits a megabyte.
/// const GRAINS: Config = Preset::Audio.for_live_blocks(200);
/// let megabyte = Preset::Audio.fitting(1 << 20).unwrap();
/// assert!(GRAINS.bytes_needed() < megabyte.bytes_needed() && megabyte.bytes_needed() <= 1 << 20);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// Audio: events, voices, grains and buffers up to 16 KiB (4,096 samples of 4 bytes). From 64 B on as
    /// many in each octave, because a buffer is as likely to be halved as doubled, so half of the memory is
    /// in blocks of more than 8 KiB; four sizes an octave from 256 B on, which lose a tenth; a twentieth of
    /// all blocks for events of 32 B and 64 B.
    ///
    /// As it is, for 512 live blocks, in less than 2,200,000 bytes.
    Audio,
    /// Control loops: messages from a few numbers (32 B) over poses and joint states to a short scan (2 KiB),
    /// half as many for each doubling, so that every size takes the same memory.
    ///
    /// As it is, for 256 live blocks, in less than 60,000 bytes.
    Robotics,
    /// Packets, mostly short or full: descriptors (64 B and 128 B, as many as packets), acknowledgements and
    /// short packets (256 B), the datagram that every host accepts (576 B, RFC 791), Ethernet frames (1,518 B
    /// and a tag or two in 1,536 B), and a few jumbo frames (9,000 B and headers in 9,216 B).
    ///
    /// As it is, for 512 live blocks, in less than 600,000 bytes.
    Networking,
    /// Small systems: list nodes and events (16 B) to line buffers (256 B), half as many for each doubling,
    /// so that every size takes the same memory.
    ///
    /// As it is, for 20 live blocks, in less than 4,096 bytes.
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

/// Four sizes an octave, 5/4, 3/2, 7/4 and 2 times its start. If sizes are log-uniform, they get these many
/// thousandths of the octave's blocks: the logarithms to base 2 of 5/4, 6/5, 7/6 and 8/7.
const STEPS: [(usize, usize); 4] = [(5, 322), (6, 263), (7, 222), (8, 193)];

/// The sizes below 256 B, where an octave has two: pools for the others would cost more than they save.
const SMALL_AUDIO: [(usize, usize); 6] =
    [(32, 200), (64, 200), (96, 585), (128, 415), (192, 585), (256, 415)];

/// From 256 B to 16 KiB.
const AUDIO_OCTAVES: usize = 6;

const AUDIO: [Share; SMALL_AUDIO.len() + AUDIO_OCTAVES * STEPS.len()] = {
    let mut shares = [const { share(0, 0) }; SMALL_AUDIO.len() + AUDIO_OCTAVES * STEPS.len()];
    let mut pool = 0;
    while pool < shares.len() {
        shares[pool] = if pool < SMALL_AUDIO.len() {
            let (block_bytes, weight) = SMALL_AUDIO[pool];
            share(block_bytes, weight)
        } else {
            let step = pool - SMALL_AUDIO.len();
            let (quarters, weight) = STEPS[step % STEPS.len()];
            share((64 << (step / STEPS.len())) * quarters, weight)
        };
        pool += 1;
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
    [share(64, 25), share(128, 25), share(256, 12), share(576, 8), share(1536, 28), share(9216, 2)];

const EMBEDDED: [Share; 5] = [share(16, 16), share(32, 8), share(64, 4), share(128, 2), share(256, 1)];

impl Preset {
    /// The shape as it is.
    ///
    /// # Time complexity
    /// Linear in the number of pools.
    #[must_use]
    pub const fn config(self) -> Config {
        self.for_live_blocks(match self {
            Self::Audio | Self::Networking => 512,
            Self::Robotics => 256,
            Self::Embedded => 20,
        })
    }

    /// The shape for so many blocks that are live on average: with a block in every pool, and no larger than
    /// for 2^19 live blocks (2^14 where addresses have 32 bits).
    ///
    /// # Time complexity
    /// Linear in the number of pools.
    #[must_use]
    pub const fn for_live_blocks(self, live_blocks: usize) -> Config {
        let shares: &[Share] = match self {
            Self::Audio => &AUDIO,
            Self::Robotics => &ROBOTICS,
            Self::Networking => &NETWORKING,
            Self::Embedded => &EMBEDDED,
        };
        // So that no pool has too many, and nothing exceeds the address space.
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
            let blocks = if blocks > blocks_above { blocks } else { blocks_above + 1 };
            // By the limit above.
            #[expect(clippy::cast_possible_truncation, reason = "at most 2^20")]
            let own = (blocks - blocks_above) as usize;
            pools[pool] = PoolConfig::new(shares[pool].block_bytes, own);
            blocks_above = blocks;
        }
        Config::constant(pools.split_at(shares.len()).0)
    }

    /// The largest such shape that fits a region of this size, wherever it starts, but for a few blocks that
    /// only fit by a lucky alignment; `None` where not even a block in every pool does.
    ///
    /// # Time complexity
    /// Some twenty times that of [`Preset::for_live_blocks`].
    #[must_use]
    pub const fn fitting(self, region_bytes: usize) -> Option<Config> {
        if self.for_live_blocks(0).bytes_needed() > region_bytes {
            return None;
        }
        // So many fit, and what is tried next is half as many more as last time.
        let (mut fits, mut step) = (0, MAX_LIVE_BLOCKS);
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

// What the documentation says, on every target.
const _: () = assert!(DEFAULT.bytes_needed() <= 4096);
const _: () = assert!(Preset::Audio.config().bytes_needed() < 2_200_000);
const _: () = assert!(Preset::Robotics.config().bytes_needed() < 60_000);
const _: () = assert!(Preset::Networking.config().bytes_needed() < 600_000);
const _: () = assert!(Preset::Embedded.config().bytes_needed() < 4096);

impl Config {
    /// Ten pools of 16 to 512 bytes that fit a region of 4,096 bytes, wherever it starts: to try things out.
    pub const DEFAULT: Self = DEFAULT;
}

impl Default for Config {
    fn default() -> Self {
        DEFAULT
    }
}
