//! Heaps that have nothing left but what is on its way home: the longest ways of an allocation and of an adoption.

use super::{Driver, announced::Announced, step};
use core::{alloc::Layout, mem::MaybeUninit, ptr, ptr::NonNull};
use detalloc::{Allocate, Config, Heap, Local, PoolConfig, RemoteFree, Unchecked};

pub fn all(driver: &mut Driver) {
    for (levels, blocks) in [(2, 1 << 12), (3, 1 << 18), (4, 1 << 24)] {
        driver.levels = levels;
        worst(driver, blocks);
    }
    driver.levels = 2;
    any(driver);
}

/// Allocates what there is, without stepping.
fn exhaust(heap: &mut impl Allocate, layout: Layout) -> Vec<NonNull<u8>> {
    core::iter::from_fn(|| heap.allocate(layout).ok()).collect()
}

/// A pool of so many blocks, all in use: three announcements that lead nowhere, and then a whole group that comes home, a block in
/// each of its leaves; then more of such groups than a callback adopts.
fn worst(driver: &mut Driver, blocks: usize) {
    let config = Config::new(&[PoolConfig::new(16, blocks)]).expect("a pool that is possible");
    let layout = Layout::new::<u128>();
    for variant in 0..3 {
        let mut region = vec![MaybeUninit::<u8>::uninit(); config.bytes_needed()];
        let start = region.as_mut_ptr().cast::<u8>();
        match variant {
            0 => {
                let mut heap = Heap::new(&mut region, &config).expect("enough memory");
                let live = exhaust(&mut heap, layout);
                let freed = Starved::new(heap.remote(), start, live);
                freed.announce(3..5);
                step!(driver, heap::allocate, &raw mut heap, ptr::null_mut(), 0, 1);
                exhaust(&mut heap, layout);
                freed.announce(0..10);
                step!(driver, remote::adopt, &raw mut heap);
            }
            1 => {
                // SAFETY: what is freed is live.
                let mut heap = unsafe { Heap::unchecked(&mut region, &config) }.expect("enough memory");
                let live = exhaust(&mut heap, layout);
                Starved::new(heap.remote(), start, live).announce(3..5);
                step!(driver, heap::allocate_unchecked, &raw mut heap, ptr::null_mut(), 0, 1);
            }
            _ => {
                let mut heap = Heap::new(&mut region, &config).expect("enough memory");
                let live = exhaust(&mut heap, layout);
                Starved::new(heap.remote(), start, live).announce(3..5);
                let mut local = Local::new(heap);
                step!(driver, heap::allocate_local, &raw mut local, ptr::null_mut(), 0, 1);
            }
        }
    }
}

/// A pool without a free block.
struct Starved<'r> {
    remote: RemoteFree<'r>,
    words: Announced,
    /// In their order; the first one is lost.
    live: Vec<NonNull<u8>>,
}

impl<'r> Starved<'r> {
    fn new(remote: RemoteFree<'r>, start: *mut u8, live: Vec<NonNull<u8>>) -> Self {
        let first = live[0];
        // SAFETY: the metadata lies in front of the first block; a live block, freed once.
        let words = unsafe { Announced::by(start..first.as_ptr(), || _ = remote.free(first)) };
        words.forget_blocks();
        Self { remote, words, live }
    }

    /// Frees a block in each leaf of these groups, behind groups that are announced in vain.
    fn announce(&self, groups: core::ops::Range<usize>) {
        const WORD_BITS: usize = usize::BITS as usize;
        let leaves = self.live.len() / WORD_BITS;
        let of_group = leaves.div_ceil(WORD_BITS);
        for leaf in groups.start * of_group..groups.end * of_group {
            // SAFETY: a live block, freed once: it has been allocated again since it was freed before.
            let _ = unsafe { self.remote.free(self.live[leaf * WORD_BITS + 1]) };
        }
        self.words.add((1 << groups.start) - 1, true);
    }
}

/// Pools of one leaf and of several, all blocks in use, with all that can be announced, in vain or not.
fn any(driver: &mut Driver) {
    let pools =
        [(16, 100), (32, 200), (48, 8), (128, 64)].map(|(bytes, blocks)| PoolConfig::new(bytes, blocks));
    let config = Config::new(&pools).expect("pools that are possible");
    let mut region = vec![MaybeUninit::<u8>::uninit(); config.bytes_needed()];
    let start = region.as_mut_ptr().cast::<u8>();
    let mut heap = Heap::new(&mut region, &config).expect("enough memory");
    let remote = heap.remote();
    let layout_of = |bytes| Layout::from_size_align(bytes, 1).expect("a size");
    // The largest first, so that none borrows.
    let mut live: Vec<Vec<NonNull<u8>>> =
        pools.iter().rev().map(|pool| exhaust(&mut heap, layout_of(pool.block_bytes))).collect();
    live.reverse();
    let lowest = live.iter().flatten().min().copied().expect("blocks");
    let words: Vec<Announced> = pools
        .iter()
        .enumerate()
        .map(|(number, pool)| {
            let one = live[number].pop().expect("a block");
            // SAFETY: the metadata lies in front of the lowest block; a live block, freed once.
            let words = unsafe { Announced::by(start..lowest.as_ptr(), || _ = remote.free(one)) };
            heap.adopt_remote_frees(64);
            live[number].extend(heap.allocate(layout_of(pool.block_bytes)));
            words
        })
        .collect();
    for _ in 0..4_000 {
        for (words, live) in words.iter().zip(&mut live) {
            if driver.below(2) == 0 {
                words.add(driver.below(16) & driver.below(16), driver.below(4) > 0);
            }
            if driver.below(3) == 0 && !live.is_empty() {
                let block = live.swap_remove(driver.below(live.len()));
                // SAFETY: a live block, freed once.
                let _ = unsafe { remote.free(block) };
            }
            if driver.below(40) == 0 {
                // A second free that came too late to be seen, or of a block that does not exist.
                words.add_blocks(1 << driver.below(64));
                words.add(15, true);
            }
        }
        if driver.below(50) == 0 {
            words[0].add_no_pool();
        }
        driver.elsewhere(|| heap.adopt_remote_frees(core::hint::black_box(0)));
        let on: *mut Heap<'_> = &raw mut heap;
        if driver.below(6) == 0 {
            step!(driver, remote::adopt, on);
        }
        let (size, align) = (pools[driver.below(pools.len())].block_bytes, 1 << driver.below(8));
        let block = if driver.below(4) == 0 {
            // SAFETY: the same heap without checks; nothing is freed through it.
            step!(
                driver,
                heap::allocate_unchecked,
                on.cast::<Heap<'_, Unchecked>>(),
                ptr::null_mut(),
                size,
                1
            )
        } else {
            step!(driver, heap::allocate, on, ptr::null_mut(), size, align)
        };
        let own = pools.iter().position(|pool| pool.block_bytes == size).unwrap_or(0);
        live[own].extend(NonNull::new(block));
        // As it was.
        heap.adopt_remote_frees(64);
        for (pool, live) in pools.iter().zip(&mut live).rev() {
            if driver.below(2) == 0 {
                live.extend(exhaust(&mut heap, layout_of(pool.block_bytes)));
            }
        }
    }
}
