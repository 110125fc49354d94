//! What a plugin or stream will need at most, said in its own terms, and the pools that follow from it.

use crate::{
    arc::Counted,
    instance::{Plan, SCRATCH_ALIGN_BYTES},
    leaving::Leaving,
    map::{Table, table_layout},
    pressure::LowWater,
    queue::queue_layout,
    tailed::Tailed,
};
use core::{alloc::Layout, any::type_name};
use detalloc::{Config, ConfigError, MAX_ALIGN_BYTES, PoolConfig, class};
use std::{collections::BTreeMap, error, fmt, io};

/// Sample rates that a budget accepts, in Hz: from telephone speech to twice the highest converters.
const SAMPLE_RATES_HZ: core::ops::RangeInclusive<f64> = 4_000.0..=1_536_000.0;

/// The largest block of audio that a budget accepts, in frames; hosts render offline with up to a few thousand.
const MAX_FRAMES: u32 = 1 << 20;

/// What will be alive at the same time at most. Requests that share a size class share a pool.
///
/// A value with a destructor counts as alive until the reaper has destroyed it, some milliseconds after it was dropped:
/// leave room for what is dropped and made again in that time.
#[derive(Clone, Debug, PartialEq)]
pub struct AudioBudget {
    sample_rate_hz: f64,
    max_frames: u32,
    headroom_percent: u32,
    low_water_percent: u8,
    top_up_bytes: usize,
    foreign: usize,
    scratch_bytes: usize,
    requests: Vec<Request>,
}

/// How many foreign values can be on their way at once, unless the budget says otherwise: 14 KiB, and more than any callback
/// drops by accident.
const FOREIGN: usize = 256;

/// A tenth of its blocks left is low, unless the budget says otherwise.
const LOW_WATER_PERCENT: u8 = 10;

#[derive(Clone, Debug, PartialEq)]
struct Request {
    what: &'static str,
    /// `None`: the size exceeds the address space.
    layout: Option<Layout>,
    count: usize,
}

impl AudioBudget {
    /// An empty budget for a sample rate, in Hz, and the largest block the host announced, in frames.
    #[must_use]
    pub fn new(sample_rate_hz: f64, max_frames: u32) -> Self {
        Self {
            sample_rate_hz,
            max_frames,
            headroom_percent: 0,
            low_water_percent: LOW_WATER_PERCENT,
            top_up_bytes: 0,
            foreign: FOREIGN,
            scratch_bytes: 0,
            requests: Vec::new(),
        }
    }

    /// Room for `count` values, each in an [`RtBox<T>`](crate::RtBox).
    #[must_use]
    pub fn objects<T>(self, count: usize) -> Self {
        self.room(type_name::<T>(), Some(Layout::new::<T>()), count)
    }

    /// Room for `count` voices, each of which needs what `voice` adds to an empty budget: rooms and scratch buffers; headroom, low
    /// water, top-up and the lane of foreign values are the whole budget's. No voices are an error, as they are most likely
    /// a mistake.
    ///
    /// ```
    /// use detalloc_audio::AudioBudget;
    ///
    /// struct Voice { phase: f32 }
    /// // Every voice is a box, and has two delay lines.
    /// let budget = AudioBudget::new(48_000.0, 64)
    ///     .voices(64, |voice| voice.objects::<Voice>(1).slices::<f32>(4_800, 2));
    /// # assert!(budget.config().is_ok());
    /// ```
    #[must_use]
    pub fn voices(mut self, count: usize, voice: impl FnOnce(Self) -> Self) -> Self {
        let one = voice(Self::new(self.sample_rate_hz, self.max_frames));
        if count == 0 {
            return self.room("voices", None, 0);
        }
        self.scratch_bytes = self.scratch_bytes.saturating_add(one.scratch_bytes.saturating_mul(count));
        self.requests.extend(
            one.requests
                .into_iter()
                .map(|request| Request { count: request.count.saturating_mul(count), ..request }),
        );
        self
    }

    /// Room for `count` values that are shared, each by [`RtArc<T>`](crate::RtArc)s.
    #[must_use]
    pub fn shared<T>(self, count: usize) -> Self {
        self.room(type_name::<T>(), Some(Layout::new::<Counted<T>>()), count)
    }

    /// Room for a queue of `capacity` events, an [`RtQueue<E>`](crate::RtQueue).
    #[must_use]
    pub fn events<E>(self, capacity: usize) -> Self {
        self.room(type_name::<[E]>(), queue_layout::<E>(capacity), 1)
    }

    /// Room for one [`RtMap<K, V>`](crate::RtMap) of that capacity.
    #[must_use]
    pub fn map<K, V>(self, capacity: usize) -> Self {
        self.room(type_name::<(K, V)>(), table_layout::<K, V>(capacity), 1).objects::<Table<K, V>>(1)
    }

    /// Scratch memory for one more buffer of so many elements in each callback: see [`Rt::scratch`](crate::Rt::scratch).
    #[must_use]
    pub fn scratch<T>(mut self, elements: usize) -> Self {
        let bytes = elements.saturating_mul(size_of::<T>()).checked_next_multiple_of(SCRATCH_ALIGN_BYTES);
        self.scratch_bytes = self.scratch_bytes.saturating_add(bytes.unwrap_or(usize::MAX));
        self
    }

    /// Room for what was recorded: pools such as `cargo xtask budget` prints, or those of any other configuration.
    #[must_use]
    pub fn recorded(mut self, pools: &[PoolConfig]) -> Self {
        self.requests.extend(pools.iter().map(|pool| Request {
            what: "a recorded pool",
            layout: Layout::from_size_align(pool.block_bytes, 1).ok(),
            count: pool.blocks,
        }));
        self
    }

    /// Room for `count` vectors, each an [`RtVec<T>`](crate::RtVec) of capacity `len`.
    #[must_use]
    pub fn slices<T>(self, len: usize, count: usize) -> Self {
        self.room(type_name::<[T]>(), Layout::array::<T>(len).ok(), count)
    }

    /// Room for one vector of `f32` a channel, each as long as the largest block of audio.
    #[must_use]
    pub fn audio_buffers(self, channels: usize) -> Self {
        let frames = usize::try_from(self.max_frames).unwrap_or(usize::MAX);
        self.slices::<f32>(frames, channels)
    }

    /// Room for `count` values with a slice of `tail_len` elements behind them: see
    /// [`Rt::tailed`](crate::Rt::tailed).
    #[must_use]
    pub fn tailed<H, T>(self, tail_len: usize, count: usize) -> Self {
        self.room(type_name::<Tailed<H, [T; 0]>>(), tailed_layout::<H, T>(tail_len), count)
    }

    /// This much more of every class, in percent.
    #[must_use]
    pub fn headroom_percent(mut self, percent: u32) -> Self {
        self.headroom_percent = percent;
        self
    }

    /// A class counts as low when at most this share of its blocks is free, in percent, 10 unless said: see
    /// [`Rt::boxed_relieving`](crate::Rt::boxed_relieving) and [`AudioBudget::top_up`].
    #[must_use]
    pub fn low_water_percent(mut self, percent: u8) -> Self {
        self.low_water_percent = percent;
        self
    }

    /// Lets the reaper add memory, at most so many bytes in all, while classes are low: off unless said. The callback takes no
    /// notice of it but when its pools have run dry; then it finds what was added by then.
    #[must_use]
    pub fn top_up(mut self, max_bytes: usize) -> Self {
        self.top_up_bytes = max_bytes;
        self
    }

    /// How many [`Foreign`](crate::Foreign) values can be on their way to the reaper at once, 256 unless said. Each place
    /// takes 56 bytes.
    #[must_use]
    pub fn foreign(mut self, values: usize) -> Self {
        self.foreign = values;
        self
    }

    fn room(mut self, what: &'static str, layout: Option<Layout>, count: usize) -> Self {
        self.requests.push(Request { what, layout, count });
        self
    }

    /// The sample rate in Hz, and the largest block in frames.
    pub(crate) fn stream(&self) -> (f64, u32) {
        (self.sample_rate_hz, self.max_frames)
    }

    pub(crate) fn plan(&self) -> Result<Plan, BudgetError> {
        Ok(Plan {
            config: self.config()?,
            scratch_bytes: self.scratch_bytes,
            foreign: self.foreign.max(1),
            low_water: LowWater::percent(self.low_water_percent),
            top_up_bytes: self.top_up_bytes,
        })
    }

    /// That the system has not that much memory, and what most of it is for.
    pub(crate) fn out_of_memory(&self, config: &Config) -> BudgetError {
        let size = |request: &Request| request.layout.map_or(0, |layout| layout.size());
        let foreign = self.foreign.saturating_mul(size_of::<Leaving>());
        let parts = [("scratch buffers", self.scratch_bytes), ("foreign values on their way", foreign)];
        let requests = self.requests.iter();
        let requests = requests.map(|request| (request.what, size(request).saturating_mul(request.count)));
        let most = parts.into_iter().chain(requests).max_by_key(|&(_, bytes)| bytes);
        BudgetError::OutOfMemory {
            bytes: config.layout().size().saturating_add(self.scratch_bytes).saturating_add(foreign),
            what: most.map_or("nothing", |(what, _)| what),
        }
    }

    /// The pools that hold all of it.
    ///
    /// # Errors
    /// [`BudgetError`] says which part of the budget cannot be met, and why.
    pub fn config(&self) -> Result<Config, BudgetError> {
        if !SAMPLE_RATES_HZ.contains(&self.sample_rate_hz) {
            return Err(BudgetError::SampleRate { given_hz: self.sample_rate_hz });
        }
        if !(1..=MAX_FRAMES).contains(&self.max_frames) {
            return Err(BudgetError::Frames { given: self.max_frames });
        }
        if let Some(nothing) = self.requests.iter().find(|request| request.count == 0) {
            return Err(BudgetError::Zero { what: nothing.what });
        }
        let mut pools = BTreeMap::<usize, usize>::new();
        for Request { what, layout, count } in &self.requests {
            let Some(layout) = layout.filter(|layout| layout.size() <= class::MAX_BLOCK_BYTES) else {
                return Err(BudgetError::TooLarge { what, bytes: layout.map(|layout| layout.size()) });
            };
            if layout.align() > MAX_ALIGN_BYTES {
                return Err(BudgetError::Alignment { what, align_bytes: layout.align() });
            }
            let blocks = pools.entry(class::block_bytes_for(layout.size(), layout.align())).or_default();
            *blocks = blocks.saturating_add(*count);
        }
        if pools.is_empty() && self.scratch_bytes > 0 {
            // A heap has at least one block.
            pools.insert(class::block_bytes_for(1, 1), 1);
        }
        let headroom = usize::try_from(self.headroom_percent).unwrap_or(usize::MAX);
        let pools: Vec<_> = pools
            .into_iter()
            .map(|(block_bytes, blocks)| {
                let more = blocks.saturating_mul(headroom).div_ceil(100);
                PoolConfig::new(block_bytes, blocks.saturating_add(more))
            })
            .collect();
        Config::new(&pools).map_err(|error| match error {
            ConfigError::NoPools => BudgetError::Empty,
            other => BudgetError::Pools(other),
        })
    }
}

/// The layout of a [`Tailed<H, [T]>`](Tailed) with this many elements.
pub(crate) fn tailed_layout<H, T>(tail_len: usize) -> Option<Layout> {
    let (layout, _) = Layout::new::<H>().extend(Layout::array::<T>(tail_len).ok()?).ok()?;
    Some(layout.pad_to_align())
}

/// Why a budget cannot be met.
#[derive(Debug)]
pub enum BudgetError {
    /// The sample rate is not a number, or absurd.
    SampleRate {
        /// What was given, in Hz.
        given_hz: f64,
    },
    /// The largest block of audio has no frames, or absurdly many.
    Frames {
        /// What was given.
        given: u32,
    },
    /// Nothing was asked for.
    Empty,
    /// One object is larger than any block.
    TooLarge {
        /// Its type.
        what: &'static str,
        /// Its size, in bytes; `None` if it exceeds the address space.
        bytes: Option<usize>,
    },
    /// One type asks for a stricter alignment than blocks have.
    Alignment {
        /// The type.
        what: &'static str,
        /// Its alignment, in bytes.
        align_bytes: usize,
    },
    /// The pools cannot be built like this.
    Pools(ConfigError),
    /// None of something were asked for.
    Zero {
        /// Of what.
        what: &'static str,
    },
    /// The system has not that much memory.
    OutOfMemory {
        /// What was asked for, in bytes.
        bytes: usize,
        /// What most of it is for: a type, `scratch buffers` or `foreign values on their way`.
        what: &'static str,
    },
    /// The reaper's thread could not be started.
    Reaper(io::Error),
}

impl fmt::Display for BudgetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rates = SAMPLE_RATES_HZ;
        match self {
            Self::SampleRate { given_hz } => {
                write!(f, "a sample rate of {given_hz} Hz; {} to {} are possible", rates.start(), rates.end())
            }
            Self::Frames { given } => {
                write!(f, "blocks of at most {given} frames; 1 to {MAX_FRAMES} are possible")
            }
            Self::Empty => write!(f, "the budget asks for nothing"),
            Self::TooLarge { what, bytes: Some(bytes) } => {
                write!(f, "{what} takes {bytes} bytes; a block has at most {}", class::MAX_BLOCK_BYTES)
            }
            Self::TooLarge { what, bytes: None } => write!(f, "{what} exceeds the address space"),
            Self::Alignment { what, align_bytes } => {
                write!(f, "{what} is aligned to {align_bytes} bytes; blocks are to at most {MAX_ALIGN_BYTES}")
            }
            Self::Pools(error) => error.fmt(f),
            Self::Zero { what } => write!(f, "the budget asks for none of {what}; leave it out"),
            Self::OutOfMemory { bytes, what } => {
                write!(f, "the system refused {bytes} bytes, most of them for {what}")
            }
            Self::Reaper(error) => write!(f, "the reaper's thread could not be started: {error}"),
        }
    }
}

impl error::Error for BudgetError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Pools(error) => Some(error),
            Self::Reaper(error) => Some(error),
            _ => None,
        }
    }
}
