//! Typed pools: values stay what they are, each is dropped once, and slots are taken as the documentation says.

use crate::input::Input;
use core::{cell::Cell, ptr::NonNull};
use detalloc::{Pool, PoolBox};

const SLOTS: usize = 12;

detalloc::static_pool! {
    static VALUES: [u64; 3];
}

/// A value that says when it is dropped.
struct Value<'c> {
    number: u64,
    dropped: &'c Cell<usize>,
}

impl Drop for Value<'_> {
    fn drop(&mut self) {
        self.dropped.set(self.dropped.get() + 1);
    }
}

/// Runs one input.
///
/// # Panics
/// If a pool and the model disagree.
#[must_use]
pub fn run(data: &[u8]) -> u64 {
    let mut input = Input::new(data);
    let dropped = Cell::new(0);
    let pool = Pool::<Value<'_>, SLOTS>::new();
    let mut run =
        Run { pool: &pool, dropped: &dropped, live: Vec::new(), made: 0, freed: Vec::new(), fresh: 0 };
    let mut operations = 0;
    while !input.is_empty() {
        operations += 1;
        run.step(&mut input);
        run.check();
    }
    drop(core::mem::take(&mut run.live));
    assert_eq!((dropped.get(), pool.used()), (run.made, 0), "each value is dropped once");
    operations + claims(data)
}

struct Run<'p> {
    pool: &'p Pool<Value<'p>, SLOTS>,
    dropped: &'p Cell<usize>,
    /// Each with the number that it was made with.
    live: Vec<(PoolBox<'p, Value<'p>, SLOTS>, u64)>,
    made: usize,
    /// Slots that were given back, the last one on top: they come first.
    freed: Vec<usize>,
    /// How many slots were ever taken.
    fresh: usize,
}

impl<'p> Run<'p> {
    fn step(&mut self, input: &mut Input<'_>) {
        let kind = input.byte();
        let number = u64::from(kind >> 3);
        match kind % 8 {
            0..=2 => self.insert(number),
            3 | 4 => self.remove(input, drop),
            5 => {
                let dropped = self.dropped.get();
                self.remove(input, |boxed| {
                    let value = boxed.into_value();
                    assert_eq!(dropped, value.dropped.get(), "a value that is taken out is not dropped");
                });
            }
            6 => {
                let at = input.below(self.live.len());
                if let Some((boxed, kept)) = self.live.get_mut(at) {
                    (boxed.number, *kept) = (number, number);
                }
            }
            _ => self.raw(),
        }
    }

    fn insert(&mut self, number: u64) {
        self.made += 1;
        match self.pool.insert(Value { number, dropped: self.dropped }) {
            Ok(boxed) => {
                self.took(core::ptr::from_ref(&*boxed).addr());
                self.live.push((boxed, number));
            }
            Err(full) => {
                assert_eq!((self.live.len(), full.into_value().number), (SLOTS, number));
            }
        }
    }

    fn took(&mut self, address: usize) {
        match self.freed.pop() {
            Some(last) => assert_eq!(address, last, "the slot that was given back last comes first"),
            None => self.fresh += 1,
        }
        let others = self.live.iter().map(|(boxed, _)| core::ptr::from_ref(&**boxed).addr());
        assert!(others.into_iter().all(|other| other.abs_diff(address) >= size_of::<Value<'_>>()));
    }

    fn remove(&mut self, input: &mut Input<'_>, end: impl FnOnce(PoolBox<'p, Value<'p>, SLOTS>)) {
        let at = input.below(self.live.len());
        if at < self.live.len() {
            let (boxed, number) = self.live.swap_remove(at);
            assert_eq!(boxed.number, number, "a value has changed");
            self.freed.push(core::ptr::from_ref(&*boxed).addr());
            end(boxed);
        }
    }

    fn raw(&mut self) {
        let slot = self.pool.allocate();
        assert_eq!(slot.is_some(), self.live.len() < SLOTS);
        if let Some(slot) = slot {
            self.took(slot.as_ptr().addr());
            self.freed.push(slot.as_ptr().addr());
            // SAFETY: of this pool, just taken, and not used.
            unsafe { self.pool.free(slot) };
        }
    }

    fn check(&self) {
        assert_eq!((self.pool.used(), self.pool.high_water()), (self.live.len(), self.fresh));
        assert_eq!(self.dropped.get() + self.live.len(), self.made);
    }
}

/// One owner of the static pool after the other. Another thread may be it already.
fn claims(data: &[u8]) -> u64 {
    let Some(mut claim) = VALUES.claim() else { return 0 };
    let used = claim.used();
    for &byte in data.iter().take(64) {
        assert!(VALUES.claim().is_none(), "there is one owner");
        let value = claim.insert(u64::from(byte));
        let slot: Option<NonNull<u64>> = claim.allocate();
        assert!(value.as_ref().is_ok_and(|value| **value == u64::from(byte)));
        if let Some(slot) = slot {
            // SAFETY: of this pool, just taken, and not used.
            unsafe { claim.free(slot) };
        }
        drop(value);
        assert_eq!(claim.used(), used);
        drop(claim);
        claim = match VALUES.claim() {
            Some(claim) => claim,
            None => return 1,
        };
    }
    1
}
