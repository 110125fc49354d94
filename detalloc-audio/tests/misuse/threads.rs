//! What stays on its thread is not put where another one destroys it, and guards of a thread stay there.

use core::cell::Cell;
use detalloc_audio::{
    Collected, FlushDenormals, Foreign, Publish, Rt, RtArc, RtBox, RtHeap, RtMap, RtVec, unsize,
};
use std::rc::Rc;

fn a_box(rt: &Rt<'_>, counted: Rc<u8>) {
    rt.boxed(counted).ok();
}

fn a_box_that_asks_for_room(rt: &Rt<'_>, counted: Rc<u8>) {
    rt.boxed_relieving(counted, |_| ()).ok();
}

fn a_header(rt: &Rt<'_>, counted: Rc<u8>) {
    rt.tailed(counted, 1, 0_u8).ok();
}

fn a_counted_one(rt: &Rt<'_>) {
    rt.arc(Cell::new(1)).ok();
}

// Allowed.
fn a_counted_one_that_is_shared(rt: &Rt<'_>) {
    rt.arc(1_u8).ok();
}

fn a_vector(rt: &Rt<'_>) {
    rt.vec::<Rc<u8>>(1).ok();
}

fn a_queue(rt: &Rt<'_>) {
    rt.queue::<Rc<u8>>(1).ok();
}

fn a_map(rt: &Rt<'_>) {
    rt.map::<u8, Rc<u8>>(1).ok();
}

fn a_map_by_key(rt: &Rt<'_>) {
    rt.map::<Rc<u8>, u8>(1).ok();
}

fn a_foreign_one(counted: Rc<u8>) {
    drop(Foreign::new(counted));
}

fn one_for_the_reaper(rt: &Rt<'_>, counted: Rc<u8>) {
    rt.retire(counted).ok();
}

fn a_published_one() {
    Publish::new(Cell::new(1)).ok();
}

fn a_collected_one(collected: &Collected, counted: Rc<u8>) {
    collected.own(counted);
}

// Allowed.
fn sent<T: Send>(_: T) {}
// Allowed.
fn shared<T: Sync>(_: T) {}

// Allowed.
fn handles_that_may_be_sent(heap: RtHeap, boxed: RtBox<Cell<u8>>, vec: RtVec<Cell<u8>>, arc: RtArc<u8>) {
    sent((heap, boxed, vec, arc));
}

// Allowed.
fn handles_that_may_be_shared(heap: RtHeap, boxed: RtBox<u8>, map: RtMap<u8, u8>, arc: RtArc<u8>) {
    shared((heap, boxed, map, arc));
}

fn a_box_of_a_cell_that_is_shared(boxed: RtBox<Cell<u8>>) {
    shared(boxed);
}

fn a_vector_of_cells_that_is_shared(vec: RtVec<Cell<u8>>) {
    shared(vec);
}

fn a_map_of_cells_that_is_shared(map: RtMap<u8, Cell<u8>>) {
    shared(map);
}

fn a_box_that_no_longer_says_that_it_may_be_sent(boxed: RtBox<u8>) {
    sent(unsize!(boxed => dyn core::fmt::Debug));
}

// Allowed.
fn a_box_that_still_says_so(boxed: RtBox<u8>) {
    sent(unsize!(boxed => dyn core::fmt::Debug + Send));
}

fn the_guard_of_a_thread(guard: FlushDenormals) {
    sent(guard);
}

fn the_guard_of_a_thread_that_is_shared(guard: FlushDenormals) {
    shared(guard);
}

fn a_guard_without_a_promise() {
    drop(FlushDenormals::new());
}

fn main() {}
