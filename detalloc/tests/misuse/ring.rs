//! A ring has two ends; what each hands out borrows it.

use core::mem::MaybeUninit;
use detalloc::{Grant, Received, RingConsumer, RingProducer, ring};

type Region = [MaybeUninit<u8>];

fn two_writing_ends(producer: RingProducer<'_>) {
    let other = producer.clone();
    drop((producer, other));
}

fn two_reading_ends(consumer: RingConsumer<'_>) {
    let other = consumer.clone();
    drop((consumer, other));
}

fn two_grants(producer: &mut RingProducer<'_>) {
    let one = producer.grant(4).unwrap();
    let other = producer.grant(4).unwrap();
    one.commit(4);
    other.commit(4);
}

// Allowed.
fn one_grant_after_the_other(producer: &mut RingProducer<'_>) {
    producer.grant(4).unwrap().commit(4);
    producer.grant(4).unwrap().commit(4);
}

fn writing_what_was_published(producer: &mut RingProducer<'_>) {
    let mut grant = producer.grant(4).unwrap();
    grant.commit(4);
    grant[0] = 1;
}

fn writing_what_will_be_published(producer: &mut RingProducer<'_>) {
    let mut grant = producer.grant(4).unwrap();
    let bytes = &mut grant[..];
    grant.commit(4);
    bytes[0] = 1;
}

fn reading_what_was_given_back(consumer: &mut RingConsumer<'_>) -> u8 {
    let message = consumer.read().unwrap();
    let bytes = &message[..];
    drop(message);
    bytes[0]
}

fn reading_ahead(consumer: &mut RingConsumer<'_>) {
    let one = consumer.read();
    let other = consumer.read();
    drop((one, other));
}

fn a_grant_that_outlives_its_end<'r>(mut producer: RingProducer<'r>) -> Grant<'r> {
    producer.grant(4).unwrap()
}

fn a_message_that_outlives_its_end<'r>(mut consumer: RingConsumer<'r>) -> Received<'r> {
    consumer.read().unwrap()
}

fn ends_that_outlive_the_region() -> (RingProducer<'static>, RingConsumer<'static>) {
    let mut region = [MaybeUninit::uninit(); 1000];
    ring(&mut region).unwrap()
}

fn two_rings_in_one_region(region: &mut Region) {
    let one = ring(region);
    let other = ring(region);
    drop((one, other));
}

fn ends_on_two_threads(producer: &RingProducer<'_>, consumer: &RingConsumer<'_>) {
    std::thread::scope(|scope| _ = scope.spawn(|| _ = (producer, consumer)));
}

// Allowed.
fn an_end_on_another_thread(mut producer: RingProducer<'_>) {
    std::thread::scope(|scope| _ = scope.spawn(move || producer.grant(4).map(|grant| grant.commit(4))));
}

fn main() {}
