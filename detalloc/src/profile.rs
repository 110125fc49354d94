//! What a program has asked for: the measurements from which a configuration is suggested.
//!
//! For every size class it keeps the most blocks of *this class and larger ones* that were live at once. That is what
//! borrowing needs: as long as the pools from a class upwards have so many blocks together, each of these requests
//! finds one in its own pool or a larger one, if only no smaller request has taken it. It counts more than the peak of
//! each class by itself would: classes do not peak together, and 5,000 live blocks of 64 B to 16 KiB need 7 % instead of
//! 30 % above what they asked for.

use crate::{
    class::{CLASSES, class_of},
    config::{Borrow, Config},
    error::ConfigError,
    suggest::Demand,
};
use core::{alloc::Layout, fmt};

/// A profile: requests, live bytes and their peaks, of fixed size (about 4 KiB).
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
    /// Of this class and all larger ones.
    peak_from_here: u32,
}

impl Profile {
    /// Nothing was asked for yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            classes: [Class { live: 0, peak: 0, peak_from_here: 0 }; CLASSES],
            largest_request_bytes: 0,
            requested_bytes: 0,
            block_bytes: 0,
            live_bytes: 0,
            peak_live_bytes: 0,
        }
    }

    /// Notes a request. One that no class holds counts as the largest request and nothing else.
    ///
    /// # Time complexity
    /// Linear in the number of size classes: not for a callback, where a trace is recorded and followed afterwards
    /// ([`trace`](crate::trace)).
    pub fn allocated(&mut self, layout: Layout) {
        self.largest_request_bytes = self.largest_request_bytes.max(layout.size());
        let class = class_of(layout.size(), layout.align());
        let Some(of_class) = self.classes.get_mut(class) else { return };
        of_class.live = of_class.live.saturating_add(1);
        of_class.peak = of_class.peak.max(of_class.live);
        let mut live = 0_u32;
        for (number, of_class) in self.classes.iter_mut().enumerate().rev() {
            live = live.saturating_add(of_class.live);
            if number <= class {
                of_class.peak_from_here = of_class.peak_from_here.max(live);
            }
        }
        self.requested_bytes = self.requested_bytes.saturating_add(layout.size() as u64);
        self.block_bytes = self.block_bytes.saturating_add(crate::class::class_bytes(class) as u64);
        self.live_bytes = self.live_bytes.saturating_add(layout.size());
        self.peak_live_bytes = self.peak_live_bytes.max(self.live_bytes);
    }

    /// Notes that a block is given back that was asked for with this layout.
    ///
    /// # Time complexity
    /// Constant.
    pub fn freed(&mut self, layout: Layout) {
        let class = class_of(layout.size(), layout.align());
        if let Some(of_class) = self.classes.get_mut(class) {
            of_class.live = of_class.live.saturating_sub(1);
            self.live_bytes = self.live_bytes.saturating_sub(layout.size());
        }
    }

    /// Pools for what was noted and `headroom_percent` more.
    ///
    /// With [`Borrow::Never`] every class gets the peak it had. With [`Borrow::Larger`] the classes share, which takes
    /// less memory; it can be too little by a few blocks where small requests sit in large blocks just when those are
    /// needed. A few percent of headroom cover that, and replaying a recording shows whether they do:
    /// `trace::suggest` does both.
    ///
    /// # Errors
    /// [`ConfigError::NoPools`] if and only if nothing was noted; otherwise as [`Config::new`].
    ///
    /// # Time complexity
    /// Quadratic in the number of size classes.
    pub fn suggest(&self, borrow: Borrow, headroom_percent: u32) -> Result<Config, ConfigError> {
        let mut demand = Demand::new();
        let mut above = 0;
        for (class, of_class) in self.classes.iter().enumerate().rev() {
            let blocks = match borrow {
                Borrow::Never => of_class.peak,
                Borrow::Larger => of_class.peak_from_here - above,
            };
            above = of_class.peak_from_here;
            demand.add(class, with_headroom(blocks, headroom_percent));
        }
        Ok(demand.config()?.with_borrow(borrow))
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

    /// The blocks of the grid that hold them, in bytes: what is above [`Profile::requested_bytes`] is lost to rounding.
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
