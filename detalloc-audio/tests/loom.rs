//! Every interleaving of a region's end with the threads that bring its last blocks home: the region never ends under
//! somebody who still touches it, and it always ends.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p detalloc-audio --release --test loom`
#![cfg(loom)]

/// The module itself, built with loom's atomics.
#[path = "../src/visits.rs"]
mod visits;

mod sync {
    pub(crate) use loom::sync::atomic::{AtomicUsize, Ordering};
}

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

/// Three threads: exhaustive up to three preemptions, which keeps this to seconds.
fn explore(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
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
    explore(|| {
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
    explore(|| {
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
