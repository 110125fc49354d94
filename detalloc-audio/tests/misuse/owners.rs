//! A value has one owner, or those that count themselves; none is used after it has gone, and none is changed beside others.

use detalloc_audio::{Foreign, Publish, Published, Reader, Reaped, RtArc, RtBox, RtHeap, RtVec, unsize};

fn two_owners_of_a_box(boxed: RtBox<u8>) {
    let other: RtBox<u8> = boxed.clone();
    drop((boxed, other));
}

fn two_owners_of_a_vector(vec: RtVec<u8>) {
    let other: RtVec<u8> = vec.clone();
    drop((vec, other));
}

// Allowed.
fn two_owners_that_count_themselves(arc: RtArc<u8>) {
    let other: RtArc<u8> = arc.clone();
    drop((arc, other));
}

fn two_owners_of_a_foreign_one(foreign: Foreign<String>) {
    let other: Foreign<String> = foreign.clone();
    drop((foreign, other));
}

fn two_owners_of_a_collected_one(reaped: Reaped<u8>) {
    let other: Reaped<u8> = reaped.clone();
    drop((reaped, other));
}

fn use_after_the_drop(boxed: RtBox<u8>) -> u8 {
    drop(boxed);
    *boxed
}

fn use_after_the_value_was_taken(boxed: RtBox<u8>) -> u8 {
    drop(RtBox::into_inner(boxed));
    *boxed
}

fn use_after_it_was_retired(heap: &mut RtHeap, sample: Vec<f32>) -> usize {
    heap.enter(|rt| rt.retire(sample).is_ok());
    sample.len()
}

fn use_after_it_was_widened(boxed: RtBox<u8>) -> u8 {
    drop(unsize!(boxed => dyn core::fmt::Debug));
    *boxed
}

fn use_after_it_was_published(publish: &Publish<Vec<f32>>, room: Vec<f32>) -> usize {
    publish.set(room);
    room.len()
}

fn changing_what_was_published(mut published: Published<Vec<f32>>) {
    published.clear();
}

fn changing_what_is_shared(mut arc: RtArc<Vec<f32>>) {
    arc.clear();
}

// Allowed.
fn changing_what_nobody_shares(mut arc: RtArc<Vec<f32>>) {
    RtArc::get_mut(&mut arc).map(Vec::clear);
}

// Allowed.
fn what_is_read_outlives_what_was_read(reader: Reader<Vec<f32>>) -> Published<Vec<f32>> {
    reader.read()
}

fn an_element_beyond_its_handle(reader: Reader<Vec<f32>>) -> &'static f32 {
    &reader.read()[0]
}

fn an_element_that_goes_while_it_is_looked_at(mut vec: RtVec<u8>) -> u8 {
    let first = &vec[0];
    vec.pop();
    *first
}

fn two_ways_to_one_value(mut boxed: RtBox<u8>) {
    let (one, other) = (&mut *boxed, &mut *boxed);
    core::mem::swap(one, other);
}

fn what_a_value_is_not(boxed: RtBox<u32>) -> RtBox<dyn Iterator<Item = u32>> {
    unsize!(boxed => dyn Iterator<Item = u32>)
}

// Allowed.
fn what_a_value_is(boxed: RtBox<[u8; 4]>) -> RtBox<[u8]> {
    unsize!(boxed => [u8])
}

fn main() {}
