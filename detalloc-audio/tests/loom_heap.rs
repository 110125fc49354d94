//! Every interleaving of a heap's owners, one after the other, with the reaper that adds regions to it and ends them: a thread
//! takes itself for the owner if and only if it is, nobody takes a region apart that an owner still touches, and a region that is
//! added while the heap ends is ended, too.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p detalloc-audio --release --test loom_heap -- --nocapture`
#![cfg(loom)]

/// The modules themselves, built with loom's atomics.
#[path = "../src/closed.rs"]
mod closed;
#[path = "../../detalloc/tests/interleavings/explore.rs"]
mod explore;
#[path = "../src/topup/extras.rs"]
mod extras;
#[path = "../src/owner.rs"]
mod owner;
#[path = "../src/visits.rs"]
#[expect(dead_code, reason = "regions that have lost their reaper are in tests/loom_reaper.rs")]
mod visits;

mod sync {
    use loom::cell::UnsafeCell;
    pub(crate) use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};

    /// As the standard library's: who finds it filled sees what it is filled with. For one that fills it.
    pub(crate) struct OnceLock<T> {
        is_full: AtomicBool,
        value: UnsafeCell<Option<T>>,
    }

    impl<T> OnceLock<T> {
        pub(crate) fn new() -> Self {
            Self { is_full: AtomicBool::new(false), value: UnsafeCell::new(None) }
        }

        pub(crate) fn get(&self) -> Option<&T> {
            let is_full = self.is_full.load(Ordering::Acquire);
            // SAFETY: it is not written to any more.
            if is_full { self.value.with(|value| unsafe { (*value).as_ref() }) } else { None }
        }

        pub(crate) fn set(&self, new: T) -> Result<(), T> {
            // SAFETY: only one fills it, and nobody reads before.
            self.value.with_mut(|value| unsafe { *value = Some(new) });
            self.is_full.store(true, Ordering::Release);
            Ok(())
        }
    }

    // SAFETY: as the standard library's.
    unsafe impl<T: Send + Sync> Sync for OnceLock<T> {}
}

use closed::Closed;
use explore::explore;
use extras::Extras;
use loom::{
    cell::UnsafeCell,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};
use owner::Owner;
use visits::Visits;

/// What the reaper and a heap's owner share of a region.
struct Region {
    closed: Closed,
    visits: Visits,
    /// The owner's until it is closed, and then the reaper's: how many blocks were handed out. loom reports a race.
    handed_out: UnsafeCell<usize>,
    /// How many of those came home.
    home: AtomicUsize,
    /// Whether the reaper has ended it.
    ended: UnsafeCell<bool>,
}

impl Region {
    fn new() -> Self {
        Self {
            closed: Closed::new(),
            visits: Visits::new(),
            handed_out: UnsafeCell::new(0),
            home: AtomicUsize::new(0),
            ended: UnsafeCell::new(false),
        }
    }

    /// For the owner.
    fn allocate(&self) {
        self.touch();
        self.handed_out.with_mut(|blocks| unsafe { *blocks += 1 });
    }

    /// For any thread that has a block.
    fn free(&self) {
        self.visits.arrive();
        self.touch();
        self.home.fetch_add(1, Ordering::Release);
        self.touch();
        assert!(!self.visits.leave(), "there is a reaper");
    }

    fn touch(&self) {
        assert!(!self.ended.with(|ended| unsafe { *ended }));
    }

    /// For the reaper: whether it has ended.
    fn look(&self) -> bool {
        if !self.closed.is_closed() {
            return false;
        }
        let handed_out = self.handed_out.with_mut(|blocks| unsafe { *blocks });
        let over = handed_out == self.home.load(Ordering::Acquire) && self.visits.none();
        if over {
            self.ended.with_mut(|ended| unsafe { *ended = true });
        }
        over
    }
}

/// What an `Instance` and its chore share.
struct Instance {
    closed: Closed,
    main: Region,
    extras: Extras<Region>,
}

impl Instance {
    fn new() -> Arc<Self> {
        Arc::new(Self { closed: Closed::new(), main: Region::new(), extras: Extras::default() })
    }

    fn regions(&self) -> impl Iterator<Item = &Region> {
        core::iter::once(&self.main).chain(self.extras.iter())
    }

    /// For the owner: a block of the newest region.
    fn allocate(&self) -> &Region {
        let region = self.regions().last().unwrap();
        region.allocate();
        region
    }

    /// For the owner, who gives the heap up.
    fn close(&self) {
        self.closed.close_with(|| self.regions().for_each(|region| region.closed.close()));
    }

    /// For the reaper: adds a region.
    fn add(&self) {
        let place = self.extras.next().unwrap();
        assert!(place.set(std::sync::Arc::new(Region::new())).is_ok());
        if self.closed.is_closed_to_added() {
            self.extras.iter().for_each(|region| region.closed.close());
        }
    }
}

#[test]
fn a_thread_is_the_owner_while_it_has_the_heap_and_at_no_other_time() {
    explore(|| {
        let owner = Arc::new(Owner::new());
        // The exclusive borrow, and what it is of.
        let heap = Arc::new(Mutex::new(UnsafeCell::new(0)));
        let callbacks = |thread, owner: &Owner, heap: &Mutex<UnsafeCell<usize>>| {
            assert!(!owner.is(thread));
            {
                let heap = heap.lock().unwrap();
                owner.set(thread);
                heap.with_mut(|blocks| unsafe { *blocks += 1 });
                assert!(owner.is(thread));
                owner.set(0);
            }
            assert!(!owner.is(thread));
        };
        let (its_owner, its_heap) = (Arc::clone(&owner), Arc::clone(&heap));
        let other = thread::spawn(move || callbacks(2, &its_owner, &its_heap));
        callbacks(1, &owner, &heap);
        other.join().unwrap();
        assert_eq!(heap.lock().unwrap().with(|blocks| unsafe { *blocks }), 2);
    });
}

#[test]
fn a_region_is_taken_apart_after_its_owner_has_closed_it() {
    explore(|| {
        let region = Arc::new(Region::new());
        let its = Arc::clone(&region);
        let reaper = thread::spawn(move || its.look());
        region.allocate();
        region.free();
        region.closed.close();
        assert!(reaper.join().unwrap() || region.look());
    });
}

#[test]
fn what_is_added_while_the_heap_ends_is_closed_and_ends() {
    explore(|| {
        let instance = Instance::new();
        let its = Arc::clone(&instance);
        let reaper = thread::spawn(move || {
            its.add();
            its.extras.iter().all(Region::look)
        });
        instance.allocate().free();
        instance.close();
        let ended = reaper.join().unwrap();
        assert!(instance.main.look());
        assert!(ended || instance.extras.iter().all(Region::look));
    });
}

#[test]
fn what_is_added_while_the_owner_allocates_ends_when_the_last_block_has_come_home() {
    explore(|| {
        let instance = Instance::new();
        let its = Arc::clone(&instance);
        let reaper = thread::spawn(move || {
            its.add();
            [its.main.look(), its.extras.iter().all(Region::look)]
        });
        let region: *const Region = instance.allocate();
        let region = region.addr();
        let its = Arc::clone(&instance);
        let freeing = thread::spawn(move || {
            its.regions().find(|other| core::ptr::from_ref(*other).addr() == region).unwrap().free();
        });
        instance.close();
        let ended = reaper.join().unwrap();
        freeing.join().unwrap();
        // Unless it has already, the reaper's next look ends it.
        assert!(ended[0] || instance.main.look());
        assert!(ended[1] || instance.extras.iter().all(Region::look));
    });
}
