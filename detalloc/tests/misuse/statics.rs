//! What lies in a static has one owner at a time.

use core::cell::Cell;
use detalloc::{PoolBox, StaticPool, memory::StaticRegion};
use std::rc::Rc;

detalloc::static_pool! {
    static CELLS: [Cell<u8>; 4];
    static COUNTED: [Rc<u8>; 4];
}

fn a_claim_on_two_threads() {
    let cells = CELLS.claim().unwrap();
    std::thread::scope(|scope| _ = scope.spawn(|| cells.used()));
}

// Allowed.
fn a_claim_on_another_thread() {
    let cells = CELLS.claim().unwrap();
    std::thread::scope(|scope| _ = scope.spawn(move || cells.used()));
}

fn a_handle_that_outlives_its_claim() -> PoolBox<'static, Cell<u8>, 4> {
    let cells = CELLS.claim().unwrap();
    cells.insert(Cell::new(1)).unwrap()
}

// Allowed.
fn a_handle_of_a_claim_for_good() -> PoolBox<'static, Cell<u8>, 4> {
    CELLS.claim().unwrap().leak().insert(Cell::new(1)).unwrap()
}

fn two_claims_out_of_one() {
    let one = CELLS.claim().unwrap();
    let other = one.clone();
    drop((one, other));
}

fn a_claim_of_what_does_not_stay(pool: &StaticPool<u8, 4>) {
    pool.claim();
}

fn a_region_that_does_not_stay(region: &StaticRegion<64>) {
    region.take();
}

fn main() {}
