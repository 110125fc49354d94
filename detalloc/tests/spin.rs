//! The promises of the spin lock, one after the other.

use core::{alloc::Layout, cell::Cell, mem::MaybeUninit};
use detalloc::{Allocate, Config, FreeError, Heap, PoolConfig, Spin};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
};

const CONFIG: Config = Config::constant(&[PoolConfig::new(64, 40), PoolConfig::new(1024, 4)]);

fn region() -> Vec<MaybeUninit<u8>> {
    vec![MaybeUninit::uninit(); CONFIG.bytes_needed()]
}

fn layout(size: usize) -> Layout {
    Layout::from_size_align(size, 8).unwrap()
}

#[test]
fn one_thread_at_a_time_has_the_heap() {
    let times = if cfg!(miri) { 100 } else { 10_000 };
    let sum = Spin::new(Cell::new(0_usize));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..times {
                    sum.lock(|sum| sum.set(core::hint::black_box(sum.get()) + 1));
                }
            });
        }
    });
    assert_eq!(sum.into_inner().get(), 4 * times);
}

#[test]
fn any_thread_allocates_and_frees() {
    let mut memory = region();
    let heap = Spin::new(Heap::new(&mut memory, &CONFIG).unwrap());
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut heap = &heap;
                let rounds = if cfg!(miri) { 10 } else { 2000 };
                for _ in 0..rounds {
                    let blocks: Vec<_> = (0..10).map(|_| heap.allocate(layout(64)).unwrap()).collect();
                    for block in blocks {
                        // SAFETY: live, and not used afterwards.
                        unsafe { heap.free(block) }.unwrap();
                    }
                }
            });
        }
    });
    assert_eq!(heap.lock(|heap| (heap.live_blocks(), heap.validate())), (0, Ok(())));
}

#[test]
fn every_operation_reaches_the_heap() {
    let mut memory = region();
    let heap = Spin::new(Heap::new(&mut memory, &CONFIG).unwrap());
    let mut handle = &heap;
    let block = handle.allocate_zeroed(layout(60)).unwrap();
    assert_eq!(handle.usable_bytes(block), Ok(64));
    // SAFETY: live, and of this layout.
    let moved = unsafe { handle.reallocate(block, layout(60), 500) }.unwrap();
    assert_eq!(handle.usable_bytes(moved), Ok(1024));
    // SAFETY: refused, or not used afterwards.
    unsafe {
        assert_eq!(handle.free(block), Err(FreeError::DoubleFree));
        assert_eq!(handle.free_layout(moved, layout(500)), Ok(()));
    }
    assert_eq!(heap.into_inner().live_blocks(), 0);
}

#[test]
fn trying_while_it_is_taken_gives_nothing_at_once() {
    let lock = Spin::new(1);
    let within = lock.lock(|_| lock.try_lock(|value| *value));
    assert_eq!((within, lock.try_lock(|value| *value)), (None, Some(1)));
}

#[test]
fn a_panic_gives_the_lock_up() {
    let mut lock = Spin::new(2);
    let panicked = catch_unwind(AssertUnwindSafe(|| lock.lock(|_| panic!("within the lock"))));
    assert!(panicked.is_err());
    let panicked = catch_unwind(AssertUnwindSafe(|| lock.try_lock(|_| panic!("within the lock"))));
    assert!(panicked.is_err());
    assert_eq!(lock.try_lock(|value| *value), Some(2));
    assert_eq!(*lock.get_mut(), 2);
}

#[test]
fn printing_does_not_wait_for_the_lock() {
    let lock = Spin::new(7);
    assert_eq!(format!("{lock:?}"), "Spin(7)");
    assert_eq!(lock.lock(|_| format!("{lock:?}")), "Spin(<locked>)");
}

#[test]
fn a_lock_can_be_a_static() {
    static LOCK: Spin<u32> = Spin::new(5);
    assert_eq!(LOCK.lock(|value| *value), 5);
}
