//! Every interleaving of the two ends of a ring: messages arrive whole and in order, and neither end touches what is the
//! other's, which loom would report as a race.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p detalloc --release --test loom_ring -- --nocapture`
#![cfg(loom)]

#[path = "interleavings/explore.rs"]
mod explore;
#[path = "../src/line.rs"]
#[allow(dead_code, reason = "its default is enough")]
mod line;
/// The module itself, built with loom's atomics.
#[path = "../src/ring/protocol.rs"]
mod protocol;

mod sync {
    pub(crate) use loom::sync::atomic::{AtomicUsize, Ordering};
}

use explore::explore;
use loom::{cell::UnsafeCell, sync::Arc, thread};
use protocol::{GRANULE_BYTES, Positions, Reader, Writer};

/// A granule each: a header or a payload.
struct Shared {
    positions: Positions,
    granules: Vec<UnsafeCell<usize>>,
}

impl Shared {
    fn set(&self, at: usize, value: usize) {
        // SAFETY: loom checks that nobody else accesses the granule now.
        self.granules[at / GRANULE_BYTES].with_mut(|granule| unsafe { *granule = value });
    }

    fn get(&self, at: usize) -> usize {
        // SAFETY: as above.
        self.granules[at / GRANULE_BYTES].with(|granule| unsafe { *granule })
    }
}

/// Sends messages of one granule through a ring of `granules`, each tried `tries` times; the receiver looks as often.
fn pass(granules: usize, messages: usize, looks: usize) {
    explore(move || {
        let capacity = granules * GRANULE_BYTES;
        let shared = Arc::new(Shared {
            positions: Positions::default(),
            granules: (0..granules).map(|_| UnsafeCell::new(0)).collect(),
        });
        let sender = Arc::clone(&shared);
        let sending = thread::spawn(move || {
            let mut writer = Writer::default();
            let mut sent = 0;
            for _ in 0..messages {
                if let Ok(place) = writer.place(&sender.positions, capacity, 1) {
                    sender.set(place.header + GRANULE_BYTES, 100 + sent);
                    writer
                        .publish(&sender.positions, capacity, place, 1, |at, header| sender.set(at, header));
                    sent += 1;
                }
            }
            sent
        });
        let mut reader = Reader::default();
        let mut received = 0;
        let mut look = |received: &mut usize| {
            if let Some(message) = reader.next(&shared.positions, |at| shared.get(at)) {
                assert_eq!((message.len, shared.get(message.payload)), (1, 100 + *received));
                *received += 1;
                reader.release(&shared.positions, capacity, message);
            }
        };
        for _ in 0..looks {
            look(&mut received);
        }
        let sent = sending.join().unwrap();
        for _ in 0..messages {
            look(&mut received);
        }
        assert_eq!(received, sent);
    });
}

#[test]
fn messages_pass_while_there_is_room() {
    pass(8, 2, 2);
}

#[test]
fn messages_pass_around_the_end_and_wait_for_room() {
    // Two granules a message: the second goes around the end as soon as the first was read.
    pass(4, 3, 2);
    pass(5, 3, 2);
}
