//! Every interleaving of one who puts things in with the audio thread that fetches: what is fetched is whole, the newest wins, and
//! each is freed once, by the one who took it out.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p graincloud --release --test loom -- --nocapture`
#![cfg(loom)]

#[path = "../../../detalloc/tests/interleavings/explore.rs"]
mod explore;
/// The module itself, built with loom's atomics.
#[path = "../src/handover.rs"]
mod handover;

mod sync {
    pub(crate) use loom::sync::atomic::{AtomicPtr, Ordering};
}

use explore::explore;
use handover::Handover;
use loom::{alloc::Track, cell::UnsafeCell, sync::Arc, thread};

/// What is handed over. loom reports one that is not freed, and an access that races.
struct Material {
    number: usize,
    written: UnsafeCell<usize>,
    _lives: Track<()>,
}

impl Material {
    fn new(number: usize) -> Box<Self> {
        let material = Self { number, written: UnsafeCell::new(0), _lives: Track::new(()) };
        material.written.with_mut(|written| unsafe { *written = number });
        Box::new(material)
    }

    /// For the one who has it.
    fn number(&self) -> usize {
        assert_eq!(self.written.with_mut(|written| unsafe { *written }), self.number);
        self.number
    }
}

#[test]
fn the_newest_wins_and_each_is_had_by_one() {
    explore(|| {
        let place = Arc::new(Handover::<Material>::new());
        let its = Arc::clone(&place);
        let audio = thread::spawn(move || [its.fetch(), its.fetch()].map(|had| had.map(|had| had.number())));
        let back = [1, 2].map(|number| place.put(Material::new(number)).map(|old| old.number()));
        let fetched = audio.join().unwrap();
        let left = place.fetch().map(|left| left.number());
        // What comes back is older than what was put in, and what is fetched is newer than what was fetched before.
        assert!(back[0].is_none() && back[1].is_none_or(|old| old == 1));
        assert!(fetched[0].is_none() || fetched[1].is_none() || fetched == [Some(1), Some(2)]);
        let mut all: Vec<_> = back.into_iter().chain(fetched).chain([left]).flatten().collect();
        all.sort_unstable();
        assert_eq!(all, [1, 2], "the last one is there");
    });
}

#[test]
fn what_two_put_in_is_freed_by_whoever_takes_it_out() {
    explore(|| {
        let place = Arc::new(Handover::<Material>::new());
        let putting = [1, 2].map(|number| {
            let place = Arc::clone(&place);
            thread::spawn(move || drop(place.put(Material::new(number)).map(|old| old.number())))
        });
        drop(place.fetch().map(|had| had.number()));
        putting.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn what_nobody_fetches_ends_with_the_place() {
    explore(|| {
        let place = Arc::new(Handover::<Material>::new());
        let its = Arc::clone(&place);
        thread::spawn(move || drop(its.put(Material::new(1)))).join().unwrap();
        drop(place);
    });
}
