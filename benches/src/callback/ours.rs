//! Memory from an [`RtHeap`]: through its own handles, or through the routing allocator as ordinary vectors.

use super::{
    FRAMES, RATE_HZ,
    memory::{Memory, Samples},
};
use crate::allocators;
use detalloc::Config;
use detalloc_audio::{AudioBudget, Foreign, Rt, RtHeap, RtVec};

/// How many values of a loader can be on their way to the reaper: as many as callbacks drop in a tenth of a second.
const ON_THEIR_WAY: usize = 4096;

fn heap(config: &Config) -> RtHeap {
    let frames = u32::try_from(FRAMES).expect("few");
    let budget = AudioBudget::new(f64::from(RATE_HZ), frames).recorded(config.pools()).foreign(ON_THEIR_WAY);
    let mut heap = RtHeap::new();
    heap.reconfigure(&budget).expect("memory for the pools");
    heap
}

/// Grains are [`RtVec`]s, and what a loader made is [`Foreign`].
pub(super) struct Handles(RtHeap);

impl Handles {
    pub(super) fn new(config: &Config) -> Self {
        Self(heap(config))
    }
}

impl Samples for RtVec<f32> {
    fn append(&mut self, samples: &[f32]) {
        self.try_extend_from_slice(samples).expect("the room that was asked for");
    }

    fn samples(&self) -> &[f32] {
        self
    }
}

impl Memory for Handles {
    type Block = RtVec<f32>;
    type Scope<'s> = Rt<'s>;
    type Loaded = Foreign<Vec<u8>>;

    fn callback<R>(&mut self, run: impl FnOnce(&Rt<'_>) -> R) -> R {
        self.0.enter(run)
    }

    fn allocate(rt: &Rt<'_>, _: usize, samples: usize) -> Option<RtVec<f32>> {
        rt.vec(samples).ok()
    }

    fn loader(&self) -> impl Fn(usize) -> Foreign<Vec<u8>> + Send + 'static {
        |bytes| Foreign::new(vec![1; bytes])
    }

    fn releaser(&self) -> fn() {
        allocators::trim
    }
}

/// Grains and what a loader made are ordinary vectors. The process has a routing global allocator.
pub(super) struct RoutedPools(RtHeap);

impl RoutedPools {
    pub(super) fn new(config: &Config) -> Self {
        Self(heap(config))
    }
}

impl Memory for RoutedPools {
    type Block = Vec<f32>;
    type Scope<'s> = ();
    type Loaded = Vec<u8>;

    fn callback<R>(&mut self, run: impl FnOnce(&()) -> R) -> R {
        self.0.enter(|_| run(&()))
    }

    fn allocate((): &(), _: usize, samples: usize) -> Option<Vec<f32>> {
        let mut vec = Vec::new();
        vec.try_reserve_exact(samples).ok().map(|()| vec)
    }

    fn loader(&self) -> impl Fn(usize) -> Vec<u8> + Send + 'static {
        |bytes| vec![1; bytes]
    }

    fn releaser(&self) -> fn() {
        allocators::trim
    }
}
