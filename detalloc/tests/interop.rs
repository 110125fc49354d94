//! Collections in a heap, by each of the allocator traits whose feature is on.
#![cfg_attr(feature = "nightly", feature(allocator_api))]

use core::mem::MaybeUninit;
use detalloc::{Config, Heap, Local, PoolConfig};

#[cfg(any(
    feature = "allocator-api2",
    feature = "allocator-api2-03",
    feature = "allocator-api2-04",
    feature = "nightly"
))]
const CONFIG: Config = Config::constant(&[
    PoolConfig::new(16, 8),
    PoolConfig::new(64, 8),
    PoolConfig::new(256, 4),
    PoolConfig::new(1024, 2),
]);

#[cfg(any(
    feature = "allocator-api2",
    feature = "allocator-api2-03",
    feature = "allocator-api2-04",
    feature = "nightly"
))]
macro_rules! promises {
    ($module:ident, $boxed:path, $vec:path, $allocator:path) => {
        mod $module {
            use super::{CONFIG, Heap, Local, MaybeUninit};
            use core::alloc::Layout;
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
                assert!(bytes.try_reserve_exact(2000).is_err());
                assert!(bytes.try_reserve_exact(usize::MAX).is_err());
                assert_eq!(bytes.as_slice(), [1]);
                let boxes: std::vec::Vec<_> =
                    (0..30).map_while(|n| Box::try_new_in([n; 2], &heap).ok()).collect();
                assert_eq!(boxes.len(), 8 + 8 + 4 + 1, "every block of every pool");
                assert!(boxes.iter().zip(0..).all(|(pair, n)| **pair == [n; 2]));
                assert_eq!(heap.with(Heap::validate), Some(Ok(())));
            }

            #[test]
            fn sizes_and_alignments_change_as_the_trait_allows() {
                let mut region = [MaybeUninit::uninit(); CONFIG.bytes_needed()];
                let heap = Local::new(Heap::new(&mut region, &CONFIG).unwrap());
                let layout = |size, align| Layout::from_size_align(size, align).unwrap();
                let block = heap.allocate_zeroed(layout(0, 1)).unwrap();
                assert_eq!(block.len(), 0);
                // SAFETY: each block is live, has the layout it is said to have, and is not used under its old address.
                unsafe {
                    let block = heap.grow_zeroed(block.cast(), layout(0, 1), layout(40, 256)).unwrap();
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
                    heap.deallocate(block.cast(), layout(20, 64));
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

#[test]
fn an_observer_that_asks_the_heap_it_watches_is_refused() {
    use core::{alloc::Layout, cell::OnceCell};
    use detalloc::{AllocError, Allocate, Event, Hook, Observed};

    struct Asks<'a>(OnceCell<&'a dyn Fn() -> Result<(), AllocError>>);
    const POOLS: Config = Config::constant(&[PoolConfig::new(64, 4)]);
    let mut region = [MaybeUninit::uninit(); POOLS.bytes_needed()];
    let answers = core::cell::RefCell::new(Vec::new());
    let asks = Asks(OnceCell::new());
    let hook = |_: &Event| answers.borrow_mut().extend(asks.0.get().map(|ask| ask()));
    let heap = Local::new(Observed::new(Heap::new(&mut region, &POOLS).unwrap(), Hook(hook)));
    let ask = || (&heap).allocate(Layout::new::<u64>()).map(drop);
    assert!(asks.0.set(&ask).is_ok());
    (&heap).allocate(Layout::new::<u64>()).unwrap();
    assert_eq!(*answers.borrow(), [Err(AllocError::Busy)]);
}
