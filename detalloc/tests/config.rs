//! The promises of configurations: checked, sized, preset, suggested, and enough for the worst case.

#[path = "common/random.rs"]
mod random;

use core::{alloc::Layout, mem::MaybeUninit, ptr::NonNull};
use detalloc::{
    AllocError, Allocate, Borrow, Config, ConfigError, Heap, InitError, MAX_ALIGN_BYTES, MAX_BLOCKS,
    MAX_POOLS, PoolConfig, Preset, Profile,
    class::{CLASSES, MAX_BLOCK_BYTES, block_bytes_for, class_bytes},
};
use random::Random;

/// How often what is random is tried; Miri is a thousand times slower.
const ROUNDS: usize = if cfg!(miri) { 1 } else { 300 };
const SEEDS: core::ops::Range<u64> = if cfg!(miri) { 1..2 } else { 1..40 };

fn region(bytes: usize) -> Vec<MaybeUninit<u8>> {
    vec![MaybeUninit::uninit(); bytes]
}

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

/// By both ways to make one, which are of one mind about every one.
fn config(pools: &[(usize, usize)]) -> Result<Config, ConfigError> {
    let pools: Vec<_> = pools.iter().map(|&(bytes, blocks)| PoolConfig::new(bytes, blocks)).collect();
    let made = Config::new(&pools);
    assert_eq!(made, Config::from_fn(pools.len(), |number| pools[number]));
    made
}

fn pools(config: &Config) -> Vec<(usize, usize)> {
    config.pools().iter().map(|pool| (pool.block_bytes, pool.blocks)).collect()
}

/// From 0 to about 2^`bits`, small ones as often as large ones.
fn any_size(random: &mut Random, bits: usize) -> usize {
    let limit = 1 << random.below(bits + 1);
    random.below(limit + 1)
}

/// Up to 16 KiB, one in four strictly aligned.
fn any_layout(random: &mut Random) -> Layout {
    let align = if random.below(4) == 0 { 1 << random.below(13) } else { 1 };
    layout(any_size(random, 14), align)
}

mod checking {
    use super::*;

    #[test]
    fn a_bad_one_is_refused_with_its_reason_and_what_would_fit() {
        assert_eq!(config(&[]), Err(ConfigError::NoPools));
        let too_many = MAX_POOLS + 1;
        assert_eq!(
            config(&vec![(16, 1); too_many]),
            Err(ConfigError::TooManyPools { given: too_many, max: MAX_POOLS })
        );
        let at_1 =
            |given, least| Err(ConfigError::NotAscending { pool: 1, given, least }) as Result<Config, _>;
        assert_eq!(config(&[(64, 1), (64, 1)]), at_1(64, 80));
        assert_eq!(config(&[(1024, 1), (32, 1)]), at_1(32, 1088));
        assert_eq!(config(&[(MAX_BLOCK_BYTES, 1), (16, 1)]), at_1(16, usize::MAX));
        for given in [0, MAX_BLOCKS + 1, usize::MAX] {
            let refused = Err(ConfigError::Blocks { pool: 1, given, max: MAX_BLOCKS });
            assert_eq!(config(&[(16, 1), (64, given)]), refused);
        }
    }

    #[test]
    fn a_block_size_is_good_if_and_only_if_it_is_a_class_and_the_nearest_one_is_named() {
        let nearest = |given| match config(&[(given, 1)]) {
            Ok(_) => given,
            Err(ConfigError::BlockBytes { pool: 0, given: named, nearest }) if named == given => nearest,
            other => panic!("{given}: {other:?}"),
        };
        for class in 0..CLASSES {
            let bytes = class_bytes(class);
            assert_eq!(nearest(bytes), bytes);
            assert_eq!(nearest(bytes - 1), bytes);
            assert_eq!(nearest(bytes + 1), if class + 1 < CLASSES { class_bytes(class + 1) } else { bytes });
        }
        assert_eq!(nearest(0), 16);
        assert_eq!(nearest(usize::MAX), MAX_BLOCK_BYTES);
    }

    #[test]
    fn errors_read_as_advice() {
        let says = |refused: Result<Config, ConfigError>| refused.unwrap_err().to_string();
        assert_eq!(says(config(&[(100, 1)])), "pool 0: no size class has blocks of 100 bytes; 112 would fit");
        assert_eq!(
            says(config(&[(usize::MAX, 1)])),
            format!("pool 0: no block has {} bytes; the largest has {MAX_BLOCK_BYTES}", usize::MAX)
        );
        assert_eq!(
            says(config(&[(64, 1), (64, 1)])),
            "pool 1: block sizes must rise, and 64 bytes do not; 80 or more would fit here"
        );
        assert_eq!(says(config(&[(64, 0)])), format!("pool 0: 0 blocks; a pool has 1 to {MAX_BLOCKS}"));
        assert_eq!(
            says(Config::suggest_counts(&[(layout(1, 8192), 1)])),
            "pool 0: no block is aligned to 8192 bytes; 4096 is the most"
        );
        let too_large = ConfigError::TooLarge { pool: 2, given: 9, max: 7 };
        assert_eq!(too_large.to_string(), "pool 2: 9 blocks exceed the address space; 7 would fit");
    }
}

mod sizing {
    use super::*;

    const SMALL: Config = Config::constant(&[
        PoolConfig::new(16, 3),
        PoolConfig::new(64, 70),
        PoolConfig::new(1088, 5),
        PoolConfig::new(4096, 2),
    ]);

    #[test]
    fn a_region_one_byte_too_small_is_refused_at_every_misalignment() {
        let mut memory = region(SMALL.bytes_needed() + 2 * 4096);
        let aligned = memory.as_ptr().align_offset(4096);
        let memory = &mut memory[aligned..];
        let mut most = 0;
        for offset in 0..SMALL.layout().align() {
            let nothing = Heap::new(&mut memory[offset..offset], &SMALL);
            let Err(InitError::TooSmall { needed, given: 0 }) = nothing else {
                panic!("no bytes are enough");
            };
            let refused = Heap::new(&mut memory[offset..offset + needed - 1], &SMALL).unwrap_err();
            assert_eq!(refused, InitError::TooSmall { needed, given: needed - 1 });
            assert!(Heap::new(&mut memory[offset..offset + needed], &SMALL).is_ok());
            assert!(offset > 0 || needed == SMALL.layout().size());
            most = most.max(needed);
        }
        assert_eq!(most, SMALL.bytes_needed());
    }

    #[test]
    fn metadata_takes_no_more_than_the_documentation_says() {
        let mut random = Random(3);
        for _ in 0..ROUNDS {
            // Blocks of up to 768 KiB, and 10 KiB where the address space is small.
            let classes = if usize::BITS > 32 { 200 } else { 100 };
            let mut classes: Vec<_> =
                (0..1 + random.below(MAX_POOLS)).map(|_| random.below(classes)).collect();
            classes.sort_unstable();
            classes.dedup();
            let pools: Vec<_> =
                classes.iter().map(|&class| (class_bytes(class), 1 + any_size(&mut random, 12))).collect();
            let config = config(&pools).unwrap();
            let (mut bytes, mut blocks, mut align) = (0, 0, 64);
            for &(block_bytes, count) in &pools {
                (bytes, blocks) = (bytes + block_bytes * count, blocks + count);
                align = align.max((1 << block_bytes.trailing_zeros()).min(MAX_ALIGN_BYTES));
            }
            // At least 64 bytes, and at most twice what 4,096 pages would have.
            let page = (bytes / 4096 * 2).max(64);
            let metadata = 1536 + pools.len() * 128 + blocks / 4 + 4096 + 64;
            let limit = bytes + metadata + pools.len() * page.max(align) + align;
            assert!((bytes..=limit).contains(&config.bytes_needed()), "{pools:?}");
        }
    }
}

mod default {
    use super::*;

    #[test]
    fn ten_pools_fit_4096_bytes_at_every_misalignment_and_hold_128_numbers_at_a_peak_of_512_bytes() {
        let config = Config::default();
        let mut memory = region(2 * 4096);
        for offset in (0..4096).step_by(if cfg!(miri) { 1999 } else { 1 }) {
            let mut heap = Heap::new(&mut memory[offset..offset + 4096], &config).unwrap();
            let numbers = heap.allocate_array::<i32>(128).unwrap();
            // SAFETY: nothing uses it afterwards.
            unsafe { heap.free(numbers.cast()) }.unwrap();
            let stats = heap.meter().snapshot();
            assert_eq!((stats.pools().len(), stats.peak_bytes()), (10, 512));
        }
    }
}

mod presets {
    use super::*;

    const ALL: &[Preset] = if cfg!(miri) {
        &[Preset::Embedded]
    } else {
        &[Preset::Audio, Preset::Robotics, Preset::Networking, Preset::Embedded]
    };

    #[test]
    fn every_scale_is_a_configuration() {
        for &preset in ALL {
            for bits in (0..usize::BITS).step_by(if cfg!(miri) { 21 } else { 1 }) {
                for live in [(1_usize << bits) - 1, 1 << bits, usize::MAX] {
                    let config = preset.for_live_blocks(live);
                    let blocks: usize = config.pools().iter().map(|pool| pool.blocks).sum();
                    assert!(blocks >= live.min(1 << 14), "{preset:?} of {live} has {blocks} blocks");
                }
            }
        }
    }

    /// The blocks of each pool and all larger ones.
    fn from_each_on(config: &Config) -> Vec<usize> {
        let mut sum = 0;
        let add = |pool: &PoolConfig| {
            sum += pool.blocks;
            sum
        };
        config.pools().iter().rev().map(add).collect()
    }

    #[test]
    fn more_live_blocks_never_get_fewer_of_any_size_and_larger() {
        for &preset in ALL {
            for live in (0..2000).step_by(if cfg!(miri) { 999 } else { 1 }) {
                let (fewer, more) = (preset.for_live_blocks(live), preset.for_live_blocks(live + 1));
                let pairs = from_each_on(&fewer).into_iter().zip(from_each_on(&more));
                assert!(pairs.into_iter().all(|(fewer, more)| fewer <= more), "{preset:?} of {live}");
            }
        }
    }

    #[test]
    fn what_fits_a_region_has_at_least_nine_tenths_of_the_blocks_that_could() {
        for &preset in ALL {
            for live in (0..2000).step_by(if cfg!(miri) { 1999 } else { 7 }) {
                let could = preset.for_live_blocks(live);
                let fits = preset.fitting(could.bytes_needed()).unwrap();
                assert!(fits.bytes_needed() <= could.bytes_needed());
                let blocks = |config| from_each_on(config).last().copied().unwrap();
                assert!(blocks(&fits) * 10 >= blocks(&could) * 9, "{preset:?} of {live}");
            }
        }
    }

    #[test]
    fn nothing_fits_a_region_in_which_not_every_pool_can_have_a_block() {
        for &preset in ALL {
            let least = preset.for_live_blocks(0);
            assert!(least.pools().iter().all(|pool| pool.blocks == 1));
            assert_eq!(preset.fitting(least.bytes_needed()), Some(least));
            assert_eq!(preset.fitting(least.bytes_needed() - 1), None);
            assert_eq!(preset.fitting(0), None);
            assert!(preset.fitting(usize::MAX).is_some());
        }
    }

    #[test]
    fn the_smallest_one_serves_its_largest_request() {
        for &preset in ALL {
            let config = preset.fitting(preset.for_live_blocks(0).bytes_needed()).unwrap();
            let mut memory = region(config.bytes_needed());
            let mut heap = Heap::new(&mut memory, &config).unwrap();
            let largest = config.pools().last().unwrap().block_bytes;
            assert!(heap.allocate(layout(largest, 1)).is_ok());
        }
    }
}

mod suggesting {
    use super::*;

    #[test]
    fn listed_sizes_are_rounded_up_and_those_listed_twice_have_twice_the_blocks() {
        let suggested = Config::suggest(&[1024, 60, 0, 64, usize::MIN, 1000], 20).unwrap();
        assert_eq!(pools(&suggested), [(16, 40), (64, 40), (1024, 40)]);
    }

    #[test]
    fn sizes_that_differ_by_little_share_a_pool() {
        assert_eq!(pools(&Config::suggest(&[64, 80, 1024], 4).unwrap()), [(80, 8), (1024, 4)]);
        assert_eq!(pools(&Config::suggest(&[64, 80, 1024], 40).unwrap()), [(64, 40), (80, 40), (1024, 40)]);
    }

    #[test]
    fn sharing_never_costs_memory() {
        let mut random = Random(11);
        for _ in 0..ROUNDS {
            let counts: Vec<_> = (0..1 + random.below(12))
                .map(|_| (any_layout(&mut random), 1 + any_size(&mut random, 6)))
                .collect();
            let mut pools = std::collections::BTreeMap::new();
            for (layout, blocks) in &counts {
                *pools.entry(block_bytes_for(layout.size(), layout.align())).or_insert(0) += blocks;
            }
            let separate = config(&pools.into_iter().collect::<Vec<_>>()).unwrap();
            let shared = Config::suggest_counts(&counts).unwrap();
            // Pools are joined by an estimate of what one costs.
            assert!(shared.bytes_needed() <= separate.bytes_needed() + 256, "{counts:?}");
        }
    }

    #[test]
    fn all_that_was_counted_is_served_at_once_without_borrowing() {
        let mut random = Random(7);
        for _ in 0..ROUNDS {
            // Up to 300 layouts: more classes than pools.
            let counts: Vec<_> = (0..1 + random.below(300))
                .map(|_| (any_layout(&mut random), 1 + any_size(&mut random, 4)))
                .collect();
            let config = Config::suggest_counts(&counts).unwrap().with_borrow(Borrow::Never);
            let mut memory = region(config.bytes_needed());
            let mut heap = Heap::new(&mut memory, &config).unwrap();
            for &(layout, blocks) in &counts {
                for _ in 0..blocks {
                    assert!(heap.allocate(layout).is_ok(), "{layout:?} of {counts:?}");
                }
            }
        }
    }

    #[test]
    fn a_pool_that_is_shared_is_aligned_enough_for_all() {
        let counts = [(layout(128, 128), 1), (layout(144, 16), 1)];
        assert_eq!(pools(&Config::suggest_counts(&counts).unwrap()), [(128, 1), (144, 1)]);
        let counts = [(layout(128, 128), 1), (layout(240, 16), 1)];
        assert_eq!(pools(&Config::suggest_counts(&counts).unwrap()), [(256, 2)]);
    }

    #[test]
    fn what_no_heap_could_serve_is_refused_with_its_place_in_the_list() {
        assert_eq!(Config::suggest(&[], 1), Err(ConfigError::NoPools));
        assert_eq!(Config::suggest(&[64], 0), Err(ConfigError::NoPools));
        for given in [MAX_BLOCK_BYTES + 1, usize::MAX] {
            let refused = ConfigError::BlockBytes { pool: 1, given, nearest: MAX_BLOCK_BYTES };
            assert_eq!(Config::suggest(&[64, given], 1), Err(refused));
        }
        let refused = ConfigError::AlignBytes { pool: 1, given: 8192, max: MAX_ALIGN_BYTES };
        let counts = [(layout(1, 1), 1), (layout(8192, 8192), 1)];
        assert_eq!(Config::suggest_counts(&counts), Err(refused));
        let refused = ConfigError::Blocks { pool: 0, given: usize::MAX, max: MAX_BLOCKS };
        assert_eq!(Config::suggest(&[64, 64], usize::MAX), Err(refused));
    }
}

mod profiling {
    use super::*;

    #[test]
    fn it_knows_the_largest_request_the_peak_and_what_rounding_costs() {
        let mut profile = Profile::new();
        profile.allocated(layout(100, 4));
        profile.allocated(layout(1000, 4));
        profile.freed(layout(1000, 4));
        profile.allocated(layout(10, 4));
        assert_eq!(profile.largest_request_bytes(), 1000);
        assert_eq!((profile.live_bytes(), profile.peak_live_bytes()), (110, 1100));
        assert_eq!((profile.requested_bytes(), profile.block_bytes()), (1110, 112 + 1024 + 16));
    }

    #[test]
    fn what_no_block_could_serve_is_only_remembered_as_the_largest_request() {
        let mut profile = Profile::new();
        let absurd = [layout(MAX_BLOCK_BYTES + 1, 1), layout(1, 8192), layout(isize::MAX.unsigned_abs(), 1)];
        for layout in absurd {
            profile.allocated(layout);
            profile.freed(layout);
        }
        assert_eq!(profile.largest_request_bytes(), isize::MAX.unsigned_abs());
        assert_eq!((profile.requested_bytes(), profile.peak_live_bytes()), (0, 0));
        assert_eq!(profile.suggest(Borrow::Larger, 5), Err(ConfigError::NoPools));
    }

    #[test]
    fn frees_of_what_was_never_noted_change_nothing() {
        let mut profile = Profile::new();
        profile.freed(layout(64, 1));
        profile.allocated(layout(64, 1));
        profile.freed(layout(4096, 1));
        assert_eq!(pools(&profile.suggest(Borrow::Larger, 0).unwrap()), [(64, 1)]);
    }

    #[test]
    fn classes_that_peak_in_turn_share_blocks_if_they_may_borrow() {
        let mut profile = Profile::new();
        for bytes in [1024, 4096] {
            (0..10).for_each(|_| profile.allocated(layout(bytes, 1)));
            (0..10).for_each(|_| profile.freed(layout(bytes, 1)));
        }
        assert_eq!(pools(&profile.suggest(Borrow::Larger, 0).unwrap()), [(4096, 10)]);
        assert_eq!(pools(&profile.suggest(Borrow::Never, 0).unwrap()), [(1024, 10), (4096, 10)]);
    }

    #[test]
    fn strictly_aligned_requests_share_only_blocks_that_are_as_aligned() {
        let suggested = |larger| {
            let mut profile = Profile::new();
            for (layout, blocks) in [(layout(256, 256), 4), (larger, 8)] {
                (0..blocks).for_each(|_| profile.allocated(layout));
                (0..blocks).for_each(|_| profile.freed(layout));
            }
            pools(&profile.suggest(Borrow::Larger, 0).unwrap())
        };
        assert_eq!(suggested(layout(512, 512)), [(512, 8)]);
        assert_eq!(suggested(layout(288, 16)), [(256, 4), (288, 8)]);
    }

    #[test]
    fn headroom_is_added_to_every_class_and_rounded_up() {
        let mut profile = Profile::new();
        (0..10).for_each(|_| profile.allocated(layout(64, 1)));
        (0..5).for_each(|_| profile.allocated(layout(1024, 1)));
        for borrow in [Borrow::Larger, Borrow::Never] {
            assert_eq!(pools(&profile.suggest(borrow, 11).unwrap()), [(64, 12), (1024, 6)]);
        }
        let absurd = profile.suggest(Borrow::Never, u32::MAX);
        assert!(matches!(absurd, Err(ConfigError::Blocks { .. })));
    }

    /// Random requests and frees: `each` is told of every one, and says what became of a request.
    fn run<B: Copy>(seed: u64, mut allocated: impl FnMut(Layout) -> B, mut freed: impl FnMut(Layout, B)) {
        let mut random = Random(seed);
        let mut live = Vec::new();
        let rounds = if cfg!(miri) { 30 } else { 2000 };
        for _ in 0..rounds {
            if live.is_empty() || random.below(100) < 52 {
                let layout = any_layout(&mut random);
                live.push((layout, allocated(layout)));
            } else {
                let (layout, block) = live.swap_remove(random.below(live.len()));
                freed(layout, block);
            }
        }
    }

    fn profile(seed: u64) -> Profile {
        let mut profile = Profile::new();
        let both = core::cell::RefCell::new(&mut profile);
        run(seed, |layout| both.borrow_mut().allocated(layout), |layout, ()| both.borrow_mut().freed(layout));
        profile
    }

    /// The refusals of the same requests.
    fn refusals(seed: u64, config: &Config) -> Vec<AllocError> {
        let mut memory = region(config.bytes_needed());
        let heap = core::cell::RefCell::new(Heap::new(&mut memory, config).unwrap());
        let mut refused = Vec::new();
        run(
            seed,
            |layout| heap.borrow_mut().allocate(layout).map_err(|error| refused.push(error)).ok(),
            // SAFETY: nothing uses it afterwards.
            |_, block| block.map_or((), |block| unsafe { heap.borrow_mut().free(block) }.unwrap()),
        );
        refused
    }

    #[test]
    fn without_borrowing_the_same_requests_are_all_served_again() {
        for seed in SEEDS {
            let config = profile(seed).suggest(Borrow::Never, 0).unwrap();
            assert_eq!(refusals(seed, &config), [], "seed {seed}");
        }
    }

    #[test]
    fn with_borrowing_every_layout_has_blocks_and_little_is_missing() {
        for seed in SEEDS {
            let config = profile(seed).suggest(Borrow::Larger, 0).unwrap();
            let refused = refusals(seed, &config);
            assert!(refused.iter().all(|error| matches!(error, AllocError::Exhausted { .. })), "{refused:?}");
            // Of a thousand.
            assert!(refused.len() < 40, "seed {seed}: {}", refused.len());
        }
    }

    #[test]
    fn borrowing_saves_memory() {
        for seed in SEEDS {
            let profile = profile(seed);
            let needed = |borrow| profile.suggest(borrow, 0).unwrap().bytes_needed();
            assert!(needed(Borrow::Larger) < needed(Borrow::Never), "seed {seed}");
        }
    }

    /// What joint peaks stand for: they are enough whenever no small request came before a large one.
    #[test]
    fn joint_peaks_serve_every_moment_whose_largest_requests_come_first() {
        for seed in SEEDS {
            let mut random = Random(seed);
            let moments: Vec<Vec<_>> = (0..6)
                .map(|_| {
                    let mut sizes: Vec<_> = (0..60).map(|_| any_size(&mut random, 14)).collect();
                    sizes.sort_unstable_by(|a, b| b.cmp(a));
                    sizes
                })
                .collect();
            let mut profile = Profile::new();
            for moment in &moments {
                moment.iter().for_each(|&size| profile.allocated(layout(size, 1)));
                moment.iter().for_each(|&size| profile.freed(layout(size, 1)));
            }
            let config = profile.suggest(Borrow::Larger, 0).unwrap();
            let mut memory = region(config.bytes_needed());
            let mut heap = Heap::new(&mut memory, &config).unwrap();
            for moment in &moments {
                let blocks: Vec<_> =
                    moment.iter().map(|&size| heap.allocate(layout(size, 1)).unwrap()).collect();
                // SAFETY: nothing uses them afterwards.
                blocks.into_iter().for_each(|block| unsafe { heap.free(block) }.unwrap());
            }
        }
    }

    #[cfg(feature = "alloc")]
    #[test]
    fn what_is_suggested_from_a_trace_serves_it() {
        use detalloc::{Observed, trace};
        let ample = config(&[(1024, 1500), (16_384, 1500)]).unwrap();
        for seed in SEEDS.take(9) {
            let (mut memory, mut record) = (region(ample.bytes_needed()), vec![0; 100_000]);
            let recorder = trace::Recorder::new(&mut record).unwrap();
            let heap = Observed::new(Heap::new(&mut memory, &ample).unwrap(), recorder);
            let heap = core::cell::RefCell::new(heap);
            run(
                seed,
                |layout| heap.borrow_mut().allocate(layout).unwrap(),
                // SAFETY: nothing uses it afterwards.
                |_, block| unsafe { heap.borrow_mut().free(block) }.unwrap(),
            );
            let heap = heap.into_inner();
            let (config, replay) = trace::suggest(heap.observer().trace()).unwrap();
            assert!(replay.fits() && replay.lost == 0);
            assert_eq!(replay.bytes_needed, config.bytes_needed());
            assert_eq!(refusals(seed, &config), [], "seed {seed}");
        }
    }
}

mod worst_case {
    use super::*;

    const LIVE: usize = 4096;
    const REQUEST: usize = 600;

    #[test]
    fn its_blocks_are_those_of_the_formula() {
        let config = Config::worst_case(LIVE, REQUEST).unwrap();
        let mut below = 0;
        for pool in config.pools() {
            assert_eq!(pool.blocks, LIVE / (below + 1));
            below = pool.block_bytes;
        }
        assert_eq!(below, 1024);
        assert_eq!(config.borrow(), Borrow::Never);
        assert_eq!(Config::worst_case_bytes(LIVE, REQUEST), Ok(config.bytes_needed()));
    }

    #[test]
    fn nothing_is_ever_refused_within_the_limits() {
        let config = Config::worst_case(LIVE, REQUEST).unwrap();
        let mut memory = region(config.bytes_needed());
        let seeds = if cfg!(miri) { 2 } else { 60 };
        for seed in 1..seeds {
            let mut heap = Heap::new(&mut memory, &config).unwrap();
            let mut random = Random(seed);
            let mut live: Vec<(NonNull<u8>, usize)> = Vec::new();
            let mut live_bytes = 0;
            // A few sizes, so that each pool meets its worst.
            let mut sizes = [1, REQUEST, 17];
            let steps = if cfg!(miri) { 300 } else { 3000 };
            for step in 0..steps {
                if step % 200 == 0 {
                    sizes = [random.below(REQUEST + 1), (1 << random.below(10)) + 1, random.below(20)];
                }
                let size = sizes[random.below(3)].min(REQUEST);
                let counts = size.max(1);
                while live_bytes + counts > LIVE {
                    let (block, bytes) = live.swap_remove(random.below(live.len()));
                    // SAFETY: nothing uses it afterwards.
                    unsafe { heap.free(block) }.unwrap();
                    live_bytes -= bytes;
                }
                let align = counts.next_power_of_two() >> random.below(2);
                live.push((heap.allocate(layout(size, align.max(1))).unwrap(), counts));
                live_bytes += counts;
            }
        }
    }

    #[test]
    fn each_pool_can_be_used_up_within_the_limits() {
        let config = Config::worst_case(LIVE, REQUEST).unwrap();
        let mut memory = region(config.bytes_needed());
        let mut below = 0;
        for pool in config.pools() {
            let mut heap = Heap::new(&mut memory, &config).unwrap();
            for _ in 0..LIVE / (below + 1) {
                heap.allocate(layout(below + 1, 1)).unwrap();
            }
            assert_eq!(
                heap.allocate(layout(below + 1, 1)),
                Err(AllocError::Exhausted { block_bytes: pool.block_bytes })
            );
            below = pool.block_bytes;
        }
    }

    #[test]
    fn limits_without_an_answer_are_refused() {
        assert!(matches!(Config::worst_case(0, 0), Err(ConfigError::Blocks { given: 0, .. })));
        assert!(matches!(Config::worst_case(0, 64), Err(ConfigError::Blocks { given: 0, .. })));
        assert!(matches!(Config::worst_case(usize::MAX, 64), Err(ConfigError::Blocks { .. })));
        let given = MAX_BLOCK_BYTES + 1;
        let refused = ConfigError::BlockBytes { pool: 0, given, nearest: MAX_BLOCK_BYTES };
        assert_eq!(Config::worst_case(usize::MAX, given), Err(refused));
        assert_eq!(Config::worst_case_bytes(usize::MAX, given), Err(refused));
    }

    #[test]
    fn a_request_cannot_exceed_what_may_be_live() {
        assert_eq!(Config::worst_case(100, usize::MAX), Config::worst_case(100, 100));
    }
}
