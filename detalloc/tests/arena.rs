//! The promises of the arena.

use core::{alloc::Layout, mem::MaybeUninit};
use detalloc::{Arena, ArenaFull};

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
    assert!(arena.slice(1, 1 << 63, 0_u8).is_err());
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
