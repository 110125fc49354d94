//! Destructors may run at any later time, so no handle comes to hold what lives shorter than what it was made with.

use detalloc_audio::{
    Collected, Foreign, Publish, Published, Reaped, RtArc, RtBox, RtHeap, RtMap, RtQueue, RtVec, Tailed,
};

type Long = &'static str;

fn a_box<'a>(handle: RtBox<Long>) -> RtBox<&'a str> {
    handle
}

fn a_counted_one<'a>(handle: RtArc<Long>) -> RtArc<&'a str> {
    handle
}

fn a_vector<'a>(handle: RtVec<Long>) -> RtVec<&'a str> {
    handle
}

fn a_queue<'a>(handle: RtQueue<Long>) -> RtQueue<&'a str> {
    handle
}

fn a_map<'a>(handle: RtMap<u8, Long>) -> RtMap<u8, &'a str> {
    handle
}

fn a_published_one<'a>(handle: Published<Long>) -> Published<&'a str> {
    handle
}

fn a_collected_one<'a>(handle: Reaped<Long>) -> Reaped<&'a str> {
    handle
}

fn a_key<'a>(map: RtMap<Long, u8>) -> RtMap<&'a str, u8> {
    map
}

fn a_tail<'a>(boxed: RtBox<Tailed<u8, [Long]>>) -> RtBox<Tailed<u8, [&'a str]>> {
    boxed
}

// Allowed.
fn a_box_as_it_is(handle: RtBox<Long>) -> RtBox<Long> {
    handle
}

fn a_borrow_in_a_box(heap: &mut RtHeap, text: String) {
    heap.enter(|rt| drop(rt.boxed(&*text)));
}

fn a_borrow_in_a_vector(heap: &mut RtHeap, text: String) {
    heap.enter(|rt| rt.vec(1).unwrap().try_push(&*text).is_ok());
}

fn a_borrow_for_the_reaper(heap: &mut RtHeap, text: String) {
    heap.enter(|rt| rt.retire(&text).is_ok());
}

fn a_borrow_that_is_foreign(text: String) {
    drop(Foreign::new(&*text));
}

fn a_borrow_that_is_published(text: String) {
    Publish::new(&*text).ok();
}

fn a_borrow_that_is_collected(collected: &Collected, text: String) {
    collected.own(&*text);
}

fn main() {}
