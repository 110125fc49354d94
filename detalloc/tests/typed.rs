//! The promises of typed pools.

use core::cell::Cell;
use detalloc::{Pool, PoolBox, PoolFull, static_pool};
use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
};

#[test]
fn values_are_kept_until_their_handles_go() {
    const SLOTS: usize = if cfg!(miri) { 10 } else { 100 };
    let pool = Pool::<u64, SLOTS>::new();
    let mut live: Vec<(PoolBox<'_, u64, SLOTS>, u64)> = Vec::new();
    let mut peak = 0;
    let mut state = 1_u64;
    for step in 0..200 * SLOTS {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // Half of the time at most half are live, so that high water is below the size for a while.
        let limit = if step < 100 * SLOTS { SLOTS / 2 } else { SLOTS + 1 };
        if state >> 63 == 0 && live.len() < limit {
            match pool.insert(state) {
                Ok(handle) => live.push((handle, state)),
                Err(full) => assert_eq!((live.len(), full), (SLOTS, PoolFullOf(state).into())),
            }
        } else if !live.is_empty() {
            let number = usize::try_from(state >> 33).unwrap() % live.len();
            let (handle, expected) = live.swap_remove(number);
            assert_eq!(handle.into_value(), expected);
        }
        peak = peak.max(live.len());
        assert!(live.iter().all(|(handle, expected)| **handle == *expected));
        assert_eq!((pool.used(), pool.high_water()), (live.len(), peak));
    }
    assert_eq!(peak, SLOTS);
}

/// A refusal to compare with.
struct PoolFullOf(u64);

impl From<PoolFullOf> for PoolFull<u64> {
    fn from(PoolFullOf(value): PoolFullOf) -> Self {
        Pool::<u64, 0>::new().insert(value).unwrap_err()
    }
}

#[test]
fn slots_are_distinct_aligned_and_inside() {
    #[repr(align(256))]
    struct Wide([u8; 300]);
    let pool = Pool::<Wide, 9>::new();
    let handles: Vec<_> = (0..9).map(|n| pool.insert(Wide([n; 300])).unwrap()).collect();
    let begin = core::ptr::from_ref(&pool).addr();
    let addresses: BTreeSet<usize> = handles.iter().map(|wide| core::ptr::from_ref(&**wide).addr()).collect();
    assert_eq!(addresses.len(), 9);
    assert!(addresses.iter().all(|at| at % 256 == 0 && (begin..begin + size_of_val(&pool)).contains(at)));
    assert!(handles.iter().zip(0..).all(|(wide, n)| wide.0 == [n; 300]));
}

#[test]
fn values_without_size_are_counted_too() {
    let pool = Pool::<(), 2>::new();
    let (one, _other) = (pool.insert(()).unwrap(), pool.insert(()).unwrap());
    assert!(pool.insert(()).is_err());
    drop(one);
    assert!(pool.insert(()).is_ok());
    assert!(Pool::<u8, 0>::new().insert(1).is_err());
}

#[test]
fn every_value_is_dropped_once_and_a_refused_one_by_its_owner() {
    let drops = Cell::new(0);
    #[derive(Debug)]
    struct Counted<'a>(&'a Cell<i32>);
    impl Drop for Counted<'_> {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }
    let pool = Pool::<Counted<'_>, 1>::new();
    let handle = pool.insert(Counted(&drops)).unwrap();
    let refused = pool.insert(Counted(&drops)).unwrap_err();
    assert_eq!(drops.get(), 0);
    drop(refused);
    assert_eq!(drops.get(), 1);
    drop(handle);
    assert_eq!(drops.get(), 2);
    drop(pool.insert(Counted(&drops)).unwrap().into_value());
    assert_eq!(drops.get(), 3);
}

#[test]
fn a_destructor_that_panics_gives_its_slot_back() {
    #[derive(Debug)]
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            panic!("on purpose");
        }
    }
    let pool = Pool::<Panics, 1>::new();
    let handle = pool.insert(Panics).unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| drop(handle))).is_err());
    assert_eq!(pool.used(), 0);
    core::mem::forget(pool.insert(Panics).unwrap().into_value());
}

#[test]
fn a_destructor_may_use_its_pool() {
    type Nodes = Pool<Node, 3>;
    /// Puts another one into its pool when it is dropped, while its own slot is still taken.
    struct Node(&'static Nodes, usize);
    impl Drop for Node {
        fn drop(&mut self) {
            assert_eq!(self.0.used(), self.1);
            match self.0.insert(Node(self.0, self.1 + 1)) {
                Ok(node) => drop(node),
                Err(full) => core::mem::forget(full),
            }
        }
    }
    let pool: &'static Nodes = Box::leak(Box::new(Pool::new()));
    for _ in 0..3 {
        drop(pool.insert(Node(pool, 1)));
        assert_eq!((pool.used(), pool.high_water()), (0, 3));
    }
}

#[test]
fn a_handle_that_is_forgotten_costs_its_slot_and_no_other() {
    let pool = Pool::<String, 2>::new();
    core::mem::forget(pool.insert("lost".to_owned()));
    for _ in 0..3 {
        let handle = pool.insert("kept".to_owned()).unwrap();
        assert!(pool.insert(String::new()).is_err());
        assert_eq!((handle.as_str(), pool.used()), ("kept", 2));
    }
    assert_eq!(pool.used(), 1);
}

#[test]
fn raw_slots_come_back_last_in_first_out_and_run_out_after_the_last() {
    let pool = Pool::<u16, 3>::new();
    let slots: Vec<_> = core::iter::from_fn(|| pool.allocate()).collect();
    assert_eq!((slots.len(), pool.used()), (3, 3));
    for &slot in &slots {
        // SAFETY: each comes from this pool and is given back once.
        unsafe { pool.free(slot) };
    }
    let again: Vec<_> = core::iter::from_fn(|| pool.allocate()).collect();
    assert!(again.iter().eq(slots.iter().rev()));
    assert_eq!(pool.high_water(), 3);
}

static_pool! {
    static SHARED: [String; 3];
    static KEPT: [u32; 2];
}

#[test]
fn a_static_pool_has_one_owner_at_a_time_on_any_thread() {
    let claim = SHARED.claim().unwrap();
    assert!(SHARED.claim().is_none());
    let handle = claim.insert("here".to_owned()).unwrap();
    drop(handle);
    let claim = thread::spawn(move || {
        assert_eq!(*claim.insert("there".to_owned()).unwrap(), "there");
        claim
    });
    drop(claim.join().unwrap());
    assert!(SHARED.claim().is_some_and(|claim| claim.used() == 0 && claim.high_water() == 1));
}

#[test]
fn a_pool_that_is_kept_has_handles_for_ever() {
    let pool = KEPT.claim().unwrap().leak();
    let handle: PoolBox<'static, u32, 2> = pool.insert(5).unwrap();
    assert_eq!(*handle, 5);
    assert!(KEPT.claim().is_none());
}
