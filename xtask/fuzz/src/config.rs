//! Configurations from any numbers: never a panic; what is refused is refused for what it says, and what is accepted gives
//! exactly what it says.

use crate::{heap, input::Input, world::region};
use core::{alloc::Layout, mem::MaybeUninit, ptr::NonNull};
use detalloc::{
    AllocError, Allocate, Borrow, Config, ConfigError, Heap, InitError, MAX_ALIGN_BYTES, MAX_BLOCKS,
    MAX_POOLS, PoolConfig, Preset, Profile, class,
};
use detalloc_audio::AudioBudget;

/// What is built and filled: larger ones are only looked at.
const MOST_BYTES: usize = 1 << 18;

/// Runs one input.
///
/// # Panics
/// If a configuration is not what it says.
#[must_use]
pub fn run(data: &[u8]) -> u64 {
    let mut input = Input::new(data);
    let mut operations = 0;
    while !input.is_empty() {
        operations += match input.byte() % 8 {
            0 | 1 => of_any_numbers(&mut input),
            2 => suggested(&mut input),
            3 => profiled(&mut input),
            4 => worst_case(&mut input),
            5 => preset(&mut input),
            6 => classes(&mut input),
            _ => budget(&mut input),
        };
    }
    operations
}

/// Numbers that are often right.
fn pools(input: &mut Input<'_>) -> Vec<PoolConfig> {
    let kind = input.byte();
    let count = if kind == 0xFF { MAX_POOLS + usize::from(input.flag()) } else { usize::from(kind % 8) };
    let mut pools: Vec<PoolConfig> = Vec::new();
    for number in 0..count {
        let choice = input.byte();
        let block_bytes = match choice % 8 {
            0 => input.size(),
            1..=3 => class::class_bytes(input.below(class::CLASSES)),
            _ => pools.last().map_or(16, |before| before.block_bytes.saturating_add(16)),
        };
        let blocks = if choice & 0x18 == 0 { input.size() } else { 1 + number };
        pools.push(PoolConfig::new(block_bytes, blocks));
    }
    if kind & 8 == 0 {
        pools.sort_unstable_by_key(|pool| pool.block_bytes);
    }
    pools
}

fn of_any_numbers(input: &mut Input<'_>) -> u64 {
    let pools = pools(input);
    match Config::new(&pools) {
        Ok(config) => {
            assert_eq!(config.pools(), pools);
            let guarded = config.with_guards();
            assert_eq!(guarded.pools().len(), pools.len());
            whole(&config, input) + whole(&guarded, input)
        }
        Err(error) => {
            is_right(&pools, error);
            1
        }
    }
}

/// That an error names what is wrong, and that what it offers instead would be right.
fn is_right(pools: &[PoolConfig], error: ConfigError) {
    let with = |number: usize, pool: PoolConfig| {
        let mut pools = pools[..=number].to_vec();
        pools[number] = pool;
        Config::new(&pools)
    };
    match error {
        ConfigError::NoPools => assert!(pools.is_empty()),
        ConfigError::TooManyPools { given, max } => {
            assert!(given == pools.len() && given > max && max == MAX_POOLS);
        }
        ConfigError::BlockBytes { pool, given, nearest } => {
            assert!(given == pools[pool].block_bytes && class::block_bytes_for(nearest, 1) == nearest);
            let better = with(pool, PoolConfig::new(nearest, 1));
            assert!(!matches!(better, Err(ConfigError::BlockBytes { .. })), "{nearest} instead of {given}");
        }
        ConfigError::NotAscending { pool, given, least } => {
            assert!(given <= pools[pool - 1].block_bytes && least > pools[pool - 1].block_bytes);
            if least <= class::MAX_BLOCK_BYTES {
                let better = with(pool, PoolConfig::new(least, 1));
                assert!(matches!(better, Ok(_) | Err(ConfigError::TooLarge { .. })), "{least}: {better:?}");
            }
        }
        ConfigError::Blocks { pool, given, max } => {
            assert!(given == pools[pool].blocks && max == MAX_BLOCKS && !(1..=max).contains(&given));
        }
        ConfigError::TooLarge { pool, given, max } => {
            assert!(given == pools[pool].blocks && max < given);
            let of = |blocks| with(pool, PoolConfig::new(pools[pool].block_bytes, blocks));
            assert!(max == 0 || of(max).is_ok(), "{max} blocks would fit");
            assert!(of(max + 1).is_err(), "{} blocks would fit too", max + 1);
        }
        ConfigError::AlignBytes { .. } => panic!("a configuration has no alignments"),
    }
}

/// That a heap of this configuration has every block that it says, in a region that is as large as it says and no larger.
fn whole(config: &Config, input: &mut Input<'_>) -> u64 {
    let bytes = config.bytes_needed();
    let blocks: usize = config.pools().iter().map(|pool| pool.blocks * pool.block_bytes).sum();
    let layout = config.layout();
    assert!(layout.size() >= blocks && bytes >= layout.size() && bytes - layout.size() < layout.align());
    if bytes > MOST_BYTES {
        return 1;
    }
    let mut memory = Vec::new();
    let whole = region(&mut memory, bytes, usize::from(input.byte() % 128));
    let Err(InitError::TooSmall { needed, given: 0 }) = Heap::new(&mut whole[..0], config) else {
        panic!("no bytes are enough");
    };
    assert!(needed <= bytes && needed >= layout.size() - layout.align());
    for given in [needed - 1, input.below(needed)] {
        let refused = Heap::new(&mut whole[..given], config).err();
        assert_eq!(refused, Some(InitError::TooSmall { needed, given }));
    }
    let whole = &mut whole[..needed];
    let addresses = whole.as_ptr_range();
    let addresses = addresses.start.addr()..=addresses.end.addr();
    let mut heap = Heap::new(whole, &config.with_borrow(Borrow::Never)).expect("as large as it says");
    let mut operations = 1;
    for pool in config.pools() {
        let natural = 1 << pool.block_bytes.trailing_zeros();
        let layout = Layout::from_size_align(pool.block_bytes, MAX_ALIGN_BYTES.min(natural)).expect("small");
        for _ in 0..pool.blocks {
            let block = heap.allocate(layout);
            assert!(block.is_ok(), "{} blocks of {} bytes", pool.blocks, pool.block_bytes);
            let inside = |block: NonNull<u8>| {
                let start = block.as_ptr().addr();
                addresses.contains(&start) && addresses.contains(&(start + pool.block_bytes))
            };
            assert!(block.is_ok_and(inside), "outside the region");
            operations += 1;
        }
        let refused = AllocError::Exhausted { block_bytes: pool.block_bytes };
        assert_eq!(heap.allocate(layout), Err(refused));
    }
    assert_eq!(heap.validate(), Ok(()));
    operations
}

fn layout(input: &mut Input<'_>) -> Layout {
    let size = if input.one_in(16) { input.size() } else { input.below(4096) };
    Layout::from_size_align(size, 1 << (input.byte() % 14)).unwrap_or(Layout::new::<u64>())
}

/// Suggestions serve what they were made for, all at once.
fn suggested(input: &mut Input<'_>) -> u64 {
    let most = if input.one_in(16) { usize::MAX } else { 20 };
    let counts: Vec<(Layout, usize)> =
        (0..input.byte() % 24).map(|_| (layout(input), input.size().min(most))).collect();
    let sizes: Vec<usize> = counts.iter().map(|(layout, _)| layout.size()).collect();
    let each = input.size().min(most);
    if let Ok(config) = Config::suggest(&sizes, each) {
        let all = sizes.iter().map(|&size| (Layout::from_size_align(size, 1).expect("it was one"), each));
        serves(&config, all);
    }
    match Config::suggest_counts(&counts) {
        Ok(config) => serves(&config, counts.iter().copied()),
        Err(ConfigError::AlignBytes { pool, given, max }) => {
            assert!(counts[pool].0.align() == given && given > max);
            1
        }
        Err(ConfigError::BlockBytes { pool, given, nearest }) => {
            assert!(counts[pool].0.size() == given && nearest == class::MAX_BLOCK_BYTES);
            1
        }
        Err(ConfigError::NoPools) => {
            assert!(counts.iter().all(|(_, blocks)| *blocks == 0));
            1
        }
        Err(ConfigError::Blocks { .. } | ConfigError::TooLarge { .. }) => 1,
        Err(other) => panic!("{other}"),
    }
}

fn serves(config: &Config, requests: impl Iterator<Item = (Layout, usize)>) -> u64 {
    assert!(config.pools().len() <= MAX_POOLS);
    if config.bytes_needed() > MOST_BYTES {
        return 1;
    }
    let mut region = vec![MaybeUninit::new(0); config.bytes_needed()];
    let mut heap = Heap::new(&mut region, &config.with_borrow(Borrow::Never)).expect("as large as it says");
    let mut operations = 1;
    for (layout, blocks) in requests {
        for _ in 0..blocks {
            assert!(heap.allocate(layout).is_ok(), "{layout:?} is not served by {:?}", config.pools());
            operations += 1;
        }
    }
    operations
}

/// Without borrowing, a profile serves again what was noted.
fn profiled(input: &mut Input<'_>) -> u64 {
    let mut profile = Profile::new();
    let mut done: Vec<Result<Layout, usize>> = Vec::new();
    let mut live: Vec<Layout> = Vec::new();
    for _ in 0..input.byte() {
        if input.flag() && !live.is_empty() {
            let at = input.below(live.len());
            profile.freed(live.swap_remove(at));
            done.push(Err(at));
        } else {
            let layout = layout(input);
            profile.allocated(layout);
            live.push(layout);
            done.push(Ok(layout));
        }
    }
    let percent = if input.one_in(8) { u32::try_from(input.size()).unwrap_or(u32::MAX) } else { 0 };
    for borrow in [Borrow::Larger, Borrow::Never] {
        let Ok(config) = profile.suggest(borrow, percent) else { continue };
        assert_eq!(config.borrow(), borrow);
        if borrow == Borrow::Larger || config.bytes_needed() > MOST_BYTES {
            continue;
        }
        let mut region = vec![MaybeUninit::new(0); config.bytes_needed()];
        let mut heap = Heap::new(&mut region, &config).expect("as large as it says");
        let mut live = Vec::new();
        for step in &done {
            match *step {
                Ok(layout) => {
                    let served = heap.allocate(layout);
                    let possible = class::class_of(layout.size(), layout.align()) < class::CLASSES
                        && layout.align() <= MAX_ALIGN_BYTES;
                    assert_eq!(served.is_ok(), possible, "{layout:?} on {:?}", config.pools());
                    live.push(served.ok());
                }
                Err(at) => {
                    if let Some(block) = live.swap_remove(at) {
                        // SAFETY: live, and not used afterwards.
                        assert_eq!(unsafe { heap.free(block) }, Ok(()));
                    }
                }
            }
        }
    }
    1 + done.len() as u64
}

/// Whatever a program does within its limits, it is never refused.
fn worst_case(input: &mut Input<'_>) -> u64 {
    let any = input.one_in(4);
    let mut number = |most: usize| if any { input.size() } else { input.below(most) };
    let (live_bytes, request_bytes) = (number(4096), number(600));
    let config = match Config::worst_case(live_bytes, request_bytes) {
        Ok(config) => config,
        Err(error) => {
            assert_eq!(Config::worst_case_bytes(live_bytes, request_bytes), Err(error));
            return 1;
        }
    };
    assert_eq!(Config::worst_case_bytes(live_bytes, request_bytes), Ok(config.bytes_needed()));
    if config.bytes_needed() > MOST_BYTES {
        return 1;
    }
    let mut region = vec![MaybeUninit::new(0); config.bytes_needed()];
    let mut heap = Heap::new(&mut region, &config).expect("as large as it says");
    let (mut live, mut sum, mut operations) = (Vec::new(), 0, 1);
    for _ in 0..input.byte() {
        operations += 1;
        let size = 1 + input.below(request_bytes.max(1));
        if size <= request_bytes && sum + size <= live_bytes {
            let align = (1 << (input.byte() % 13)).min(size.next_power_of_two()).min(MAX_ALIGN_BYTES);
            let layout = Layout::from_size_align(size, align).expect("small");
            live.push((heap.allocate(layout).expect("within the limits"), size));
            sum += size;
        } else if !live.is_empty() {
            let (block, size) = live.swap_remove(input.below(live.len()));
            // SAFETY: live, and not used afterwards.
            assert_eq!(unsafe { heap.free(block) }, Ok(()));
            sum -= size;
        }
    }
    operations
}

fn preset(input: &mut Input<'_>) -> u64 {
    let preset = [Preset::Audio, Preset::Robotics, Preset::Networking, Preset::Embedded][input.below(4)];
    let blocks = input.size();
    let config = preset.for_live_blocks(blocks);
    let live: usize = config.pools().iter().map(|pool| pool.blocks).sum();
    assert!(live >= blocks.min(1 << 14));
    let bytes = input.size();
    match preset.fitting(bytes) {
        Some(config) => assert!(config.bytes_needed() <= bytes),
        None => assert!(preset.for_live_blocks(0).bytes_needed() > bytes),
    }
    2
}

fn classes(input: &mut Input<'_>) -> u64 {
    let (size, align) = (input.size(), 1_usize << (input.byte() % 64));
    let class = class::class_of(size, align);
    let bytes = class::block_bytes_for(size, align);
    if class < class::CLASSES && align <= MAX_ALIGN_BYTES {
        assert_eq!(class::class_bytes(class), bytes);
        assert!(bytes >= size && bytes.is_multiple_of(align), "{size} bytes aligned to {align}: {bytes}");
        let rounded = size.max(1).next_multiple_of(align);
        assert!(bytes - rounded <= 15.max(rounded / 16), "{size} bytes aligned to {align} take {bytes}");
    }
    // Any layout is served or refused with its own numbers.
    let config = heap::config(input, 0);
    let mut region = vec![MaybeUninit::new(0); config.bytes_needed()];
    let mut heap = Heap::new(&mut region, &config).expect("as large as it says");
    let Ok(layout) = Layout::from_size_align(size, align) else { return 1 };
    if let Err(error) = heap.allocate(layout) {
        assert_eq!(error, AllocError::Unsupported { size_bytes: size, align_bytes: align });
    }
    2
}

/// Budgets of any numbers.
fn budget(input: &mut Input<'_>) -> u64 {
    let rate = if input.flag() { 48_000.0 } else { f64::from_bits(input.word()) };
    let frames = u32::try_from(input.number()).unwrap_or(u32::MAX);
    let mut budget = AudioBudget::new(rate, frames);
    for _ in 0..input.byte() % 8 {
        let (one, other) = (input.size(), input.size());
        budget = match input.byte() % 12 {
            0 => budget.objects::<[u64; 9]>(one),
            1 => budget.slices::<f32>(one, other),
            2 => budget.tailed::<u64, f32>(one, other),
            3 => budget.events::<[u8; 3]>(one),
            4 => budget.map::<u32, u64>(one),
            5 => budget.scratch::<f64>(one),
            6 => budget.voices(one, |voice| voice.objects::<u64>(other).scratch::<f32>(one)),
            7 => budget.headroom_percent(u32::try_from(one).unwrap_or(u32::MAX)),
            8 => budget.recorded(&pools(input)),
            9 => budget.shared::<[f32; 3]>(one),
            10 => budget.audio_buffers(one),
            _ => budget.foreign(one).top_up(other),
        };
    }
    match budget.config() {
        Ok(config) => whole(&config, input),
        Err(error) => {
            assert!(!error.to_string().is_empty());
            1
        }
    }
}
