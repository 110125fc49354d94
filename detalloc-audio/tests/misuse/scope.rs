//! Nothing is allocated but in a callback, which its `Rt` neither leaves nor survives.

use detalloc_audio::{Rt, RtBox, RtHeap};

fn an_rt_that_is_returned(heap: &mut RtHeap) {
    heap.enter(|rt| rt);
}

fn an_rt_that_is_carried_out<'a>(heap: &mut RtHeap, kept: &mut Option<&'a Rt<'a>>) {
    heap.enter(|rt| *kept = Some(rt));
}

// Allowed.
fn what_may_be_carried_out(heap: &mut RtHeap, kept: &mut Option<RtBox<u8>>) {
    heap.enter(|rt| *kept = rt.boxed(1).ok());
}

fn an_rt_on_another_thread(heap: &mut RtHeap) {
    heap.enter(|rt| std::thread::scope(|scope| _ = scope.spawn(|| rt.boxed(1_u8).is_ok())));
}

fn an_rt_that_goes_to_another_thread(heap: &mut RtHeap) {
    heap.enter(|rt| std::thread::spawn(move || rt.boxed(1_u8).is_ok()));
}

fn an_rt_that_keeps(rt: &Rt<'_>) -> Rt<'static> {
    *rt
}

fn an_rt_of_ones_own() {
    Rt::new(Err(detalloc_audio::Refusal::Nested));
}

fn another_rt_in_its_place(heap: &mut RtHeap, other: &mut RtHeap) {
    heap.enter(|one| other.enter(|another| core::mem::swap(one, another)));
}

fn a_heap_that_is_entered_twice(heap: &mut RtHeap) {
    heap.enter(|_| heap.enter(|_| ()));
}

// Allowed.
fn a_heap_that_is_entered_again(heap: &mut RtHeap) {
    heap.enter(|_| ());
    heap.enter(|_| ());
}

fn a_heap_that_is_entered_by_two_threads(heap: &mut RtHeap) {
    std::thread::scope(|scope| {
        scope.spawn(|| heap.enter(|_| ()));
        scope.spawn(|| heap.enter(|_| ()));
    });
}

// Allowed.
fn a_heap_that_goes_to_another_thread(mut heap: RtHeap) {
    std::thread::spawn(move || heap.enter(|_| ()));
}

fn a_heap_that_is_entered_by_a_shared_reference(heap: &RtHeap) {
    heap.enter(|_| ());
}

fn a_heap_that_goes_in_its_callback(mut heap: RtHeap) {
    heap.enter(|_| drop(heap));
}

fn a_heap_that_is_reconfigured_in_its_callback(heap: &mut RtHeap, budget: &detalloc_audio::AudioBudget) {
    heap.enter(|_| heap.reconfigure(budget).is_ok());
}

fn two_owners_of_a_heap(heap: RtHeap) {
    let other = heap.clone();
    drop((heap, other));
}

fn allocating_outside(heap: &mut RtHeap) {
    heap.boxed(1_u8).ok();
    RtBox::new(1_u8);
}

fn main() {}
