//! What the core promises, checked where there is no test harness: each check says whether it holds.

use crate::interrupt;
use core::{alloc::Layout, mem::MaybeUninit, ptr::NonNull};
use detalloc::{
    AllocError, Allocate, Arena, Config, FreeError, Heap, Pool, PoolConfig, ring, ring_bytes_needed,
};

type Region<'m> = &'m mut [MaybeUninit<u8>];
type Check = fn(Region<'_>) -> Option<bool>;

/// Every check that this processor can make, with its name.
pub const CHECKS: &[(&str, Check)] = &[
    ("blocks are refused when none is left, and come again", exhausted),
    ("a larger class lends blocks", lent),
    ("a double free is refused", double_free),
    ("a foreign pointer is refused", foreign),
    ("an interior pointer is refused", interior),
    ("overwritten metadata is seen", corrupt),
    ("an interrupt and the main program share a heap in critical sections", |_| interrupt::shares()),
    ("a typed pool gives values back", typed),
    ("an arena ends with its scope", arena),
    ("a ring keeps the order", in_order),
    #[cfg(all(target_has_atomic = "ptr", feature = "whole"))]
    ("a remote free comes home", lock_free::remote),
    #[cfg(target_has_atomic = "ptr")]
    ("a shared heap serves", lock_free::shared),
    #[cfg(target_has_atomic = "ptr")]
    ("a heap behind a spin lock serves", lock_free::spin),
    #[cfg(target_has_atomic = "ptr")]
    ("a pool in a static has one owner", lock_free::claimed),
];

const CONFIG: Config = Config::constant(&[PoolConfig::new(32, 4), PoolConfig::new(64, 2)]);

fn layout(bytes: usize) -> Option<Layout> {
    Layout::from_size_align(bytes, 8).ok()
}

fn exhausted(region: Region<'_>) -> Option<bool> {
    let mut heap = Heap::new(region, &CONFIG).ok()?;
    let layout = layout(64)?;
    let first = heap.allocate(layout).ok()?;
    heap.allocate(layout).ok()?;
    let refused = matches!(heap.allocate(layout), Err(AllocError::Exhausted { .. }));
    // SAFETY: nothing uses the block after this.
    unsafe { heap.free(first) }.ok()?;
    Some(refused && heap.allocate(layout) == Ok(first) && heap.validate().is_ok())
}

fn lent(region: Region<'_>) -> Option<bool> {
    let mut heap = Heap::new(region, &CONFIG).ok()?;
    for _ in 0..5 {
        heap.allocate(layout(32)?).ok()?;
    }
    let stats = heap.meter().snapshot();
    Some(stats.pools()[0].borrowed == 1 && stats.pools()[1].used == 1)
}

fn double_free(region: Region<'_>) -> Option<bool> {
    let mut heap = Heap::new(region, &CONFIG).ok()?;
    let block = heap.allocate(layout(32)?).ok()?;
    // SAFETY: nothing uses the block after this.
    unsafe { heap.free(block) }.ok()?;
    // SAFETY: the heap checks, and refuses.
    let second = unsafe { heap.free(block) };
    Some(second == Err(FreeError::DoubleFree) && heap.validate().is_ok())
}

fn foreign(region: Region<'_>) -> Option<bool> {
    let mut heap = Heap::new(region, &CONFIG).ok()?;
    let mut elsewhere = 0_u64;
    // SAFETY: the heap checks, and refuses.
    let freed = unsafe { heap.free(NonNull::from(&mut elsewhere).cast()) };
    Some(freed == Err(FreeError::Foreign))
}

fn interior(region: Region<'_>) -> Option<bool> {
    let mut heap = Heap::new(region, &CONFIG).ok()?;
    let block = heap.allocate(layout(64)?).ok()?;
    // SAFETY: within the block, and the heap checks and refuses.
    let freed = unsafe { heap.free(block.add(16)) };
    // SAFETY: nothing uses the block after this.
    Some(freed == Err(FreeError::Interior) && unsafe { heap.free(block) }.is_ok())
}

/// Overwrites the metadata word by word. What lies in the way is written and read through a block's own pointer, which the
/// heap has derived from the same one as its own, so that none of the heap's goes stale.
fn corrupt(region: Region<'_>) -> Option<bool> {
    let mut heap = Heap::new(region, &CONFIG).ok()?;
    // The first of the largest blocks is the first of all, and the metadata lies right below.
    let first_block = heap.allocate(layout(64)?).ok()?.cast::<Word>();
    let metadata = CONFIG.bytes_needed() - (CONFIG.layout().align() - 1) - BLOCKS;
    let sound = heap.validate().is_ok();
    let mut seen = 0;
    for word in 1..=metadata / size_of::<Word>() {
        // SAFETY: within the region.
        let word = unsafe { first_block.sub(word) };
        // SAFETY: as above. Padding is uninitialised, and is written back as such.
        let was = unsafe { word.read() };
        // No address, no count and no mask of this heap.
        let garbage = Word::new(0x5A5A_5A5B);
        // SAFETY: as above.
        unsafe { word.write(garbage) };
        seen += usize::from(heap.validate().is_err());
        // SAFETY: as above.
        unsafe { word.write(was) };
    }
    Some(sound && seen == SEEN && heap.validate().is_ok())
}

type Word = MaybeUninit<usize>;

/// The bytes of all blocks of [`CONFIG`].
const BLOCKS: usize = 4 * 32 + 2 * 64;

/// Of the 100 words of metadata, those that `validate` compares with something: all but counts of refusals and of what was
/// lent, what other threads have announced, the highest block that was freed, and padding.
const SEEN: usize = 83;

fn typed(_: Region<'_>) -> Option<bool> {
    let pool = Pool::<u32, 2>::new();
    let kept = pool.insert(7).ok()?;
    let refused = {
        let _second = pool.insert(8).ok()?;
        pool.insert(9).is_err()
    };
    Some(refused && *kept == 7 && pool.used() == 1 && pool.high_water() == 2)
}

fn arena(region: Region<'_>) -> Option<bool> {
    let arena = Arena::new(&mut region[..512]);
    let sum: u32 = arena.scope(|inner| inner.slice(4, 4, 3_u32).map_or(0, |slice| slice.iter().sum()));
    Some(sum == 12 && arena.used_bytes() == 0 && arena.allocate(Layout::new::<[u8; 1024]>()).is_err())
}

fn in_order(region: Region<'_>) -> Option<bool> {
    let (mut into, mut from) = ring(&mut region[..const { ring_bytes_needed(2, 16) }]).ok()?;
    for message in [1, 2] {
        let mut grant = into.grant(1).ok()?;
        grant[0] = message;
        grant.commit(1);
    }
    let first = from.read().map(|received| received[0]);
    let second = from.read().map(|received| received[0]);
    Some((first, second) == (Some(1), Some(2)) && from.read().is_none())
}

/// What needs compare-and-swap. With the feature `lock-free` it is demanded also where the processor has none, where it
/// does not compile.
#[cfg(any(target_has_atomic = "ptr", feature = "lock-free"))]
pub mod lock_free {
    use super::{Allocate, CONFIG, Heap, Region, layout};
    #[cfg(feature = "whole")]
    use super::{Config, PoolConfig};
    #[cfg(feature = "whole")]
    use detalloc::RemoteFree;
    use detalloc::{FreeError, SharedHeap, Spin, StaticPool, static_pool};

    #[cfg(feature = "whole")]
    pub fn remote(region: Region<'_>) -> Option<bool> {
        const ONE: Config = Config::constant(&[PoolConfig::new(32, 1)]);
        let mut heap = Heap::new(region, &ONE).ok()?;
        let remote: RemoteFree<'_> = heap.remote();
        let block = heap.allocate(layout(32)?).ok()?;
        // SAFETY: nothing uses the block after this.
        unsafe { remote.free(block) }.ok()?;
        // SAFETY: the heap checks, and refuses.
        let second = unsafe { remote.free(block) };
        let again = heap.allocate(layout(32)?).ok()?;
        let stats = heap.meter().snapshot();
        let adopted = stats.pools()[0].freed_remotely == 1;
        Some(second == Err(FreeError::DoubleFree) && again == block && adopted)
    }

    static_pool! {
        static VALUES: [u32; 2];
    }

    pub fn claimed(_: Region<'_>) -> Option<bool> {
        let values: &StaticPool<u32, 2> = &VALUES;
        let owner = values.claim()?;
        let value = owner.insert(7).ok()?;
        Some(*value == 7 && values.claim().is_none())
    }

    pub fn shared(region: Region<'_>) -> Option<bool> {
        let heap = SharedHeap::new(region, &CONFIG).ok()?;
        let block = heap.allocate(layout(32)?).ok()?;
        // SAFETY: nothing uses the block after this.
        unsafe { heap.free(block) }.ok()?;
        // SAFETY: the heap checks, and refuses.
        let second = unsafe { heap.free(block) };
        Some(second == Err(FreeError::DoubleFree) && heap.live_blocks() == 0)
    }

    pub fn spin(region: Region<'_>) -> Option<bool> {
        let heap = Spin::new(Heap::new(region, &CONFIG).ok()?);
        let block = (&heap).allocate(layout(32)?).ok()?;
        // SAFETY: nothing uses the block after this.
        unsafe { (&heap).free(block) }.ok()?;
        Some(heap.lock(|heap| heap.live_blocks()) == 0)
    }
}
