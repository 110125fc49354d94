//! Collections in a heap, by each of the allocator traits whose feature is on.
#![cfg(any(
    feature = "allocator-api2",
    feature = "allocator-api2-03",
    feature = "allocator-api2-04",
    feature = "nightly"
))]
#![cfg_attr(feature = "nightly", feature(allocator_api))]

use core::mem::MaybeUninit;
use detalloc::{Config, Event, Heap, Local, Observer, PoolConfig};
use random::Random;

#[path = "common/random.rs"]
mod random;

const CONFIG: Config = Config::constant(&[
    PoolConfig::new(16, 8),
    PoolConfig::new(64, 8),
    PoolConfig::new(256, 4),
    PoolConfig::new(1024, 2),
]);

const STEPS: usize = if cfg!(miri) { 60 } else { 20_000 };

/// A value without bytes, and with an alignment that no pool has.
#[repr(align(8192))]
struct Aligned;

/// How many operations reached the heap, refused ones included.
struct Operations(usize);

impl Observer for Operations {
    type Start = ();
    fn start(&mut self) {}
    fn observe(&mut self, (): (), _: &Event) {
        self.0 += 1;
    }
}

macro_rules! promises {
    ($module:ident, $boxed:path, $vec:path, $allocator:path) => {
        mod $module {
            use super::{Aligned, CONFIG, Config, Heap, Local, MaybeUninit, Operations, Random, STEPS};
            use core::{alloc::Layout, ptr::NonNull};
            use detalloc::{Observed, guard::Guarded};
            use $allocator as Allocator;
            use $boxed as Box;
            use $vec as Vec;

            #[test]
            fn vectors_grow_in_place_while_the_block_has_room_and_move_with_their_contents() {
                let mut region = [MaybeUninit::uninit(); CONFIG.bytes_needed()];
                let heap = Local::new(Heap::new(&mut region, &CONFIG).unwrap());
                let mut numbers = Vec::new_in(&heap);
                numbers.try_reserve_exact(10).unwrap();
                numbers.extend_from_slice(&[7_u32; 10]);
                let first = numbers.as_ptr();
                numbers.try_reserve_exact(6).unwrap();
                assert_eq!(numbers.as_ptr(), first);
                numbers.try_reserve_exact(30).unwrap();
                assert_ne!(numbers.as_ptr(), first);
                assert_eq!(numbers.as_slice(), [7; 10]);
                numbers.shrink_to_fit();
                assert_eq!(heap.with(|heap| heap.live_blocks()), Some(1));
                drop(numbers);
                assert_eq!(heap.with(|heap| (heap.live_blocks(), heap.validate())), Some((0, Ok(()))));
            }

            #[test]
            fn exhaustion_is_an_error_and_changes_nothing() {
                let mut region = [MaybeUninit::uninit(); CONFIG.bytes_needed()];
                let heap = Local::new(Heap::new(&mut region, &CONFIG).unwrap());
                let mut bytes = Vec::new_in(&heap);
                bytes.try_reserve_exact(1000).unwrap();
                bytes.push(1_u8);
                let before = (bytes.as_ptr(), bytes.capacity());
                assert!(bytes.try_reserve_exact(2000).is_err());
                assert!(bytes.try_reserve_exact(usize::MAX).is_err());
                assert_eq!((bytes.as_ptr(), bytes.capacity()), before);
                assert_eq!(bytes.as_slice(), [1]);
                assert_eq!(heap.with(|heap| heap.live_blocks()), Some(1));
                let boxes: std::vec::Vec<_> =
                    (0..30).map_while(|n| Box::try_new_in([n; 2], &heap).ok()).collect();
                assert_eq!(boxes.len(), 8 + 8 + 4 + 1, "every block of every pool");
                assert!(boxes.iter().zip(0..).all(|(pair, n)| **pair == [n; 2]));
                assert_eq!(heap.with(Heap::validate), Some(Ok(())));
            }

            #[test]
            fn what_has_no_bytes_takes_no_block_and_gives_none_back() {
                let mut region = [MaybeUninit::uninit(); CONFIG.bytes_needed()];
                let heap = Local::new(Observed::new(Heap::new(&mut region, &CONFIG).unwrap(), Operations(0)));
                drop(Box::try_new_in((), &heap).unwrap());
                drop(Box::try_new_in(Aligned, &heap).unwrap());
                let mut nothings = Vec::new_in(&heap);
                nothings.try_reserve_exact(usize::MAX).unwrap();
                nothings.push(());
                drop(nothings);
                assert_eq!(heap.into_inner().observer().0, 0);
            }

            #[test]
            fn blocks_keep_to_a_model_through_every_change_of_size_and_alignment() {
                const GUARDED: Config = CONFIG.with_guards();
                let mut region = [MaybeUninit::uninit(); GUARDED.bytes_needed()];
                let heap = Local::new(Guarded::<Heap<'_>>::new(&mut region, &GUARDED).unwrap());
                let mut random = Random(1);
                // What there is, and the byte that fills it.
                let mut blocks = std::vec::Vec::<(NonNull<u8>, Layout, u8)>::new();
                for fill in (1..=u8::MAX).cycle().take(STEPS) {
                    let bytes = if random.below(4) == 0 { 0 } else { random.below(300) };
                    let layout = Layout::from_size_align(bytes, 1 << random.below(9)).unwrap();
                    let zeroed = random.below(2) == 0;
                    let old = (random.below(3) != 0 && !blocks.is_empty())
                        .then(|| blocks.swap_remove(random.below(blocks.len())));
                    // SAFETY: every block in the list is live and has its layout; it is taken out before it changes.
                    unsafe {
                        let (result, kept) = match old {
                            None if zeroed => (heap.allocate_zeroed(layout), 0),
                            None => (heap.allocate(layout), layout.size()),
                            Some((block, old, _)) if random.below(4) == 0 => {
                                heap.deallocate(block, old);
                                continue;
                            }
                            Some((block, old, _)) if layout.size() < old.size() => {
                                (heap.shrink(block, old, layout), layout.size())
                            }
                            Some((block, old, _)) if zeroed => {
                                (heap.grow_zeroed(block, old, layout), old.size())
                            }
                            Some((block, old, _)) => (heap.grow(block, old, layout), layout.size()),
                        };
                        let Ok(block) = result else {
                            // A refusal leaves the block as it was.
                            if let Some((block, old, was)) = old {
                                assert!((0..old.size()).all(|at| block.add(at).read() == was));
                                blocks.push((block, old, was));
                            }
                            continue;
                        };
                        assert_eq!(
                            (block.len(), block.cast::<u8>().addr().get() % layout.align()),
                            (layout.size(), 0)
                        );
                        let block = block.cast::<u8>();
                        if let Some((_, old, was)) = old {
                            let shared = old.size().min(layout.size());
                            assert!((0..shared).all(|at| block.add(at).read() == was));
                        }
                        assert!((kept..layout.size()).all(|at| block.add(at).read() == 0));
                        block.write_bytes(fill, layout.size());
                        blocks.push((block, layout, fill));
                    }
                    let live = blocks.iter().filter(|(_, layout, _)| layout.size() != 0).count();
                    assert_eq!(heap.with(|heap| (heap.live_blocks(), heap.damages())), Some((live, 0)));
                }
            }

            #[test]
            fn sizes_and_alignments_change_as_the_trait_allows() {
                let mut region = [MaybeUninit::uninit(); CONFIG.bytes_needed()];
                let heap = Local::new(Heap::new(&mut region, &CONFIG).unwrap());
                let layout = |size, align| Layout::from_size_align(size, align).unwrap();
                let block = heap.allocate_zeroed(layout(0, 512)).unwrap();
                assert_eq!((block.len(), heap.with(|heap| heap.live_blocks())), (0, Some(0)));
                // SAFETY: each block is live, has the layout it is said to have, and is not used under its old address.
                unsafe {
                    let block = heap.grow_zeroed(block.cast(), layout(0, 512), layout(40, 256)).unwrap();
                    assert_eq!((block.len(), block.cast::<u8>().as_ptr().addr() % 256), (40, 0));
                    assert!((0..40).all(|at| block.cast::<u8>().add(at).read() == 0));
                    block.cast::<u8>().write_bytes(9, 40);
                    let block = heap.grow_zeroed(block.cast(), layout(40, 256), layout(300, 8)).unwrap();
                    assert!(
                        (0..300).all(|at| block.cast::<u8>().add(at).read() == if at < 40 { 9 } else { 0 })
                    );
                    let block = heap.shrink(block.cast(), layout(300, 8), layout(20, 64)).unwrap();
                    assert!((0..20).all(|at| block.cast::<u8>().add(at).read() == 9));
                    assert!(heap.grow(block.cast(), layout(20, 64), layout(5000, 64)).is_err());
                    assert_eq!(block.cast::<u8>().read(), 9);
                    let block = heap.shrink(block.cast(), layout(20, 64), layout(0, 512)).unwrap();
                    assert_eq!((block.len(), block.cast::<u8>().as_ptr().addr() % 512), (0, 0));
                    assert_eq!(heap.with(|heap| heap.live_blocks()), Some(0));
                    heap.deallocate(block.cast(), layout(0, 512));
                }
                assert_eq!(heap.with(|heap| heap.live_blocks()), Some(0));
            }
        }
    };
}

#[cfg(feature = "allocator-api2")]
promises!(
    allocator_api2_02,
    ::allocator_api2_02::boxed::Box,
    ::allocator_api2_02::vec::Vec,
    ::allocator_api2_02::alloc::Allocator
);
#[cfg(feature = "allocator-api2-03")]
promises!(
    allocator_api2_03,
    ::allocator_api2_03::boxed::Box,
    ::allocator_api2_03::vec::Vec,
    ::allocator_api2_03::alloc::Allocator
);
#[cfg(feature = "allocator-api2-04")]
promises!(
    allocator_api2_04,
    ::allocator_api2_04::boxed::Box,
    ::allocator_api2_04::vec::Vec,
    ::allocator_api2_04::alloc::Allocator
);
#[cfg(feature = "nightly")]
promises!(nightly, std::boxed::Box, std::vec::Vec, core::alloc::Allocator);

#[cfg(feature = "allocator-api2")]
#[test]
fn a_hash_map_lives_in_a_heap_and_says_when_it_is_full() {
    use hashbrown::{DefaultHashBuilder, HashMap};

    let mut region = [MaybeUninit::uninit(); CONFIG.bytes_needed()];
    let heap = Local::new(Heap::new(&mut region, &CONFIG).unwrap());
    let mut voices: HashMap<u8, u32, DefaultHashBuilder, &Local<Heap<'_>>> = HashMap::new_in(&heap);
    voices.try_reserve(40).unwrap();
    let capacity = voices.capacity();
    voices.extend((0..40_u8).map(|note| (note, u32::from(note) * 2)));
    assert_eq!((voices.capacity(), voices[&20]), (capacity, 40));
    assert!(voices.try_reserve(1000).is_err());
    assert_eq!(voices.len(), 40);
    drop(voices);
    assert_eq!(heap.with(|heap| heap.live_blocks()), Some(0));
}

#[cfg(all(feature = "allocator-api2", target_has_atomic = "ptr"))]
#[test]
fn collections_in_a_shared_heap_may_move_between_threads() {
    use ::allocator_api2_02::vec::Vec;
    use detalloc::SharedHeap;

    let mut region = vec![MaybeUninit::uninit(); SharedHeap::bytes_needed(&CONFIG)];
    let heap = SharedHeap::new(&mut region, &CONFIG).unwrap();
    let mut numbers = Vec::new_in(&heap);
    numbers.try_reserve_exact(10).unwrap();
    numbers.push(1_u32);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            numbers.push(2);
            assert_eq!(numbers.as_slice(), [1, 2]);
        });
    });
}

#[cfg(all(feature = "allocator-api2", target_has_atomic = "ptr"))]
#[test]
fn collections_in_a_heap_behind_a_lock_may_move_between_threads() {
    use ::allocator_api2_02::vec::Vec;
    use detalloc::Spin;

    let mut region = [MaybeUninit::uninit(); CONFIG.bytes_needed()];
    let heap = Spin::new(Heap::new(&mut region, &CONFIG).unwrap());
    let mut numbers = Vec::new_in(&heap);
    numbers.try_reserve_exact(10).unwrap();
    numbers.push(1_u32);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            numbers.push(2);
            assert_eq!(numbers.as_slice(), [1, 2]);
        });
    });
    assert_eq!(heap.lock(|heap| (heap.live_blocks(), heap.validate())), (0, Ok(())));
}

#[cfg(feature = "allocator-api2")]
#[test]
fn a_block_that_an_observer_gives_back_stays_live() {
    use ::allocator_api2_02::alloc::Allocator;
    use core::{alloc::Layout, cell::OnceCell};
    use detalloc::{Hook, Observed};

    struct Frees<'a>(OnceCell<&'a dyn Fn()>);
    let mut region = [MaybeUninit::uninit(); CONFIG.bytes_needed()];
    let frees = Frees(OnceCell::new());
    let hook = |_: &Event| frees.0.get().into_iter().for_each(|free| free());
    let heap = Local::new(Observed::new(Heap::new(&mut region, &CONFIG).unwrap(), Hook(hook)));
    let block = heap.allocate(Layout::new::<u64>()).unwrap().cast::<u8>();
    // SAFETY: the block is live, and the one event that follows gives it up.
    let free = || unsafe { heap.deallocate(block, Layout::new::<u64>()) };
    assert!(frees.0.set(&free).is_ok());
    heap.allocate(Layout::new::<u64>()).unwrap();
    assert_eq!(heap.with(|heap| (heap.heap().live_blocks(), heap.heap().validate())), Some((2, Ok(()))));
}
