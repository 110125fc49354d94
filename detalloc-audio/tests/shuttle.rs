//! Random schedules of three and four threads and tens of operations on the protocols between threads: what the loom tests
//! explore at the smallest sizes goes right in longer runs, too. See [`schedules`] for what this cannot find.
//!
//! `RUSTFLAGS="--cfg shuttle" cargo test -p detalloc-audio --release --test shuttle -- --nocapture`
#![cfg(shuttle)]

/// The modules themselves, built with shuttle's atomics.
#[path = "../src/reaper/asked.rs"]
mod asked;
#[path = "../src/inside/bucket.rs"]
mod bucket;
#[path = "../src/closed.rs"]
mod closed;
#[path = "../src/dead.rs"]
mod dead;
#[path = "../src/deferred.rs"]
#[allow(dead_code, reason = "values of the system heap travel here")]
mod deferred;
#[path = "../src/topup/extras.rs"]
mod extras;
#[path = "../src/leaving.rs"]
mod leaving;
#[path = "../src/record/lane.rs"]
#[allow(dead_code, reason = "its ends are enough")]
mod record_lane;
#[path = "interleavings/ring.rs"]
mod ring;
#[path = "../../detalloc/tests/interleavings/schedules.rs"]
mod schedules;
#[path = "../src/publish/swap.rs"]
mod swap;
#[path = "../src/visits.rs"]
#[allow(dead_code, reason = "no region finds a reaper again")]
mod visits;

mod sync {
    pub(crate) use crate::ring::Ring;
    pub(crate) use shuttle::sync::{
        Mutex,
        atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering, fence},
    };
    pub(crate) use std::sync::{OnceLock, TryLockError};

    /// As `src/sync.rs` has it.
    pub(crate) struct UnsafeCell<T>(core::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(core::cell::UnsafeCell::new(value))
        }

        pub(crate) fn with<R>(&self, read: impl FnOnce(*const T) -> R) -> R {
            read(self.0.get())
        }

        pub(crate) fn with_mut<R>(&self, write: impl FnOnce(*mut T) -> R) -> R {
            write(self.0.get())
        }
    }

    // SAFETY: one thread runs at a time.
    unsafe impl<T> Sync for UnsafeCell<T> {}
}

use asked::Asked;
use bucket::Bucket;
use closed::Closed;
use core::ptr;
use dead::{Dead, Link};
use extras::Extras;
use leaving::Leaving;
use record_lane::Lane;
use ringbuf::traits::{Consumer, Producer};
use schedules::schedule;
use shuttle::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering},
    },
    thread,
};
use swap::Swap;
use visits::Visits;

/// Runs the same on so many threads.
fn threads<T: Send + Sync + 'static>(
    count: usize,
    shared: &Arc<T>,
    run: fn(usize, &T),
) -> Vec<thread::JoinHandle<()>> {
    (1..=count)
        .map(|number| {
            let shared = Arc::clone(shared);
            thread::spawn(move || run(number, &shared))
        })
        .collect()
}

fn join(threads: Vec<thread::JoinHandle<()>>) {
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn four_threads_in_a_bucket_of_three_find_their_own_instances() {
    schedule(|| {
        let bucket = Arc::new(Bucket::<(), 3> {
            busy: AtomicUsize::new(0),
            threads: core::array::from_fn(|_| AtomicUsize::new(0)),
            instances: core::array::from_fn(|_| AtomicPtr::new(ptr::null_mut())),
        });
        let visiting = threads(4, &bucket, |thread, bucket| {
            let current = || bucket.place_of(thread).map(|place| place.load(Ordering::Relaxed));
            for round in 0..5 {
                let instance = ptr::without_provenance_mut(16 * (10 * thread + round));
                assert!(current().is_none() && !bucket.has(thread));
                let place = bucket.take_alone(instance, thread).or_else(|| bucket.take_any(instance, thread));
                assert_eq!(current(), place.map(|_| instance));
                if let Some(place) = place {
                    thread::yield_now();
                    assert_eq!(current(), Some(instance));
                    bucket.give_up(place);
                }
            }
        });
        join(visiting);
        assert_eq!(bucket.busy.load(Ordering::Relaxed), 0);
    });
}

#[test]
fn no_dead_block_is_lost_and_none_is_taken_twice() {
    fn take(dead: &Dead) -> Vec<usize> {
        let mut sizes = Vec::new();
        let mut next = dead.take();
        while !next.is_null() {
            // SAFETY: from `Box::into_raw`, and taken once.
            let link = unsafe { Box::from_raw(next) };
            sizes.push(link.size);
            next = link.next;
        }
        sizes
    }
    schedule(|| {
        let dead = Arc::new(Dead::new());
        let taken = Arc::new((Arc::clone(&dead), Mutex::new(Vec::new())));
        // The reaper, and whoever drops a heap, look in turn.
        let reaping = threads(2, &taken, |_, (dead, taken)| {
            for _ in 0..8 {
                let mut all = taken.lock().unwrap();
                all.extend(take(dead));
            }
        });
        for size in 0..20 {
            let block = Box::into_raw(Box::new(Link { next: ptr::null_mut(), size, align: 1 }));
            // SAFETY: this thread is the only one that adds, and the block is its own until it is taken.
            unsafe { dead.add(block, |next| (*block).next = next) };
        }
        join(reaping);
        let mut all = core::mem::take(&mut *taken.1.lock().unwrap());
        all.extend(take(&dead));
        all.sort_unstable();
        assert!(all.into_iter().eq(0..20) && dead.is_empty());
    });
}

#[test]
fn what_three_read_is_alive_while_it_is_replaced() {
    /// A handle that says when the last one of its value goes.
    struct Handle(std::sync::Arc<AtomicBool>);

    impl Clone for Handle {
        fn clone(&self) -> Self {
            let was_alive = self.0.load(Ordering::Relaxed);
            let clone = Self(std::sync::Arc::clone(&self.0));
            assert!(was_alive);
            clone
        }
    }

    schedule(|| {
        let place = Arc::new(Swap::new(Handle(std::sync::Arc::new(AtomicBool::new(true)))));
        let reading = threads(3, &place, |_, place| {
            for _ in 0..5 {
                let read = place.get().unwrap();
                thread::yield_now();
                assert!(read.0.load(Ordering::Relaxed));
            }
        });
        for _ in 0..5 {
            // SAFETY: this is the only writer.
            let old = unsafe {
                place.replace(Handle(std::sync::Arc::new(AtomicBool::new(true))), thread::yield_now)
            };
            let old = old.unwrap();
            if std::sync::Arc::strong_count(&old.0) == 1 {
                old.0.store(false, Ordering::Relaxed);
            }
        }
        join(reading);
    });
}

#[test]
fn events_of_three_arrive_whole_and_in_the_order_of_each() {
    schedule(|| {
        let lane = Arc::new(Lane::new(8));
        let sending = threads(3, &lane, |thread, lane| {
            (0..6).for_each(|n| lane.send([thread, 100 * thread + n]));
        });
        let mut received = Vec::new();
        // SAFETY: nobody else receives.
        let receive = || unsafe { lane.receive() };
        for _ in 0..24 {
            received.extend(receive());
        }
        join(sending);
        received.extend(core::iter::from_fn(receive));
        assert_eq!(received.len() + lane.lost(), 18);
        for thread in 1..=3 {
            let own: Vec<_> =
                received.iter().filter(|event| event[0] == thread).map(|event| event[1]).collect();
            assert!(own.iter().copied().eq((0..own.len()).map(|n| 100 * thread + n)), "{own:?}");
        }
    });
}

#[test]
fn what_leaves_is_destroyed_once_and_in_order_however_full_its_lane() {
    struct Value(usize, std::sync::Arc<std::sync::Mutex<Vec<usize>>>);

    impl Drop for Value {
        fn drop(&mut self) {
            self.1.lock().unwrap().push(self.0);
        }
    }

    schedule(|| {
        let ends = std::sync::Arc::<std::sync::Mutex<Vec<usize>>>::default();
        let (mut near, mut far) = deferred::lane(4, || Leaving::new(())).unwrap();
        let reaper = thread::spawn(move || {
            for _ in 0..30 {
                drop(far.try_pop());
            }
            far
        });
        let mut fitted = Vec::new();
        for number in 0..20 {
            match near.try_push(Leaving::new(Value(number, std::sync::Arc::clone(&ends)))) {
                Ok(()) => fitted.push(number),
                Err(value) => core::mem::forget(value),
            }
        }
        drop((near, reaper.join().unwrap()));
        assert!(fitted.len() >= 4);
        assert_eq!(*ends.lock().unwrap(), fitted);
    });
}

/// A region, as the reaper and a heap's owner share it.
#[derive(Default)]
struct Region {
    closed: Closed,
    visits: Visits,
    handed_out: AtomicUsize,
    home: AtomicUsize,
    ended: AtomicBool,
}

impl Region {
    fn allocate(&self) {
        self.assert_alive();
        self.handed_out.fetch_add(1, Ordering::Relaxed);
    }

    fn free(&self) -> bool {
        self.visits.arrive();
        self.assert_alive();
        self.home.fetch_add(1, Ordering::Release);
        self.assert_alive();
        self.visits.leave()
    }

    fn assert_alive(&self) {
        assert!(!self.ended.load(Ordering::Relaxed));
    }

    /// A look: whether it has ended.
    fn look(&self) -> bool {
        let over = self.closed.is_closed()
            && self.home.load(Ordering::Acquire) == self.handed_out.load(Ordering::Relaxed)
            && self.visits.none();
        self.ended.fetch_or(over, Ordering::Relaxed) || over
    }
}

/// The owner allocates from what there is, the reaper adds four regions, two threads free, and then the heap goes.
#[test]
fn regions_that_are_added_end_with_the_heap_and_not_before_the_last_block() {
    #[derive(Default)]
    struct Instance {
        closed: Closed,
        extras: Extras<Region>,
        held: Mutex<Vec<usize>>,
        over: Closed,
    }
    impl Instance {
        fn free_one(&self) {
            let held = self.held.lock().unwrap().pop();
            if let Some(region) = held {
                assert!(!self.extras.iter().nth(region).unwrap().free(), "there is a reaper");
            }
        }
    }
    schedule(|| {
        let instance = Arc::new(Instance::default());
        let its = Arc::clone(&instance);
        let reaper = thread::spawn(move || {
            for _ in 0..4 {
                assert!(its.extras.next().unwrap().set(std::sync::Arc::new(Region::default())).is_ok());
                if its.closed.is_closed_to_added() {
                    its.extras.iter().for_each(|region| region.closed.close());
                }
                its.extras.iter().for_each(|region| {
                    region.look();
                });
            }
        });
        let freeing = threads(2, &instance, |_, instance| {
            while !instance.over.is_closed() {
                instance.free_one();
                thread::yield_now();
            }
        });
        for _ in 0..8 {
            if let Some((number, region)) = instance.extras.iter().enumerate().last() {
                region.allocate();
                instance.held.lock().unwrap().push(number);
            }
            thread::yield_now();
        }
        instance.closed.close_with(|| instance.extras.iter().for_each(|region| region.closed.close()));
        instance.over.close();
        join(freeing);
        reaper.join().unwrap();
        while !instance.held.lock().unwrap().is_empty() {
            instance.free_one();
        }
        assert_eq!(instance.extras.iter().filter(|region| region.look()).count(), 4);
    });
}

/// Three threads bring the last blocks of a region home whose reaper stops meanwhile.
#[test]
fn a_region_ends_with_its_last_block_though_no_reaper_looks() {
    const EACH: usize = 4;
    struct Model {
        region: Region,
        chores: Mutex<bool>,
        asked: Asked,
    }
    impl Model {
        fn sweep(&self) {
            self.asked.ask();
            self.asked.answer(&self.chores, |ended| *ended |= self.region.look());
        }
    }
    schedule(|| {
        let region = Region::default();
        (0..3 * EACH).for_each(|_| region.allocate());
        region.closed.close();
        let asked = Asked(AtomicBool::new(false));
        let model = Arc::new(Model { region, chores: Mutex::new(false), asked });
        let freeing = threads(3, &model, |_, model| {
            for _ in 0..EACH {
                if model.region.free() {
                    model.sweep();
                }
            }
        });
        {
            let _chores = model.chores.lock().unwrap();
            model.region.visits.orphan();
        }
        model.sweep();
        join(freeing);
        assert!(*model.chores.lock().unwrap(), "nobody looks any more");
    });
}
