//! The shared heap. What a word is for is seen by what becomes of the heap's answers when it is overwritten.

use crate::{
    PATTERNS,
    fenced::{Fenced, SIDES, image, overwrite, restore},
    tally::{Fate, Row, print},
};
use core::{alloc::Layout, mem::MaybeUninit, ops::Range, ptr::NonNull};
use detalloc::{Broken, Config, FreeError, PoolConfig, PoolStats, SharedHeap};
use std::collections::{BTreeMap, BTreeSet};

const WORD_BYTES: usize = size_of::<usize>();

/// Pools of one leaf and of two; and one whose hints stand for several leaves each.
fn configs() -> [Config; 2] {
    let pool = PoolConfig::new;
    [
        Config::new(&[pool(16, 3), pool(64, 70), pool(1088, 5)]).unwrap(),
        Config::new(&[pool(16, 64 * 64 + 130), pool(32, 4)]).unwrap(),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    BlockSize,
    BlockCount,
    Places,
    Leaf,
    FreeCount,
    HighWater,
    Refusals,
    Borrowing,
    Hints,
    Padding,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::BlockSize => "size of a block",
            Self::BlockCount => "number of blocks",
            Self::Places => "where blocks and leaves lie",
            Self::Leaf => "leaves of the bitmap",
            Self::FreeCount => "count of free blocks",
            Self::HighWater => "high water",
            Self::Refusals => "count of refusals",
            Self::Borrowing => "count of borrowed blocks",
            Self::Hints => "hints",
            Self::Padding => "padding",
        }
    }

    /// Whether every change of it is a contradiction.
    fn is_certain(self) -> bool {
        self <= Self::FreeCount
    }
}

/// A heap in the middle of its life, and all that lies in front of its blocks.
struct World<'r> {
    heap: SharedHeap<'r>,
    config: Config,
    start: *mut u8,
    region: Range<usize>,
    metadata: usize,
    /// All there are, a few of which are live.
    blocks: Vec<NonNull<u8>>,
    live: Vec<NonNull<u8>>,
    whole: Vec<MaybeUninit<u8>>,
}

type Answers = (Vec<PoolStats>, Vec<Result<usize, FreeError>>);

fn layout(size: usize) -> Layout {
    Layout::from_size_align(size, 16).unwrap()
}

fn free(heap: &SharedHeap<'_>, block: NonNull<u8>) -> Result<(), FreeError> {
    // SAFETY: nothing uses the block after this.
    unsafe { heap.free(block) }
}

impl<'r> World<'r> {
    fn new(region: &'r mut [MaybeUninit<u8>], config: &Config) -> Self {
        let (start, len) = (region.as_mut_ptr().cast::<u8>(), region.len());
        // Also what lies before the first pool and between blocks.
        // SAFETY: the region.
        unsafe { start.write_bytes(0, len) };
        let heap = SharedHeap::new(region, config).unwrap();
        let blocks: Vec<_> = core::iter::from_fn(|| heap.allocate(layout(1)).ok()).collect();
        assert_eq!(blocks.len(), config.pools().iter().map(|pool| pool.blocks).sum::<usize>());
        let mut live = Vec::new();
        let mut block = blocks.iter();
        for pool in config.pools() {
            for (number, &block) in block.by_ref().take(pool.blocks).enumerate() {
                // Two or more of each pool are free.
                if number % 3 == 0 && number + 2 < pool.blocks {
                    live.push(block)
                } else {
                    free(&heap, block).unwrap()
                }
            }
        }
        let first = blocks.iter().map(|block| block.as_ptr().addr()).min().unwrap();
        let whole = image(start, len);
        let region = start.addr()..start.addr() + len;
        Self { heap, config: *config, start, metadata: first - start.addr(), region, blocks, live, whole }
    }

    fn answers(&self) -> Answers {
        let blocks = self.blocks.iter().map(|&block| self.heap.usable_bytes(block));
        (self.heap.snapshot().pools().to_vec(), blocks.collect())
    }

    /// What this word is for.
    fn kind_of(&self, word: usize, intact: &Answers) -> Kind {
        let kind = |at| {
            overwrite(self.start, at, 1);
            let (stats, blocks) = self.answers();
            let verdict = self.heap.validate();
            restore(self.start, &self.whole);
            let differs = |of: fn(&PoolStats) -> usize| !stats.iter().map(of).eq(intact.0.iter().map(of));
            let other = blocks.iter().zip(&intact.1).filter(|(answer, intact)| answer != intact).count();
            match () {
                () if differs(|pool| pool.block_bytes) => Kind::BlockSize,
                () if differs(|pool| pool.blocks) => Kind::BlockCount,
                () if differs(|pool| pool.used) => Kind::FreeCount,
                () if differs(|pool| pool.peak) => Kind::HighWater,
                () if differs(|pool| pool.refused) => Kind::Refusals,
                () if differs(|pool| pool.borrowed) => Kind::Borrowing,
                () if other > 1 => Kind::Places,
                () if other == 1 => Kind::Leaf,
                () if verdict.is_err_and(|corruption| corruption.broken == Broken::Summary) => Kind::Hints,
                () => Kind::Padding,
            }
        };
        (word..word + WORD_BYTES).map(kind).min().unwrap()
    }

    /// Does everything that a heap can do. What it hands out lies in the region and, if the heap took itself to be in order, is
    /// nobody's. Whether an operation on what is the caller's was refused.
    fn use_it(&self, in_order: bool) -> bool {
        let mut had: BTreeSet<_> = self.live.iter().map(|block| block.as_ptr().addr()).collect();
        let mut is_refused = false;
        for &block in &self.live {
            is_refused |= self.heap.usable_bytes(block).is_err();
        }
        for &block in self.live.iter().take(4) {
            match free(&self.heap, block) {
                Ok(()) => _ = had.remove(&block.as_ptr().addr()),
                Err(_) => is_refused = true,
            }
        }
        for pool in self.config.pools() {
            for _ in 0..pool.blocks.min(100) + 2 {
                let Ok(block) = self.heap.allocate(layout(pool.block_bytes)) else { continue };
                let at = block.as_ptr().addr();
                assert!(
                    self.region.contains(&at) && self.region.contains(&(at + pool.block_bytes - 1)),
                    "outside"
                );
                assert!(had.insert(at) || !in_order, "handed out twice");
            }
        }
        _ = (self.heap.snapshot(), self.heap.live_blocks(), self.heap.validate());
        is_refused
    }
}

#[test]
fn every_word_of_a_shared_heap_is_reported_or_harmless_and_never_followed() {
    let mut rows = BTreeMap::<Kind, Row>::new();
    for (config, side) in configs().into_iter().flat_map(|config| SIDES.map(|side| (config, side))) {
        let mut memory = Fenced::new(SharedHeap::bytes_needed(&config), side);
        let world = World::new(memory.region(), &config);
        let intact = world.answers();
        let begin = world.start.addr().wrapping_neg() % WORD_BYTES;
        for word in (begin..world.metadata).step_by(WORD_BYTES) {
            let kind = world.kind_of(word, &intact);
            // Padding is padding; and one word of many leaves is as the other.
            let step = if kind == Kind::Leaf && world.blocks.len() > 1_000 { 7 } else { 1 };
            for at in (word..word + WORD_BYTES).step_by(step) {
                for pattern in PATTERNS {
                    overwrite(world.start, at, pattern);
                    let is_reported = world.heap.validate().is_err();
                    let is_refused = world.use_it(!is_reported);
                    rows.entry(kind).or_default().add(match (is_reported, is_refused) {
                        (true, _) => Fate::Reported,
                        (_, true) => Fate::Refused,
                        _ => Fate::Harmless,
                    });
                    restore(world.start, &world.whole);
                }
            }
        }
        assert_eq!((world.heap.validate(), world.answers()), (Ok(()), intact));
    }
    print("shared heap", rows.iter().map(|(kind, row)| (kind.name(), *row)));
    assert_eq!(rows.len(), 10, "one kind was not found");
    for (kind, row) in rows {
        assert!(row.is_complete() || !kind.is_certain(), "{}: {row:?}", kind.name());
    }
}
