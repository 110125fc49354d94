//! Objects that are replaced while callbacks read them, and basedrop's collector without its leak.

use detalloc_audio::{AudioBudget, Collected, Publish, ReapTask, RtHeap};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

#[cfg(debug_assertions)]
#[global_allocator]
static GLOBAL: detalloc_audio::AllocDisabler = detalloc_audio::AllocDisabler;

/// How many are published while others read.
const VALUES: usize = if cfg!(miri) { 20 } else { 2_000 };

/// Counts how many there are, and is all of one number.
struct Table {
    alive: Arc<AtomicUsize>,
    values: Vec<usize>,
    made_on: thread::ThreadId,
    destroyed_elsewhere: Arc<AtomicUsize>,
}

#[derive(Clone, Default)]
struct Counts {
    alive: Arc<AtomicUsize>,
    destroyed_elsewhere: Arc<AtomicUsize>,
}

impl Counts {
    fn table(&self, value: usize) -> Table {
        self.alive.fetch_add(1, Ordering::SeqCst);
        Table {
            alive: Arc::clone(&self.alive),
            values: vec![value; 64],
            made_on: thread::current().id(),
            destroyed_elsewhere: Arc::clone(&self.destroyed_elsewhere),
        }
    }

    fn alive(&self) -> usize {
        self.alive.load(Ordering::SeqCst)
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        self.values.fill(usize::MAX);
        if thread::current().id() != self.made_on {
            self.destroyed_elsewhere.fetch_add(1, Ordering::SeqCst);
        }
        self.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(30), "{what}");
        thread::sleep(Duration::from_millis(1));
    }
}

fn heap() -> RtHeap {
    let mut heap = RtHeap::new();
    heap.reconfigure(&AudioBudget::new(48_000.0, 64).objects::<u64>(1)).unwrap();
    heap
}

#[test]
fn a_predecessor_lives_while_it_is_held_and_is_destroyed_by_the_reaper() {
    let counts = Counts::default();
    let publish = Publish::new(counts.table(1)).unwrap();
    let reader = publish.reader();
    let mut heap = heap();
    let held = heap.enter(|_| reader.read());
    publish.set(counts.table(2));
    assert_eq!((held.values[0], reader.read().values[0], publish.read().values[0]), (1, 2, 2));
    assert_eq!(counts.alive(), 2);
    // In a callback, where `AllocDisabler` would abort if it were freed there.
    heap.enter(|_| drop(held));
    eventually("the first one is destroyed", || counts.alive() == 1);
    assert_eq!(counts.destroyed_elsewhere.load(Ordering::SeqCst), 1, "not on the thread that made it");
    drop(publish);
    assert_eq!(reader.read().values[0], 2, "a reader outlives the publisher");
    drop(reader);
    eventually("all are destroyed", || {
        ReapTask.run();
        counts.alive() == 0
    });
}

#[test]
fn two_threads_that_read_never_see_one_that_is_destroyed_or_half() {
    let counts = Counts::default();
    let publish = Publish::new(counts.table(0)).unwrap();
    thread::scope(|scope| {
        for _ in 0..2 {
            let reader = publish.reader();
            scope.spawn(move || {
                let mut heap = heap();
                let mut newest = 0;
                while newest < VALUES {
                    heap.enter(|_| {
                        let table = reader.read();
                        let first = table.values[0];
                        assert!(first >= newest && table.values.iter().all(|&value| value == first));
                        newest = first;
                    });
                }
            });
        }
        (1..=VALUES).for_each(|value| publish.set(counts.table(value)));
    });
    drop(publish);
    eventually("all are destroyed", || {
        ReapTask.run();
        counts.alive() == 0
    });
}

#[test]
fn two_threads_may_publish() {
    let counts = Counts::default();
    let publish = Publish::new(counts.table(0)).unwrap();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| (0..VALUES / 4).for_each(|value| publish.set(counts.table(value))));
        }
    });
    drop(publish);
    eventually("all are destroyed", || {
        ReapTask.run();
        counts.alive() == 0
    });
}

#[test]
fn what_outlives_its_collector_is_destroyed_all_the_same() {
    let counts = Counts::default();
    let collected = Collected::new().unwrap();
    let mut mine = collected.own(counts.table(1));
    mine.values[0] = 7;
    let theirs = basedrop::Shared::new(&collected.handle(), counts.table(2));
    drop(collected);
    heap().enter(|_| drop((mine, theirs)));
    eventually("both are destroyed", || {
        ReapTask.run();
        counts.alive() == 0
    });
}

#[test]
fn a_collector_of_ones_own_may_be_handed_over() {
    let counts = Counts::default();
    let collector = basedrop::Collector::new();
    let theirs = basedrop::Owned::new(&collector.handle(), counts.table(2));
    let collected = Collected::drain(collector).unwrap();
    drop(theirs);
    eventually("it is destroyed", || counts.alive() == 0);
    drop(collected);
}

#[test]
fn a_destructor_that_panics_takes_nothing_with_it() {
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            std::panic::resume_unwind(Box::new("on purpose"));
        }
    }
    let counts = Counts::default();
    let collected = Collected::new().unwrap();
    drop(collected.own(Panics));
    drop(basedrop::Owned::new(&collected.handle(), Panics));
    drop(collected.own(counts.table(1)));
    eventually("the next one is destroyed", || counts.alive() == 0);
}
