//! Every interleaving of the protocols of this crate: a region never ends under a thread that brings a block home, and it
//! always ends; no block of the system heap that was freed in a callback is lost or taken twice; nobody reads what is published
//! while it is replaced, and what was replaced is given back once; recorded events arrive whole and in order.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p detalloc-audio --release --test loom -- --nocapture`
#![cfg(loom)]

/// The modules themselves, built with loom's atomics.
#[path = "../src/dead.rs"]
mod dead;
#[path = "../../detalloc/tests/interleavings/explore.rs"]
mod explore;
#[path = "../src/record/lane.rs"]
mod record_lane;
#[path = "../src/publish/swap.rs"]
mod swap;
#[path = "../src/visits.rs"]
mod visits;

mod sync {
    pub(crate) use loom::{
        cell::UnsafeCell,
        sync::atomic::{AtomicPtr, AtomicUsize, Ordering},
    };
}

use explore::{explore, explore_within};
use loom::{
    cell::UnsafeCell,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};
use visits::Visits;

const BLOCKS: usize = 2;

struct Model {
    visits: Visits,
    /// One bit a block that is at home.
    home: AtomicUsize,
    /// Touched shared by freeing threads and exclusively by the end; loom reports a touch that races with the end.
    region: UnsafeCell<()>,
    /// Whether the region has ended; the lock that looks are taken under.
    ended: Mutex<bool>,
}

impl Model {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            visits: Visits::new(),
            home: AtomicUsize::new(0),
            region: UnsafeCell::new(()),
            ended: Mutex::new(false),
        })
    }

    fn free(&self, block: usize) {
        self.visits.arrive();
        self.region.with(|_| ());
        self.home.fetch_or(1 << block, Ordering::Release);
        // The summary words come after the block's own bit.
        self.region.with(|_| ());
        if self.visits.leave() {
            self.look();
        }
    }

    fn look(&self) {
        let mut ended = self.ended.lock().unwrap();
        let all_home = self.home.load(Ordering::Acquire) == (1 << BLOCKS) - 1;
        if !*ended && all_home && self.visits.none() {
            self.region.with_mut(|_| ());
            *ended = true;
        }
    }
}

fn spawn_freeing(model: &Arc<Model>) -> Vec<thread::JoinHandle<()>> {
    (0..BLOCKS)
        .map(|block| {
            let model = model.clone();
            thread::spawn(move || model.free(block))
        })
        .collect()
}

#[test]
fn a_region_does_not_end_under_a_thread_that_frees() {
    explore(|| {
        let model = Model::new();
        let freeing = spawn_freeing(&model);
        model.look();
        model.look();
        for thread in freeing {
            thread.join().unwrap();
        }
        model.look();
        assert!(*model.ended.lock().unwrap());
    });
}

#[test]
fn an_orphaned_region_ends_with_its_last_block() {
    explore_within(3, || {
        let model = Model::new();
        let freeing = spawn_freeing(&model);
        model.visits.orphan();
        model.look();
        for thread in freeing {
            thread.join().unwrap();
        }
        // Nobody looks any more: the orphaning or one of the threads must have.
        assert!(*model.ended.lock().unwrap());
    });
}

#[test]
fn a_region_that_finds_a_reaper_again_ends_by_its_look() {
    explore_within(3, || {
        let model = Model::new();
        model.visits.orphan();
        let freeing = spawn_freeing(&model);
        model.visits.adopt();
        model.look();
        for thread in freeing {
            thread.join().unwrap();
        }
        model.look();
        assert!(*model.ended.lock().unwrap());
    });
}

mod dead_blocks {
    use super::{
        dead::{Dead, Link},
        *,
    };

    /// A block, as loom watches it.
    struct Block(UnsafeCell<Link>);

    fn block() -> Box<Block> {
        Box::new(Block(UnsafeCell::new(Link { next: core::ptr::null_mut(), size: 0, align: 0 })))
    }

    fn take(dead: &Dead) -> usize {
        let mut taken = 0;
        let mut next = dead.take().cast::<Block>();
        while !next.is_null() {
            // SAFETY: from `Box::into_raw`, and taken once.
            let block = unsafe { Box::from_raw(next) };
            next = block.0.with(|link| unsafe { (*link).next }).cast();
            taken += 1;
        }
        taken
    }

    #[test]
    fn none_is_lost_and_none_is_taken_twice() {
        explore(|| {
            let dead = Arc::new(Dead::new());
            let theirs = Arc::clone(&dead);
            let reaper = thread::spawn(move || take(&theirs) + take(&theirs));
            for _ in 0..2 {
                let block = Box::into_raw(block());
                // SAFETY: this thread is the only one that adds, and the block is its own until it is taken.
                unsafe { dead.add(block.cast(), |next| (*block).0.with_mut(|link| (*link).next = next)) };
            }
            let taken = reaper.join().unwrap();
            assert_eq!(taken + take(&dead), 2);
            assert!(dead.is_empty());
        });
    }
}

mod published {
    use super::{swap::Swap, *};

    /// A handle that says when its value is destroyed; loom reports a clone that races with that.
    struct Handle {
        count: Arc<AtomicUsize>,
        value: Arc<UnsafeCell<bool>>,
    }

    impl Handle {
        fn new() -> Self {
            Self { count: Arc::new(AtomicUsize::new(1)), value: Arc::new(UnsafeCell::new(true)) }
        }

        fn assert_alive(&self) {
            assert!(self.value.with(|value| unsafe { *value }));
        }
    }

    impl Clone for Handle {
        fn clone(&self) -> Self {
            self.assert_alive();
            self.count.fetch_add(1, Ordering::Relaxed);
            Self { count: Arc::clone(&self.count), value: Arc::clone(&self.value) }
        }
    }

    impl Drop for Handle {
        fn drop(&mut self) {
            if self.count.fetch_sub(1, Ordering::AcqRel) == 1 {
                self.value.with_mut(|value| unsafe { *value = false });
            }
        }
    }

    #[test]
    fn what_is_read_is_alive_while_it_is_replaced_twice() {
        explore_within(3, || {
            let place = Arc::new(Swap::new(Handle::new()));
            let readers: Vec<_> = (0..2)
                .map(|_| {
                    let place = Arc::clone(&place);
                    thread::spawn(move || place.get().unwrap().assert_alive())
                })
                .collect();
            for _ in 0..2 {
                // SAFETY: this is the only writer.
                let old = unsafe { place.replace(Handle::new(), thread::yield_now) };
                assert!(old.is_some());
            }
            for reader in readers {
                reader.join().unwrap();
            }
        });
    }
}

/// Events of two threads and the reaper's reading.
mod recording {
    use super::*;
    use crate::record_lane::Lane;

    /// Sends an event for each of so many places in turn; the lane has this many.
    fn exchange(places: usize, each: usize) {
        explore_within(3, move || {
            let lane = Arc::new(Lane::new(places));
            let sending: Vec<_> = (1..=2)
                .map(|thread| {
                    let lane = lane.clone();
                    thread::spawn(move || (1..=each).for_each(|n| lane.send([thread, 10 * thread + n])))
                })
                .collect();
            let mut received = Vec::new();
            // SAFETY: nobody else receives.
            let receive = || unsafe { lane.receive() };
            received.extend((0..each).map_while(|_| receive()));
            sending.into_iter().for_each(|thread| thread.join().unwrap());
            received.extend(core::iter::from_fn(receive));
            assert_eq!(received.len() + lane.lost(), 2 * each);
            assert!(lane.is_empty());
            for thread in 1..=2 {
                // Each event whole, each once, in the thread's order, and none after one that was lost.
                let own = received.iter().filter(|event| event[0] == thread).map(|event| event[1]);
                assert!(own.eq((1..=each).map(|n| 10 * thread + n).take(own_count(&received, thread))));
            }
            assert!(places < 2 * each || lane.lost() == 0);
        });
    }

    fn own_count(received: &[[usize; 2]], thread: usize) -> usize {
        received.iter().filter(|event| event[0] == thread).count()
    }

    #[test]
    fn loses_nothing_while_there_is_room() {
        exchange(4, 2);
    }

    #[test]
    fn ends_where_it_was_full_and_says_how_much_is_missing() {
        exchange(2, 2);
    }

    /// A block that comes home on another thread and is handed out again: its end comes before its next life.
    #[test]
    fn keeps_the_order_of_what_happened() {
        explore(|| {
            let lane = Arc::new(Lane::new(4));
            let home = Arc::new(AtomicUsize::new(0));
            let freeing = {
                let (lane, home) = (lane.clone(), home.clone());
                thread::spawn(move || {
                    lane.send([1, 1]);
                    home.store(1, Ordering::Release);
                })
            };
            if home.load(Ordering::Acquire) == 1 {
                lane.send([2, 2]);
            }
            freeing.join().unwrap();
            // SAFETY: nobody else receives.
            assert_eq!(unsafe { lane.receive() }, Some([1, 1]));
        });
    }
}
