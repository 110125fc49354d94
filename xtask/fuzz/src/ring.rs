//! Rings: messages come out as they went in, whatever their lengths, and what is refused is refused for the reason it says.

use crate::{input::Input, world::region};
use detalloc::{InitError, RingConsumer, RingError, RingProducer, ring, ring_bytes_needed};
use std::collections::VecDeque;

/// Runs one input.
///
/// # Panics
/// If a ring and a queue disagree.
#[must_use]
pub fn run(data: &[u8]) -> u64 {
    let mut input = Input::new(data);
    let kind = input.byte();
    let shift = usize::from(input.byte() % 64);
    let (count, len) = (usize::from(input.byte() % 8), input.below(300));
    let planned = kind & 1 == 0;
    let bytes = if planned { ring_bytes_needed(count, len) } else { input.below(3000) };
    let mut memory = Vec::new();
    let region = region(&mut memory, bytes, shift);
    match ring(region) {
        Ok((producer, consumer)) => {
            let promised = (planned && count > 0).then_some((count, len));
            let mut run = Run { producer, consumer, queue: VecDeque::new(), promised, serial: 0 };
            let mut operations = 0;
            while !input.is_empty() {
                operations += 1;
                run.step(&mut input);
            }
            run.drain();
            operations
        }
        Err(InitError::TooSmall { needed, given }) => {
            assert!(!planned && given == bytes && needed > given && needed < 400, "{needed} for {given}");
            1
        }
        Err(other) => panic!("{other}"),
    }
}

/// A message, and how long it might have been.
struct Sent {
    granted: usize,
    bytes: Vec<u8>,
}

struct Run<'r> {
    producer: RingProducer<'r>,
    consumer: RingConsumer<'r>,
    queue: VecDeque<Sent>,
    /// So many messages of that length always find a place, if none is longer.
    promised: Option<(usize, usize)>,
    serial: u8,
}

impl Run<'_> {
    fn step(&mut self, input: &mut Input<'_>) {
        let kind = input.byte();
        match kind % 8 {
            0..=3 => {
                let len = match kind >> 6 {
                    0 => input.size(),
                    1 => self.promised.map_or(0, |(_, longest)| longest),
                    _ => input.below(64 << (kind >> 4 & 3)),
                };
                self.send(len, kind & 8 != 0, input);
            }
            4..=6 => self.receive(),
            _ => self.drain(),
        }
    }

    fn send(&mut self, len: usize, all: bool, input: &mut Input<'_>) {
        let is_promised = self.promised.is_some_and(|(count, longest)| {
            len <= longest
                && self.queue.len() < count
                && self.queue.iter().all(|sent| sent.granted <= longest)
        });
        match self.producer.grant(len) {
            Ok(mut grant) => {
                assert_eq!(grant.len(), len);
                assert!(grant.as_ptr().addr().is_multiple_of(16));
                self.serial = self.serial.wrapping_add(1);
                grant.fill(self.serial);
                let shorter = if all { len } else { input.below(len + 1) };
                if shorter == 0 && input.flag() {
                    // Never was.
                    return;
                }
                grant.commit(shorter);
                self.queue.push_back(Sent { granted: len, bytes: vec![self.serial; shorter] });
            }
            Err(RingError::TooLong { most_bytes }) => {
                assert!(len > most_bytes && !is_promised, "{len} and {most_bytes}");
                assert!(!matches!(self.producer.grant(most_bytes), Err(RingError::TooLong { .. })));
            }
            Err(RingError::Full { free_bytes }) => {
                assert!(!self.queue.is_empty(), "an empty ring refuses {len} bytes");
                assert!(!is_promised, "a promise is broken for {len} bytes");
                assert!(free_bytes < len || len == 0);
                if free_bytes > 0 {
                    assert!(self.producer.grant(free_bytes).is_ok(), "{free_bytes} bytes have no place");
                }
                let more = self.producer.grant(free_bytes + 16).map(drop);
                assert!(more.is_err(), "more than {free_bytes} bytes have a place");
            }
        }
    }

    fn receive(&mut self) {
        match (self.consumer.read(), self.queue.pop_front()) {
            (Some(message), Some(expected)) => assert_eq!(*message, *expected.bytes),
            (None, None) => {}
            (message, expected) => panic!("{message:?} instead of {:?}", expected.map(|sent| sent.bytes)),
        }
    }

    fn drain(&mut self) {
        for _ in 0..=self.queue.len() {
            self.receive();
        }
    }
}
