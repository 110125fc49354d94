//! The promises of the arena.

use core::{alloc::Layout, mem::MaybeUninit};
use detalloc::{Arena, ArenaFull};
use std::panic::{AssertUnwindSafe, catch_unwind};

#[test]
fn slices_are_aligned_filled_and_apart() {
    let mut region = [MaybeUninit::uninit(); 4097];
    let arena = Arena::new(&mut region[1..]);
    let (left, right) = (arena.slice(63, 64, 1.5_f32).unwrap(), arena.slice(64, 64, 2.5_f32).unwrap());
    assert!([left.as_ptr().addr(), right.as_ptr().addr()].iter().all(|address| address % 64 == 0));
    left.fill(0.0);
    assert!(right.iter().all(|&sample| sample == 2.5) && left.len() == 63);
    assert_eq!(*arena.value([1_u64, 2]).unwrap(), [1, 2]);
}

#[test]
fn a_request_that_does_not_fit_says_so_and_changes_nothing() {
    let mut region = [MaybeUninit::uninit(); 256];
    let arena = Arena::new(&mut region);
    arena.slice(200, 1, 0_u8).unwrap();
    let before = arena.used_bytes();
    assert_eq!(arena.slice(57, 1, 0_u8), Err(ArenaFull { needed_bytes: 57, left_bytes: 56 }));
    for len in [usize::MAX, usize::MAX / 4, isize::MAX as usize / 4] {
        assert!(arena.slice(len, 1, 0_u32).is_err());
    }
    assert!(arena.slice(1, 1 << (usize::BITS - 1), 0_u8).is_err());
    assert!(arena.slice(1, 3, 0_u8).is_err());
    assert_eq!(arena.used_bytes(), before);
    assert_eq!(arena.slice(56, 1, 7_u8).unwrap().len(), 56);
    assert!(arena.allocate(Layout::new::<()>()).is_ok());
}

#[test]
fn a_scope_gives_back_what_it_took_and_high_water_remembers() {
    let mut region = [MaybeUninit::uninit(); 1024];
    let mut arena = Arena::new(&mut region);
    arena.slice(100, 1, 0_u8).unwrap();
    arena.scope(|inner| inner.slice(800, 1, 0_u8).map(|_| ()).unwrap());
    assert_eq!((arena.used_bytes(), arena.high_water_bytes()), (100, 900));
    arena.reset();
    assert_eq!((arena.used_bytes(), arena.high_water_bytes(), arena.capacity_bytes()), (0, 900, 1024));
}

#[test]
fn scopes_nest_and_what_is_outside_of_them_stays() {
    let mut region = [MaybeUninit::uninit(); 1024];
    let arena = Arena::new(&mut region);
    let outer = arena.slice(100, 1, 1_u8).unwrap();
    arena.scope(|middle| {
        let between = middle.slice(200, 1, 2_u8).unwrap();
        for _ in 0..3 {
            middle.scope(|inner| inner.slice(700, 1, 3_u8).unwrap().fill(4));
        }
        assert_eq!(
            (middle.used_bytes(), middle.high_water_bytes(), middle.capacity_bytes()),
            (200, 900, 924)
        );
        assert!(between.iter().all(|&byte| byte == 2));
    });
    assert!(outer.iter().all(|&byte| byte == 1));
    assert_eq!((arena.used_bytes(), arena.high_water_bytes()), (100, 1000));
}

#[test]
fn an_arena_hands_out_nothing_that_a_scope_has() {
    let mut region = [MaybeUninit::uninit(); 64];
    let arena = Arena::new(&mut region);
    arena.scope(|inner| {
        assert_eq!(arena.value(1_u8).map(drop), Err(ArenaFull { needed_bytes: 1, left_bytes: 0 }));
        arena.scope(|nothing| assert_eq!(nothing.capacity_bytes(), 0));
        assert_eq!(arena.value(1_u8).map(drop), Err(ArenaFull { needed_bytes: 1, left_bytes: 0 }));
        assert!(inner.slice(64, 1, 0_u8).is_ok());
    });
    assert!(arena.slice(64, 1, 0_u8).is_ok());
}

#[test]
fn a_scope_that_panics_gives_back_what_it_took() {
    let mut region = [MaybeUninit::uninit(); 64];
    let arena = Arena::new(&mut region);
    let panics = AssertUnwindSafe(|| {
        arena.scope(|inner| {
            inner.slice(64, 1, 0_u8).unwrap();
            panic!("on purpose");
        })
    });
    assert!(catch_unwind(panics).is_err());
    assert_eq!((arena.used_bytes(), arena.high_water_bytes()), (0, 64));
}
