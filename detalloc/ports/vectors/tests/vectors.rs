//! The core gives what the file says.

use core::mem::MaybeUninit;
use detalloc_vectors::{Failed, TEXT, vectors};

#[test]
fn every_vector_gives_what_the_file_says() {
    let mut region = vec![MaybeUninit::uninit(); 1 << 20];
    let mut ran = 0;
    for vector in vectors(TEXT) {
        let outcome = vector.run(&mut region, &mut [None; 64]).expect("a sound vector");
        assert!(outcome.is(vector.expected), "{} on {}:\n{outcome}", vector.trace, vector.heap);
        ran += 1;
    }
    assert_eq!(ran, 8);
}

#[test]
fn another_outcome_is_seen() {
    let mut region = vec![MaybeUninit::uninit(); 1 << 20];
    let vector = vectors(TEXT).next().expect("a vector");
    let outcome = vector.run(&mut region, &mut [None; 64]).expect("a sound vector");
    let longer = format!("{}\n", vector.expected);
    let other = vector.expected.replacen("live 0", "live 1", 1);
    for wrong in ["", &longer, &other, &vector.expected[1..]] {
        assert!(!outcome.is(wrong), "{wrong}");
    }
}

#[test]
fn a_region_or_slots_too_few_are_named() {
    let vector = vectors(TEXT).next().expect("a vector");
    let needed = vector.config().expect("a configuration").bytes_needed();
    assert_eq!(vector.run(&mut [], &mut [None; 64]).err(), Some(Failed::Region { needed }));
    assert_eq!(vector.run(&mut [], &mut []).err(), Some(Failed::Slots { needed: vector.slots }));
}
