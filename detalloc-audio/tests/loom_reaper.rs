//! Every interleaving of threads that bring the last blocks home, where no reaper's thread looks any more, with one that looks:
//! whoever finds the list of chores locked leaves the look to whoever has it, and that look is never left out.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p detalloc-audio --release --test loom_reaper -- --nocapture`
#![cfg(loom)]

/// The modules themselves, built with loom's atomics.
#[path = "../src/reaper/asked.rs"]
mod asked;
#[path = "../../detalloc/tests/interleavings/explore.rs"]
mod explore;
#[path = "../src/visits.rs"]
#[expect(dead_code, reason = "regions that find a reaper again are in tests/loom.rs")]
mod visits;

mod sync {
    pub(crate) use loom::sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering, fence},
    };
    pub(crate) use std::sync::TryLockError;
}

use asked::Asked;
use explore::explore_within;
use loom::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};
use visits::Visits;

/// A region whose heap has gone, and the reaper's list, which it is on.
struct Model {
    blocks: usize,
    /// How many of them are at home.
    home: AtomicUsize,
    visits: Visits,
    /// Whether the region has ended.
    chores: Mutex<bool>,
    asked: Asked,
}

impl Model {
    fn new(blocks: usize) -> Arc<Self> {
        Arc::new(Self {
            blocks,
            home: AtomicUsize::new(0),
            visits: Visits::new(),
            chores: Mutex::new(false),
            asked: Asked(AtomicBool::new(false)),
        })
    }

    /// A look, under the lock.
    fn end(&self, has_ended: &mut bool) {
        *has_ended = *has_ended || self.home.load(Ordering::Acquire) == self.blocks && self.visits.none();
    }

    /// Who brings a block home of a region that has no reaper looks.
    fn free(&self) {
        self.visits.arrive();
        self.home.fetch_add(1, Ordering::Release);
        if self.visits.leave() {
            self.sweep();
        }
    }

    fn sweep(&self) {
        self.asked.ask();
        self.asked.answer(&self.chores, |has_ended| self.end(has_ended));
    }

    /// As the reaper's look.
    fn look(&self) {
        self.end(&mut self.chores.lock().unwrap());
        self.asked.answer(&self.chores, |has_ended| self.end(has_ended));
    }
}

fn spawn_freeing(model: &Arc<Model>) -> [thread::JoinHandle<()>; 2] {
    [(); 2].map(|()| {
        let model = Arc::clone(model);
        thread::spawn(move || model.free())
    })
}

#[test]
fn a_region_without_a_reaper_ends_with_its_last_block_beside_a_look() {
    explore_within(3, || {
        let model = Model::new(2);
        model.visits.orphan();
        let freeing = spawn_freeing(&model);
        model.look();
        freeing.into_iter().for_each(|thread| thread.join().unwrap());
        assert!(*model.chores.lock().unwrap(), "nobody looks any more");
    });
}

#[test]
fn a_region_whose_reaper_stops_ends_with_its_last_block() {
    explore_within(3, || {
        let model = Model::new(2);
        let freeing = spawn_freeing(&model);
        // As the reaper's thread does at its end.
        {
            let _chores = model.chores.lock().unwrap();
            model.visits.orphan();
        }
        model.sweep();
        freeing.into_iter().for_each(|thread| thread.join().unwrap());
        assert!(*model.chores.lock().unwrap(), "nobody looks any more");
    });
}
