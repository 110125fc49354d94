//! The heaps.

use super::{Driver, step};
use core::{mem::MaybeUninit, ptr};
use detalloc::{Borrow, Config, Heap, Local, PoolConfig, RemoteFree, SharedHeap, Unchecked};

/// Pools of up to 4096 blocks, which the bounds are for, and classes that borrow from each other.
fn configurations() -> Vec<Config> {
    let pools = |pools: &[PoolConfig]| Config::new(pools).expect("pools that are possible");
    let some = [(16, 8), (64, 64), (96, 65), (256, 7), (4096, 3), (16_384, 2)]
        .map(|(bytes, blocks)| PoolConfig::new(bytes, blocks));
    vec![
        pools(&[PoolConfig::new(64, 16)]),
        pools(&some),
        pools(&some).with_borrow(Borrow::Never),
        pools(&[PoolConfig::new(64, 16), PoolConfig::new(96, 16)]),
        pools(&[PoolConfig::new(48, 4096), PoolConfig::new(64, 4096)]),
    ]
}

/// Pools of three and of four levels.
fn deep() -> [(u32, Config); 2] {
    [(3, &[PoolConfig::new(16, 5_000), PoolConfig::new(80, 300)][..]), (4, &[PoolConfig::new(16, 300_000)])]
        .map(|(levels, pools)| (levels, Config::new(pools).expect("pools that are possible")))
}

pub fn all(driver: &mut Driver) {
    for (levels, config) in deep() {
        driver.levels = levels;
        checked(driver, &config);
        without_checks(driver, &config);
    }
    driver.levels = 2;
    for config in configurations() {
        checked(driver, &config);
        without_checks(driver, &config);
        shared(driver, &config);
    }
    // As many pools as there can be.
    let sizes = (16..512).step_by(16).chain((512..1024).step_by(32)).chain((1024..=2048).step_by(64));
    let pools: Vec<_> = sizes.take(64).map(|bytes| PoolConfig::new(bytes, 2)).collect();
    shared(driver, &Config::new(&pools).expect("pools that are possible"));
}

/// A request that may be too large, too strict, or for nothing.
fn request(driver: &mut Driver, config: &Config) -> (usize, usize) {
    let pools = config.pools();
    let largest = pools.last().map_or(0, |pool| pool.block_bytes);
    let size = match driver.below(8) {
        0 => 0,
        1 => largest + 1 + driver.below(largest),
        2 => usize::MAX / 4,
        _ => {
            let pool = pools[driver.below(pools.len())];
            1 + driver.below(pool.block_bytes)
        }
    };
    (size, 1 << if driver.below(4) == 0 { driver.below(14) } else { driver.below(5) })
}

/// What is no block any more, or never was.
fn wrong(driver: &mut Driver, block: *mut u8, elsewhere: &mut u8) -> *mut u8 {
    match driver.below(5) {
        0 => block.wrapping_add(1),
        1 => block.wrapping_add(16),
        2 => block.wrapping_sub(1 << 20),
        3 => block.wrapping_add(1 << 30),
        _ => elsewhere,
    }
}

fn checked(driver: &mut Driver, config: &Config) {
    let mut region = vec![MaybeUninit::uninit(); config.bytes_needed()];
    let mut heap = Heap::new(&mut region, config).expect("enough memory");
    let mut remote = heap.remote();
    let (heap, remote): (*mut Heap<'_>, *mut RemoteFree<'_>) = (&raw mut heap, &raw mut remote);
    let (mut live, mut gone, mut elsewhere) = (Vec::new(), Vec::new(), 0);
    let blocks: usize = config.pools().iter().map(|pool| pool.blocks).sum();
    let rounds = 3_000 + 2 * blocks.min(6_000);
    for round in 0..rounds {
        // Now up to the last block, now down to none.
        let rising = (round * 6 / rounds).is_multiple_of(2);
        if rising == (driver.below(10) > 0) {
            let (size, align) = request(driver, config);
            step!(driver, heap::room, heap, ptr::null_mut(), size, align);
            let block = match driver.below(3) {
                0 => step!(driver, heap::allocate_ready, heap, ptr::null_mut(), size, align),
                _ => step!(driver, heap::allocate, heap, ptr::null_mut(), size, align),
            };
            live.extend((!block.is_null()).then_some((block, size, align)));
        } else if !live.is_empty() {
            let (block, size, align) = live.swap_remove(driver.below(live.len()));
            match driver.below(4) {
                0 => step!(driver, remote::free_remotely, remote, block, 0, 0),
                1 => step!(driver, heap::free_layout, heap, block, size, align),
                _ => step!(driver, heap::free, heap, block, 0, 0),
            };
            gone.push(block);
        }
        if let Some(&block) = gone.get(driver.below(gone.len().max(1)))
            && !live.iter().any(|&(other, ..)| other == block)
        {
            // Double frees, and frees of what is none.
            let no_block = wrong(driver, block, &mut elsewhere);
            let is_block = |no: *mut u8| live.iter().any(|&(other, ..)| other == no);
            for no in [block, no_block] {
                if !is_block(no) {
                    step!(driver, heap::free, heap, no, 0, 0);
                    step!(driver, heap::free_layout, heap, no, 1, 1);
                    step!(driver, remote::free_remotely, remote, no, 0, 0);
                }
            }
        }
        if driver.below(200) == 0 {
            step!(driver, remote::adopt, heap);
        }
        if gone.len() > 500 {
            gone.clear();
        }
    }
}

fn without_checks(driver: &mut Driver, config: &Config) {
    let mut region = vec![MaybeUninit::uninit(); config.bytes_needed()];
    // SAFETY: below, what is freed is live.
    let mut heap = unsafe { Heap::unchecked(&mut region, config) }.expect("enough memory");
    let remote = heap.remote();
    let heap: *mut Heap<'_, Unchecked> = &raw mut heap;
    let mut region = vec![MaybeUninit::uninit(); config.bytes_needed()];
    let mut local = Local::new(Heap::new(&mut region, config).expect("enough memory"));
    let (local, mut live): (*mut Local<Heap<'_>>, _) = (&raw mut local, Vec::new());
    for round in 0..4_000 {
        if (round / 1_000 % 2 == 0) == (driver.below(10) > 0) {
            let (size, align) = request(driver, config);
            step!(driver, heap::allocate_local, local, ptr::null_mut(), size, align);
            let block = step!(driver, heap::allocate_unchecked, heap, ptr::null_mut(), size, align);
            live.extend(ptr::NonNull::new(block));
        } else if !live.is_empty() {
            let block = live.swap_remove(driver.below(live.len()));
            if driver.below(4) == 0 {
                // SAFETY: a live block, freed once.
                let _ = unsafe { remote.free(block) };
            } else {
                step!(driver, heap::free_unchecked, heap, block.as_ptr(), 0, 0);
            }
        }
    }
}

fn shared(driver: &mut Driver, config: &Config) {
    let mut region = vec![MaybeUninit::uninit(); SharedHeap::bytes_needed(config)];
    let mut heap = SharedHeap::new(&mut region, config).expect("enough memory");
    let heap: *mut SharedHeap<'_> = &raw mut heap;
    let (mut live, mut elsewhere) = (Vec::new(), 0);
    for round in 0..4_000 {
        if (round / 1_000 % 2 == 0) == (driver.below(10) > 0) {
            let (size, align) = request(driver, config);
            let block = step!(driver, heap::allocate_shared, heap, ptr::null_mut(), size, align);
            live.extend((!block.is_null()).then_some(block));
        } else if !live.is_empty() {
            let block: *mut u8 = live.swap_remove(driver.below(live.len()));
            step!(driver, heap::free_shared, heap, block, 0, 0);
            step!(driver, heap::free_shared, heap, block, 0, 0);
            let no_block = wrong(driver, block, &mut elsewhere);
            if !live.contains(&no_block) {
                step!(driver, heap::free_shared, heap, no_block, 0, 0);
            }
        }
    }
}
