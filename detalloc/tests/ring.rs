//! The promises of the ring.

#[path = "common/random.rs"]
mod random;

use core::mem::MaybeUninit;
use detalloc::{InitError, RingConsumer, RingError, RingProducer, ring, ring_bytes_needed};
use random::Random;
use std::{collections::VecDeque, thread};

fn region(bytes: usize) -> Vec<MaybeUninit<u8>> {
    vec![MaybeUninit::uninit(); bytes]
}

fn send(producer: &mut RingProducer<'_>, message: &[u8]) -> Result<(), RingError> {
    let mut grant = producer.grant(message.len())?;
    assert_eq!((grant.len(), grant.as_ptr().addr() % 16), (message.len(), 0));
    grant.copy_from_slice(message);
    grant.commit(message.len());
    Ok(())
}

fn receive(consumer: &mut RingConsumer<'_>) -> Option<Vec<u8>> {
    consumer.read().map(|message| message.to_vec())
}

#[test]
fn messages_of_any_length_arrive_whole_and_in_order_whatever_the_history() {
    for bytes in [160, 176, 208, 300, 1000] {
        let mut memory = region(bytes);
        let Ok((mut producer, mut consumer)) = ring(&mut memory) else { continue };
        let mut random = Random(bytes as u64);
        let mut queue = VecDeque::new();
        let steps = if cfg!(miri) { 200_usize } else { 20_000 };
        for step in 0..steps {
            if random.below(2) == 0 {
                let message: Vec<u8> =
                    (0..random.below(100)).map(|at| (step + at).to_le_bytes()[0]).collect();
                match send(&mut producer, &message) {
                    Ok(()) => queue.push_back(message),
                    Err(RingError::Full { free_bytes }) => {
                        assert!(free_bytes < message.len() || free_bytes == 0);
                        assert!(!queue.is_empty());
                        if free_bytes > 0 {
                            assert!(producer.grant(free_bytes).is_ok());
                        }
                    }
                    Err(RingError::TooLong { most_bytes }) => assert!(most_bytes < message.len()),
                }
            } else {
                assert_eq!(receive(&mut consumer), queue.pop_front());
            }
        }
    }
}

#[test]
fn a_grant_that_cannot_be_replaced_stays_with_its_contents() {
    let mut memory = region(ring_bytes_needed(3, 32));
    let (mut producer, mut consumer) = ring(&mut memory).unwrap();
    (0..3).for_each(|_| send(&mut producer, &[1; 32]).unwrap());
    let mut grant = producer.grant(4).unwrap();
    grant.copy_from_slice(b"kept");
    let (grant, error) = grant.replaced(1000).err().unwrap();
    assert!(matches!(error, RingError::TooLong { .. }));
    let RingError::TooLong { most_bytes } = error else { unreachable!() };
    let (grant, error) = grant.replaced(most_bytes).err().unwrap();
    assert!(matches!(error, RingError::Full { .. }));
    assert_eq!(&*grant, b"kept");
    // What the reader gives back in between moves nothing of it.
    (0..3).for_each(|_| assert_eq!(receive(&mut consumer).unwrap(), [1; 32]));
    let (grant, _) = grant.replaced(usize::MAX).err().unwrap();
    grant.commit(4);
    assert_eq!(receive(&mut consumer).unwrap(), b"kept");

    let mut grant = producer.grant(4).unwrap().replaced(20).ok().unwrap();
    assert_eq!((grant.len(), grant.as_ptr().addr() % 16), (20, 0));
    grant.fill(2);
    grant.commit(20);
    assert_eq!(receive(&mut consumer).unwrap(), [2; 20]);
    assert_eq!(receive(&mut consumer), None);
}

#[test]
fn as_many_messages_as_were_asked_for_always_find_a_place() {
    for (count, len) in [(1, 0), (1, 1), (3, 16), (8, 64), (5, 100)] {
        let mut memory = region(ring_bytes_needed(count, len) + 64);
        for offset in (0..64).step_by(if cfg!(miri) { 9 } else { 1 }) {
            let (mut producer, mut consumer) =
                ring(&mut memory[offset..offset + ring_bytes_needed(count, len)]).unwrap();
            let mut random = Random(7);
            let mut there = 0;
            let rounds = if cfg!(miri) { 20 } else { 2000 };
            for _ in 0..rounds {
                if there < count && random.below(2) == 0 {
                    let message = vec![1; random.below(len + 1)];
                    assert_eq!(send(&mut producer, &message), Ok(()), "{count} of {len} at {offset}");
                    there += 1;
                } else if consumer.read().is_some() {
                    there -= 1;
                }
            }
        }
    }
}

#[test]
fn a_grant_that_is_dropped_never_was_and_a_shorter_commit_takes_less() {
    let mut memory = region(ring_bytes_needed(2, 64));
    let (mut producer, mut consumer) = ring(&mut memory).unwrap();
    assert!(producer.grant(64).is_ok());
    assert!(consumer.read().is_none());
    for number in 0..100_u8 {
        let mut grant = producer.grant(64).unwrap();
        grant[0] = number;
        grant.commit(1);
        assert_eq!(receive(&mut consumer), Some(vec![number]));
    }
    // More than was granted is not there to commit.
    producer.grant(3).unwrap().commit(usize::MAX);
    assert_eq!(receive(&mut consumer).map(|message| message.len()), Some(3));
}

#[test]
fn a_message_that_is_forgotten_is_read_again() {
    let mut memory = region(ring_bytes_needed(2, 8));
    let (mut producer, mut consumer) = ring(&mut memory).unwrap();
    send(&mut producer, b"again").unwrap();
    core::mem::forget(consumer.read());
    assert_eq!(receive(&mut consumer).as_deref(), Some(&b"again"[..]));
    assert!(consumer.read().is_none());
}

#[test]
fn lengths_that_never_fit_are_told_apart_from_those_that_do_not_fit_now() {
    let mut memory = region(ring_bytes_needed(1, 100));
    let (mut producer, _consumer) = ring(&mut memory).unwrap();
    let most = match producer.grant(usize::MAX) {
        Err(RingError::TooLong { most_bytes }) => most_bytes,
        other => panic!("{other:?}"),
    };
    for bits in 0..usize::BITS {
        for len in [(1_usize << bits) - 1, 1 << bits, (1 << bits) + 1] {
            assert_eq!(producer.grant(len).is_ok(), len <= most, "{len}");
        }
    }
    assert!(producer.grant(most + 1).is_err_and(|error| error == RingError::TooLong { most_bytes: most }));
    let full = (0..100).find_map(|_| send(&mut producer, &vec![0; most]).err()).unwrap();
    assert!(matches!(full, RingError::Full { free_bytes } if free_bytes < most), "{full}");
}

#[test]
fn a_region_that_is_too_small_is_refused_and_one_byte_more_is_not() {
    let mut memory = region(400);
    for offset in 0..64 {
        let Err(InitError::TooSmall { needed, given: 0 }) = ring(&mut memory[offset..offset]).map(drop)
        else {
            panic!("no bytes are enough");
        };
        let refused = ring(&mut memory[offset..offset + needed - 1]).map(drop);
        assert_eq!(refused, Err(InitError::TooSmall { needed, given: needed - 1 }));
        let (mut producer, mut consumer) = ring(&mut memory[offset..offset + needed]).unwrap();
        assert_eq!(send(&mut producer, b""), Ok(()));
        assert_eq!(receive(&mut consumer), Some(Vec::new()));
    }
}

#[test]
fn two_threads_see_the_same_messages() {
    let mut memory = region(1000);
    let (mut producer, mut consumer) = ring(&mut memory).unwrap();
    let messages = if cfg!(miri) { 200_u32 } else { 50_000 };
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut random = Random(3);
            for number in 0..messages {
                let len = 4 + random.below(60);
                let message: Vec<u8> = number.to_le_bytes().into_iter().cycle().take(len).collect();
                while send(&mut producer, &message).is_err() {
                    thread::yield_now();
                }
            }
        });
        let mut random = Random(3);
        for number in 0..messages {
            let len = 4 + random.below(60);
            let message = loop {
                match receive(&mut consumer) {
                    Some(message) => break message,
                    None => thread::yield_now(),
                }
            };
            assert!(message.iter().eq(number.to_le_bytes().iter().cycle().take(len)));
        }
    });
}
