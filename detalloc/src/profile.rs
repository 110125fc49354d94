//! What a program has asked for: the measurements from which a configuration is suggested.
//!
//! For every size class it keeps the most blocks that were live at once, of the class alone (its peak) and of
//! *this class and all larger ones* (its joint peak).
//!
//! Without borrowing, pools with the peaks serve what was noted, if it happens again. But classes do not peak
//! together. Where larger blocks may be borrowed, the blocks of a class and all larger ones have to be as
//! many as the joint peak and no more, as long as no small request sits in a large block just when that is
//! needed. No configuration with the same block sizes can do with less; a few percent of headroom cover what
//! it costs that blocks do not move. (5,000 live blocks of 64 B to 16 KiB: 2 % above what was asked for
//! instead of 14 %, before headroom and metadata.)
//!
//! What it does not know: in which order things happened. Whether a suggestion fits is shown by replaying a
//! trace of them on it, as `trace::suggest` does (feature `alloc`).

use crate::{
    class::{CLASSES, GRANULE_BYTES, class_bytes, class_of},
    config::{Borrow, Config},
    error::ConfigError,
    plan::MAX_ALIGN_BYTES,
    suggest::Demand,
};
use core::{alloc::Layout, fmt};

/// The alignments of blocks: the granule, doubled up to [`MAX_ALIGN_BYTES`].
const ALIGNMENTS: usize = (MAX_ALIGN_BYTES / GRANULE_BYTES).trailing_zeros() as usize + 1;

/// A profile: requests, live bytes and their peaks. It has about 5 KiB, whatever is noted.
///
/// ```
/// use core::alloc::Layout;
/// use detalloc::{Borrow, Profile};
///
/// let mut profile = Profile::new();
/// let voice = Layout::new::<[f32; 100]>();
/// for _ in 0..8 {
///     profile.allocated(voice);
/// }
/// profile.freed(voice);
/// // A quarter more than was ever needed.
/// let config = profile.suggest(Borrow::Larger, 25)?;
/// assert_eq!((config.pools()[0].block_bytes, config.pools()[0].blocks), (400, 10));
/// # Ok::<(), detalloc::ConfigError>(())
/// ```
#[derive(Clone, Copy)]
pub struct Profile {
    classes: [Class; CLASSES],
    largest_request_bytes: usize,
    requested_bytes: u64,
    block_bytes: u64,
    live_bytes: usize,
    peak_live_bytes: usize,
}

/// Counts of one class. Blocks are fewer than 2^32.
#[derive(Clone, Copy)]
struct Class {
    live: u32,
    peak: u32,
    /// Of this class and all larger ones. Never less than that of the next class, which rises only together
    /// with it.
    joint_peak: u32,
    /// The strictest alignment that was asked for: which of the [`ALIGNMENTS`].
    align: u8,
}

impl Profile {
    /// Nothing was asked for yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            classes: [Class { live: 0, peak: 0, joint_peak: 0, align: 0 }; CLASSES],
            largest_request_bytes: 0,
            requested_bytes: 0,
            block_bytes: 0,
            live_bytes: 0,
            peak_live_bytes: 0,
        }
    }

    /// Notes a request. One that no block can serve, whatever the configuration, counts as the largest
    /// request and nothing else.
    ///
    /// # Time complexity
    /// Linear in the number of size classes: not for a callback, where a [trace](crate::trace) is recorded
    /// and followed afterwards.
    pub fn allocated(&mut self, layout: Layout) {
        self.largest_request_bytes = self.largest_request_bytes.max(layout.size());
        let Some((number, align)) = class_and_align(layout) else { return };
        let class = &mut self.classes[number];
        class.live = class.live.saturating_add(1);
        class.peak = class.peak.max(class.live);
        class.align = class.align.max(align);
        let larger = self.classes[number + 1..].iter();
        let mut live = larger.fold(0_u32, |live, class| live.saturating_add(class.live));
        for class in self.classes[..=number].iter_mut().rev() {
            live = live.saturating_add(class.live);
            class.joint_peak = class.joint_peak.max(live);
        }
        self.requested_bytes = self.requested_bytes.saturating_add(layout.size() as u64);
        self.block_bytes = self.block_bytes.saturating_add(class_bytes(number) as u64);
        self.live_bytes = self.live_bytes.saturating_add(layout.size());
        self.peak_live_bytes = self.peak_live_bytes.max(self.live_bytes);
    }

    /// Notes that a block is given back that was asked for with this layout.
    ///
    /// # Time complexity
    /// Constant.
    pub fn freed(&mut self, layout: Layout) {
        if let Some((number, _)) = class_and_align(layout) {
            let live = &mut self.classes[number].live;
            *live = live.saturating_sub(1);
            self.live_bytes = self.live_bytes.saturating_sub(layout.size());
        }
    }

    /// Pools for what was noted and `headroom_percent` more.
    ///
    /// With [`Borrow::Never`] every class gets its peak: the same requests are served again, whatever their
    /// order. With [`Borrow::Larger`] a class and all larger ones get their joint peak: less memory, and only
    /// replaying a trace shows whether it is enough. Without headroom it mostly is not, by a few blocks; 5
    /// percent is a start.
    ///
    /// # Errors
    /// [`ConfigError::NoPools`] if and only if nothing was noted; otherwise as [`Config::new`].
    ///
    /// # Time complexity
    /// Cubic at worst in the number of size classes. Not for real-time paths.
    pub fn suggest(&self, borrow: Borrow, headroom_percent: u32) -> Result<Config, ConfigError> {
        let mut demand = Demand::new();
        let mut add = |number, class: &Class, blocks| {
            demand.add(number, GRANULE_BYTES << class.align, with_headroom(blocks, headroom_percent));
        };
        match borrow {
            Borrow::Never => {
                for (number, class) in self.classes.iter().enumerate() {
                    add(number, class, class.peak);
                }
            }
            Borrow::Larger => self.share(add),
        }
        Ok(demand.config()?.with_borrow(borrow))
    }

    /// Calls `add` with the blocks that each class needs where larger ones are borrowed, the largest class
    /// first.
    fn share(&self, mut add: impl FnMut(usize, &Class, u32)) {
        // The blocks of larger classes, by the alignment that was asked for.
        let mut larger = [0_u32; ALIGNMENTS];
        for (number, class) in self.classes.iter().enumerate().rev() {
            let align = usize::from(class.align);
            let sum = |blocks: &[u32]| blocks.iter().fold(0_u32, |sum, &blocks| sum.saturating_add(blocks));
            let missing = class.joint_peak.saturating_sub(sum(&larger));
            // What is borrowed has to be as aligned, so nothing else counts for the class itself.
            let missing_aligned = class.joint_peak.saturating_sub(sum(&larger[align..]));
            let blocks = missing.max(missing_aligned.min(class.peak));
            larger[align] = larger[align].saturating_add(blocks);
            add(number, class, blocks);
        }
    }

    /// The largest request, served or not, in bytes.
    #[must_use]
    pub const fn largest_request_bytes(&self) -> usize {
        self.largest_request_bytes
    }

    /// All requests together, in bytes.
    #[must_use]
    pub const fn requested_bytes(&self) -> u64 {
        self.requested_bytes
    }

    /// The blocks of the grid that hold them, in bytes: what is above [`Profile::requested_bytes`] is lost to
    /// rounding.
    #[must_use]
    pub const fn block_bytes(&self) -> u64 {
        self.block_bytes
    }

    /// What is live now, in bytes as they were asked for.
    #[must_use]
    pub const fn live_bytes(&self) -> usize {
        self.live_bytes
    }

    /// The most that was ever live at once, in bytes as they were asked for.
    #[must_use]
    pub const fn peak_live_bytes(&self) -> usize {
        self.peak_live_bytes
    }
}

/// The class of a layout, and which of the [`ALIGNMENTS`] it asks for, if there can be blocks for it.
fn class_and_align(layout: Layout) -> Option<(usize, u8)> {
    let class = class_of(layout.size(), layout.align());
    let align = u8::try_from(layout.align().div_ceil(GRANULE_BYTES).trailing_zeros()).ok()?;
    (class < CLASSES && usize::from(align) < ALIGNMENTS).then_some((class, align))
}

/// So many blocks and this much more, rounded up.
fn with_headroom(blocks: u32, percent: u32) -> usize {
    let more = (u64::from(blocks) * u64::from(percent)).div_ceil(100);
    usize::try_from(u64::from(blocks).saturating_add(more)).unwrap_or(usize::MAX)
}

impl Default for Profile {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Profile")
            .field("largest_request_bytes", &self.largest_request_bytes)
            .field("requested_bytes", &self.requested_bytes)
            .field("block_bytes", &self.block_bytes)
            .field("live_bytes", &self.live_bytes)
            .field("peak_live_bytes", &self.peak_live_bytes)
            .finish_non_exhaustive()
    }
}
