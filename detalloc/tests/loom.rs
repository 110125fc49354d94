//! Every interleaving of remote frees with the owner's collecting: no block is lost, none comes home twice, and what
//! the freeing thread wrote to a block is visible to the owner who hands it out again.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p detalloc --release --test loom`
#![cfg(loom)]

/// The module itself, built with loom's atomics.
#[path = "../src/remote.rs"]
mod remote;

mod sync {
    pub(crate) use loom::sync::atomic::{AtomicUsize, Ordering};
}

use loom::{
    cell::UnsafeCell,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};
use remote::RemoteFrees;

struct Shared {
    pools: AtomicUsize,
    groups: AtomicUsize,
    leaves: Vec<AtomicUsize>,
    /// What lies in each block; loom reports an access that races.
    contents: Vec<UnsafeCell<u32>>,
}

impl Shared {
    fn new(leaves: usize, blocks: usize) -> Arc<Self> {
        Arc::new(Self {
            pools: AtomicUsize::new(0),
            groups: AtomicUsize::new(0),
            leaves: (0..leaves).map(|_| AtomicUsize::new(0)).collect(),
            contents: (0..blocks).map(|_| UnsafeCell::new(0)).collect(),
        })
    }

    fn frees(&self) -> RemoteFrees<'_> {
        RemoteFrees { pools: &self.pools, pool: 3, groups: &self.groups, leaves: &self.leaves }
    }

    /// What a thread does that uses a block for the last time.
    fn use_and_free(&self, index: usize) -> bool {
        self.contents[index % self.contents.len()].with_mut(|it| unsafe { *it += 1 });
        self.frees().announce(index)
    }

    /// What the owner does: collects, and reuses at once.
    fn collect(&self, home: &mut Vec<usize>) {
        if self.pools.load(Ordering::Relaxed) == 0 {
            return;
        }
        self.frees().collect_group(|leaf, bits| {
            for bit in (0..usize::BITS as usize).filter(|bit| bits >> bit & 1 == 1) {
                let index = leaf * usize::BITS as usize + bit;
                self.contents[index % self.contents.len()].with_mut(|it| unsafe { *it += 1 });
                assert!(!home.contains(&index), "block {index} came home twice");
                home.push(index);
            }
        });
    }
}

/// Two threads free `blocks`, the owner collects meanwhile and once more after they ended.
fn model(leaves: usize, blocks: [usize; 2]) {
    loom::model(move || {
        let shared = Shared::new(leaves, 2 * usize::BITS as usize);
        let threads = blocks.map(|block| {
            let shared = shared.clone();
            thread::spawn(move || assert!(shared.use_and_free(block)))
        });
        let mut home = Vec::new();
        shared.collect(&mut home);
        shared.collect(&mut home);
        for thread in threads {
            thread.join().unwrap();
        }
        while home.len() < blocks.len() {
            let before = home.len();
            shared.collect(&mut home);
            assert!(home.len() > before, "a free was lost: only {home:?} came home");
        }
    });
}

#[test]
fn frees_into_one_word_all_come_home() {
    model(1, [3, 4]);
}

#[test]
fn frees_into_two_groups_all_come_home() {
    model(2, [5, usize::BITS as usize + 5]);
}

#[test]
fn one_block_freed_by_two_threads_comes_home_once() {
    loom::model(|| {
        let shared = Shared::new(1, 1);
        let other = shared.clone();
        let thread = thread::spawn(move || other.frees().announce(0));
        let here = shared.frees().announce(0);
        let there = thread.join().unwrap();
        assert!(here != there, "exactly one of the two frees is accepted");
        let mut home = Vec::new();
        shared.collect(&mut home);
        assert_eq!(home, [0]);
    });
}
