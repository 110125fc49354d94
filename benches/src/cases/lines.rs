//! Queues between two threads, and in one.

use super::{Case, Plain};
use core::{hint::black_box, mem::MaybeUninit};
use detalloc::{ring, ring_bytes_needed};
use detalloc_audio::{AudioBudget, RtHeap};
use ringbuf::{
    HeapRb,
    traits::{Consumer, Producer, Split},
};
use std::collections::VecDeque;

const ROOM: usize = 64;

const BETWEEN: &str = "push and pop a word between two threads";
const WITHIN: &str = "push and pop a word in one thread";

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new(BETWEEN, "detalloc-ring", |measure| {
            /// Where it begins makes a difference of some bytes of room, and so of when it goes around its end.
            #[repr(align(64))]
            struct Region([MaybeUninit<u8>; ring_bytes_needed(ROOM, 8)]);
            let mut region = Region([MaybeUninit::uninit(); ring_bytes_needed(ROOM, 8)]);
            let (mut producer, mut consumer) = ring(&mut region.0).expect("as large as it says");
            measure(&mut Plain(|| {
                if let Ok(mut grant) = producer.grant(8) {
                    grant.copy_from_slice(&black_box(1_u64).to_le_bytes());
                    grant.commit(8);
                }
                drop(black_box(consumer.read()));
            }));
        }),
        Case::new(BETWEEN, "rtrb", |measure| {
            let (mut producer, mut consumer) = rtrb::RingBuffer::new(ROOM);
            measure(&mut Plain(|| {
                _ = black_box(producer.push(black_box(1_u64)));
                _ = black_box(consumer.pop());
            }));
        }),
        Case::new(BETWEEN, "ringbuf", |measure| {
            let (mut producer, mut consumer) = HeapRb::new(ROOM).split();
            measure(&mut Plain(|| {
                _ = black_box(producer.try_push(black_box(1_u64)));
                _ = black_box(consumer.try_pop());
            }));
        }),
        Case::new(WITHIN, "detalloc-audio", |measure| {
            let mut heap = RtHeap::reaped_by_task();
            let budget = AudioBudget::new(48_000.0, 64).events::<u64>(ROOM);
            heap.reconfigure(&budget).expect("a small budget");
            heap.enter(|rt| {
                let mut queue = rt.queue(ROOM).expect("room for it");
                measure(&mut Plain(|| {
                    _ = black_box(queue.try_push_back(black_box(1_u64)).is_ok());
                    _ = black_box(queue.pop_front());
                }));
            });
        }),
        Case::new(WITHIN, "std", |measure| {
            let mut queue = VecDeque::with_capacity(ROOM);
            measure(&mut Plain(|| {
                queue.push_back(black_box(1_u64));
                _ = black_box(queue.pop_front());
            }));
        }),
    ]
}
