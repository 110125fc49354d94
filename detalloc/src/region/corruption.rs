//! Every byte of every kind of metadata, overwritten: `validate` reports it, or the operation that meets it refuses; and neither
//! follows it out of the region.
//!
//! Three things no check can know, because what is forged may be true: that a block was freed by another thread (what the
//! announcement of a remote free says; its owner's own free is then refused as a double one), how many blocks have come home or
//! were refused, and a high water within bounds. They are counted as *harmless* here: with them in place, every block is still
//! handed out once, within the region.

use super::*;
use crate::{allocate::Allocate, config::PoolConfig, heap::Heap};
use core::{mem::offset_of, ops::Range};
use std::{collections::BTreeSet, vec, vec::Vec};

/// What each byte is overwritten with, by exclusive or.
const PATTERNS: [u8; 4] = [0x01, 0x10, 0x80, 0xFF];

/// What has to become of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// `validate` reports all of it. It never changes, so no operation looks.
    Reported,
    /// `validate` reports all of it, and no operation follows it.
    ReportedAndNotFollowed,
    /// `validate` reports what cannot be; no operation follows any of it.
    NotFollowed,
}

struct World {
    memory: Vec<MaybeUninit<u8>>,
    config: Config,
}

impl World {
    fn new(config: Config) -> Self {
        let memory = vec![MaybeUninit::uninit(); config.bytes_needed()];
        Self { memory, config }
    }

    /// A heap with live blocks, free ones, blocks that are on their way home, and counts of everything.
    fn heap(&mut self) -> (Heap<'_>, Vec<NonNull<u8>>) {
        let mut heap = Heap::new(&mut self.memory, &self.config).unwrap();
        let mut live = Vec::new();
        for pool in self.config.pools() {
            let layout = Layout::from_size_align(pool.block_bytes, 1).unwrap();
            let blocks: Vec<_> = (0..pool.blocks - 1).map(|_| heap.allocate(layout).unwrap()).collect();
            for (number, block) in blocks.into_iter().enumerate() {
                match number % 4 {
                    // SAFETY: live blocks, each freed once.
                    1 => unsafe { heap.free(block).unwrap() },
                    // SAFETY: as above.
                    2 => unsafe { heap.remote().free(block).unwrap() },
                    _ => live.push(block),
                }
            }
        }
        assert_eq!(heap.validate(), Ok(()));
        (heap, live)
    }
}

fn configs() -> [Config; 2] {
    let pool = PoolConfig::new;
    // Short pools, one of them with several leaves, and a deep one, which has middle words.
    [
        Config::new(&[pool(16, 3), pool(64, 70), pool(1088, 5)]).unwrap(),
        Config::new(&[pool(16, 64 * 64 + 130), pool(32, 4)]).unwrap(),
    ]
}

/// The bytes of a field, from the region's start.
macro_rules! field {
    ($at:expr, $of:ty, $field:ident: $type:ty) => {{
        let start = $at + offset_of!($of, $field);
        start..start + size_of::<$type>()
    }};
}

/// Every kind of metadata: its name, its fate and where it lies, from the region's start.
fn kinds(region: Region<'_>) -> Vec<(&'static str, Fate, Vec<Range<usize>>)> {
    use Fate::{NotFollowed, Reported, ReportedAndNotFollowed};
    let start = region.header.as_ptr().addr();
    let header = region.header();
    let map = CLASS_MAP..CLASS_MAP + header.keys.abs_diff(MIN_KEY) * size_of::<PoolOffset>();
    let pages = header.page_table.as_ptr().addr() - start;
    let pool_at = |number: usize| header.pools as usize + number * size_of::<Pool>();
    let ledger_at = |number: usize| header.ledgers as usize + number * size_of::<Ledger>();
    let numbers = 0..header.pool_count;
    let of_pools = |range: fn(usize) -> Range<usize>| numbers.clone().map(|n| range(pool_at(n))).collect();
    let of_ledgers =
        |range: fn(usize) -> Range<usize>| numbers.clone().map(|n| range(ledger_at(n))).collect();
    let words = |of: &dyn Fn(Parts<'_>) -> (*const u8, usize)| {
        let range = |parts| {
            let (at, words) = of(parts);
            let at = at.addr() - start;
            at..at + words * size_of::<usize>()
        };
        region.all().map(range).collect::<Vec<_>>()
    };
    let leaves = |parts: Parts<'_>| (parts.leaves().as_ptr().cast(), parts.leaves().len());
    let announced = |parts: Parts<'_>| {
        let count = parts.leaves().len();
        (parts.pool.leaves.as_ptr().wrapping_sub(count).cast_const().cast(), count)
    };
    let sentinel = |parts: Parts<'_>| {
        let count = parts.leaves().len();
        (parts.pool.leaves.as_ptr().wrapping_add(count).cast_const().cast(), 1)
    };
    let mids = |parts: Parts<'_>| (parts.bitmap().mids.as_ptr().cast(), parts.bitmap().mids.len());
    vec![
        ("number of keys", Reported, vec![field!(0, Header, keys: isize)]),
        ("where blocks begin", Reported, vec![field!(0, Header, blocks: usize)]),
        ("number of pages", Reported, vec![field!(0, Header, pages: usize)]),
        ("where the page table lies", Reported, vec![field!(0, Header, page_table: usize)]),
        ("size of a page", Reported, vec![field!(0, Header, page_bits: u32)]),
        ("who may lend", Reported, vec![field!(0, Header, borrow: usize)]),
        ("where pools lie", Reported, vec![field!(0, Header, pools: u32)]),
        ("where ledgers lie", Reported, vec![field!(0, Header, ledgers: u32)]),
        ("number of pools", Reported, vec![field!(0, Header, pool_count: usize)]),
        ("masks of aligned pools", Reported, vec![field!(0, Header, aligned: [usize; ALIGNMENTS])]),
        ("seal of the header", Reported, vec![field!(0, Header, own_seal: usize)]),
        ("seal of the rest", Reported, vec![field!(0, Header, seal: usize)]),
        ("class map", Reported, vec![map]),
        ("page table", Reported, core::iter::once(pages..pages + header.pages).collect()),
        ("where a pool's blocks lie", Reported, of_pools(|at| field!(at, Pool, base: usize))),
        ("where a pool's words lie", Reported, of_pools(|at| field!(at, Pool, leaves: usize))),
        ("inverse of a block's size", Reported, of_pools(|at| field!(at, Pool, inverse: usize))),
        ("size of a block", Reported, of_pools(|at| field!(at, Pool, block_bytes: usize))),
        ("bit of a pool", Reported, of_pools(|at| field!(at, Pool, bit: usize))),
        ("number of blocks, in short", Reported, of_pools(|at| field!(at, Pool, limit: u16))),
        ("alignment of a pool", Reported, of_pools(|at| field!(at, Pool, align_mask: u16))),
        ("number of blocks", Reported, of_ledgers(|at| field!(at, Ledger, blocks: u32))),
        ("free leaves", ReportedAndNotFollowed, words(&leaves)),
        ("summary of leaves", ReportedAndNotFollowed, of_pools(|at| field!(at, Pool, top: usize))),
        ("middle words of deep pools", ReportedAndNotFollowed, words(&mids)),
        ("count of free blocks", ReportedAndNotFollowed, of_pools(|at| field!(at, Pool, spare: u32))),
        ("mask of pools with free blocks", ReportedAndNotFollowed, vec![field!(0, Header, available: usize)]),
        ("sentinel leaf", ReportedAndNotFollowed, words(&sentinel)),
        ("announced leaves", NotFollowed, words(&announced)),
        ("groups of announced leaves", NotFollowed, of_ledgers(|at| field!(at, Ledger, groups: usize))),
        ("pools with announced leaves", NotFollowed, vec![field!(0, Header, pending: usize)]),
        ("highest block ever freed", NotFollowed, of_pools(|at| field!(at, Pool, highest_freed: u32))),
        ("count of borrowed blocks", NotFollowed, of_pools(|at| field!(at, Pool, borrowed: u32))),
        ("count of refusals", NotFollowed, of_ledgers(|at| field!(at, Ledger, refused: u32))),
        ("count of blocks that came home", NotFollowed, of_ledgers(|at| field!(at, Ledger, freed: u32))),
        ("count of unsupported requests", NotFollowed, vec![field!(0, Header, unsupported: u32)]),
        ("reason of the last refusal", NotFollowed, vec![field!(0, Header, refusal: u32)]),
    ]
}

/// Does everything that a heap can do, and panics where a block is not within the region, or is handed out twice though the
/// metadata was found in order.
fn use_it(heap: &mut Heap<'_>, config: &Config, bytes: &Range<usize>, live: &[NonNull<u8>], in_order: bool) {
    // But for those of which it says that another thread has freed them.
    let known = live.iter().filter(|block| heap.usable_bytes(**block).is_ok());
    let mut had: BTreeSet<usize> = known.map(|block| block.as_ptr().addr()).collect();
    for &block in live.iter().take(8) {
        let _ = heap.usable_bytes(block);
        // SAFETY: a live block; what a heap says of it that was overwritten is its business.
        if unsafe { heap.free(block) }.is_ok() {
            had.remove(&block.as_ptr().addr());
        }
        // SAFETY: freed just now or refused before: to be refused.
        let again = unsafe { heap.free(block) };
        assert!(again.is_err(), "freed twice");
    }
    for pool in config.pools() {
        let layout = Layout::from_size_align(pool.block_bytes, 1).unwrap();
        for _ in 0..pool.blocks.min(200) + 2 {
            let Ok(block) = heap.allocate(layout) else { continue };
            let at = block.as_ptr().addr();
            assert!(bytes.contains(&at) && bytes.contains(&(at + pool.block_bytes - 1)), "outside");
            assert!(had.insert(at) || !in_order, "handed out twice");
        }
    }
    heap.adopt_remote_frees(8);
    let _ = heap.validate();
    let _ = heap.meter().snapshot();
}

#[test]
#[cfg_attr(miri, ignore = "it writes where references read, as a broken program does; Miri rightly minds")]
fn every_kind_of_metadata_is_reported_or_not_followed() {
    let (mut overwritten, mut reported, mut harmless, mut names) = (0, 0, 0, BTreeSet::new());
    for config in configs() {
        let mut world = World::new(config);
        let bytes = world.memory.as_ptr_range();
        let bytes = bytes.start.addr()..bytes.end.addr();
        let (heap, live) = world.heap();
        let start = heap.region().header.cast::<u8>();
        let image = |range: Range<usize>| -> Vec<MaybeUninit<u8>> {
            // SAFETY: within the region, which lives; whatever its bytes are.
            unsafe { slice::from_raw_parts(start.as_ptr().add(range.start).cast(), range.len()) }.to_vec()
        };
        let len = Plan::of(&config).unwrap().bytes;
        let whole = image(0..len);
        let kinds = kinds(heap.region());
        let mut heap = heap;
        for (name, fate, ranges) in kinds {
            let (mut bad, mut found) = (0, 0);
            for at in ranges.into_iter().flatten() {
                for pattern in PATTERNS {
                    // SAFETY: a byte of the metadata, all of which is initialised; nobody else uses it.
                    unsafe { *start.as_ptr().add(at) ^= pattern };
                    let verdict = heap.validate();
                    bad += 1;
                    found += usize::from(verdict.is_err());
                    match fate {
                        Fate::Reported | Fate::ReportedAndNotFollowed => {
                            assert!(verdict.is_err(), "{name}: byte {at}, {pattern:#x}");
                        }
                        Fate::NotFollowed => {}
                    }
                    if fate != Fate::Reported {
                        use_it(&mut heap, &config, &bytes, &live, verdict.is_ok());
                    }
                    // SAFETY: what the region held before.
                    unsafe { start.as_ptr().copy_from_nonoverlapping(whole.as_ptr().cast(), len) };
                }
            }
            assert_eq!(heap.validate(), Ok(()), "{name}");
            if bad > 0 {
                names.insert(name);
                std::println!(
                    "{name:<32} {bad:>6} overwritten, {found:>6} reported, {:>5} harmless",
                    bad - found
                );
            }
            (overwritten, reported, harmless) = (overwritten + bad, reported + found, harmless + bad - found);
        }
    }
    std::println!(
        "{} kinds: {overwritten} overwritten, {reported} reported, {harmless} harmless",
        names.len()
    );
    assert!(names.len() >= 12);
}

#[test]
fn what_is_forged_to_be_on_its_way_home_is_refused_when_its_owner_frees_it() {
    let config = Config::new(&[PoolConfig::new(64, 4)]).unwrap();
    let mut world = World::new(config);
    let mut heap = Heap::new(&mut world.memory, &world.config).unwrap();
    let block = heap.allocate(Layout::new::<[u64; 8]>()).unwrap();
    let announced = heap.region().parts(0).unwrap().pool.leaves.as_ptr().wrapping_sub(1);
    // SAFETY: the announced leaf of the only pool.
    unsafe { (*announced).store(1, Relaxed) };
    // SAFETY: a live block.
    assert_eq!(unsafe { heap.free(block) }, Err(crate::FreeError::DoubleFree));
}

#[test]
fn a_forged_bit_of_a_pool_that_is_none_is_not_waited_for() {
    let config = Config::new(&[PoolConfig::new(64, 4)]).unwrap();
    let mut world = World::new(config);
    let mut heap = Heap::new(&mut world.memory, &world.config).unwrap();
    heap.region().header().pending.0.store(1 << 7, Relaxed);
    assert_eq!(heap.validate().unwrap_err().broken, crate::Broken::PendingMask);
    assert_eq!(heap.adopt_remote_frees(usize::MAX), 0);
}
