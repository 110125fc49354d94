//! The ring's two ends on two threads, through the functions that C calls. Miri runs this too: what is open of an end borrows
//! the end that lies beside it.

use detalloc_c::{
    det_error_t::*, det_ring_commit, det_ring_destroy, det_ring_grant, det_ring_init, det_ring_read,
    det_ring_release, det_ring_size, det_ring_t,
};
use std::{ptr, thread};

const MESSAGES: u8 = 40;

#[derive(Clone, Copy)]
struct Ring(*mut det_ring_t);
// SAFETY: each thread has one end.
unsafe impl Send for Ring {}

impl Ring {
    fn send(self, number: u8) {
        loop {
            // SAFETY: the ring, and the only producer.
            let place = unsafe { det_ring_grant(self.0, 8) }.cast::<u8>();
            if !place.is_null() {
                // SAFETY: a place of 8 bytes.
                unsafe { place.write_bytes(number, 8) };
                // SAFETY: as above.
                assert_eq!(unsafe { det_ring_commit(self.0, usize::from(number % 8) + 1) }, DET_OK);
                return;
            }
            thread::yield_now();
        }
    }

    fn receive(self) -> Vec<u8> {
        loop {
            let mut length = 0;
            // SAFETY: the ring, and the only consumer.
            let message = unsafe { det_ring_read(self.0, &raw mut length) }.cast::<u8>();
            if !message.is_null() {
                // SAFETY: a message of so many bytes until it is released.
                let bytes = unsafe { std::slice::from_raw_parts(message, length) }.to_vec();
                // SAFETY: as above.
                assert_eq!(unsafe { det_ring_release(self.0) }, DET_OK);
                return bytes;
            }
            thread::yield_now();
        }
    }
}

#[test]
fn messages_arrive_whole_and_in_order_on_another_thread() {
    let mut memory = vec![0_u8; det_ring_size(3, 8)];
    // SAFETY: a buffer of that size, which outlives the ring.
    let ring = Ring(unsafe { det_ring_init(memory.as_mut_ptr().cast(), memory.len()) });
    assert_ne!(ring.0, ptr::null_mut());
    thread::scope(|scope| {
        scope.spawn(move || {
            let ring = ring;
            (0..MESSAGES).for_each(|number| ring.send(number));
        });
        for number in 0..MESSAGES {
            assert_eq!(ring.receive(), vec![number; usize::from(number % 8) + 1]);
        }
    });
    // SAFETY: both ends are at rest.
    assert_eq!(unsafe { det_ring_destroy(ring.0) }, DET_OK);
}
