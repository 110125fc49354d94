//! Buffers of a callback end with it, and nobody else has them.

use detalloc_audio::RtHeap;

fn a_buffer_that_is_returned(heap: &mut RtHeap) {
    let kept: &mut [f32] = heap.enter(|rt| rt.scratch(64, 0.0).unwrap());
    kept[0] = 1.0;
}

fn a_buffer_that_is_carried_out<'a>(heap: &mut RtHeap, kept: &mut Option<&'a mut [f32]>) {
    heap.enter(|rt| *kept = rt.scratch(64, 0.0).ok());
}

// Allowed.
fn what_may_be_returned(heap: &mut RtHeap) -> f32 {
    heap.enter(|rt| rt.scratch(64, 0.5).unwrap().iter().sum())
}

fn two_ways_to_one_buffer(heap: &mut RtHeap) {
    heap.enter(|rt| {
        let buffer = rt.scratch(64, 0.0_f32).unwrap();
        let (one, other) = (&mut buffer[..32], &mut buffer[16..]);
        one.copy_from_slice(other);
    });
}

// Allowed.
fn two_buffers(heap: &mut RtHeap) {
    heap.enter(|rt| rt.scratch(64, 0.0_f32).unwrap().copy_from_slice(rt.scratch(64, 1.0).unwrap()));
}

fn a_buffer_in_a_box(heap: &mut RtHeap) {
    heap.enter(|rt| {
        let boxed = rt.boxed(rt.scratch(64, 0.0_f32).unwrap());
        drop(boxed);
    });
}

fn a_buffer_of_what_has_a_destructor(heap: &mut RtHeap) {
    heap.enter(|rt| rt.scratch(64, String::new()).is_ok());
}

fn main() {}
