//! What the core promises, checked where there is no test harness: each check says whether it holds.

use core::{alloc::Layout, cell::RefCell, mem::MaybeUninit, ptr::NonNull};
use critical_section::Mutex;
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
    ("a heap in a critical section serves", critical),
    ("a typed pool gives values back", typed),
    ("an arena ends with its scope", arena),
    ("a ring keeps the order", in_order),
    #[cfg(all(target_has_atomic = "ptr", feature = "whole"))]
    ("a remote free comes home", lock_free::remote),
    #[cfg(target_has_atomic = "ptr")]
    ("a shared heap serves", lock_free::shared),
    #[cfg(target_has_atomic = "ptr")]
    ("a heap behind a spin lock serves", lock_free::spin),
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

fn corrupt(region: Region<'_>) -> Option<bool> {
    let (start, bytes) = (region.as_mut_ptr(), region.len());
    let heap = Heap::new(region, &CONFIG).ok()?;
    let sound = heap.validate().is_ok();
    let first = start.wrapping_add(start.align_offset(align_of::<usize>())).cast::<usize>();
    let seen = (0..bytes / size_of::<usize>() - 1).filter(|&word| {
        let word = first.wrapping_add(word);
        let flip = || {
            // SAFETY: within the region; the heap, which may lie in the way, is only validated.
            unsafe { word.write_volatile(word.read_volatile() ^ 1) };
        };
        flip();
        let seen = heap.validate().is_err();
        flip();
        seen
    });
    // The shapes of the header and of both pools, at the least.
    let seen = seen.count();
    Some(sound && (25..100).contains(&seen) && heap.validate().is_ok())
}

fn critical(region: Region<'_>) -> Option<bool> {
    let heap = Mutex::new(RefCell::new(Heap::new(region, &CONFIG).ok()?));
    let layout = layout(32)?;
    let block = critical_section::with(|token| heap.borrow_ref_mut(token).allocate(layout)).ok()?;
    // SAFETY: nothing uses the block after this.
    let freed = critical_section::with(|token| unsafe { heap.borrow_ref_mut(token).free(block) });
    Some(freed.is_ok())
}

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
    use detalloc::{FreeError, SharedHeap, Spin};

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
