//! Every interleaving of remote frees with the owner's collecting: no block is lost, none comes home twice, and what
//! the freeing thread wrote to a block is visible to the owner who hands it out again. And of those who claim a typed pool:
//! it has one owner at a time, who sees what the last one did.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p detalloc --release --test loom -- --nocapture`
#![cfg(loom)]

/// The modules themselves, built with loom's atomics.
#[path = "../src/typed/claimed.rs"]
mod claimed;
#[path = "interleavings/explore.rs"]
mod explore;
#[path = "../src/remote.rs"]
#[allow(dead_code, reason = "its ends are enough")]
mod remote;

mod sync {
    use core::cell::Cell;
    pub(crate) use loom::sync::atomic::{AtomicBool, Ordering};
    use loom::{cell::UnsafeCell, sync::atomic::AtomicUsize as Inner};

    /// loom lets every exchange see the latest value, and so values do not show what goes wrong when exchanges of two words change
    /// places. Therefore a word has a witness, in models of a single free: who sets a bit has touched it before, and who finds a
    /// bit set touches it afterwards, which loom reports unless the one comes before the other.
    pub(crate) struct AtomicUsize {
        word: Inner,
        witness: UnsafeCell<()>,
    }

    thread_local! {
        /// The threads of a model all run on one thread.
        pub(crate) static WITNESSES: Cell<bool> = const { Cell::new(false) };
    }

    impl AtomicUsize {
        pub(crate) fn new(value: usize) -> Self {
            Self { word: Inner::new(value), witness: UnsafeCell::new(()) }
        }

        fn touch(&self) {
            if WITNESSES.get() {
                self.witness.with_mut(|_| ());
            }
        }

        fn found(&self, bits: usize) -> usize {
            if bits != 0 {
                self.touch();
            }
            bits
        }

        pub(crate) fn load(&self, order: Ordering) -> usize {
            let bits = self.word.load(order);
            // A look that leads nowhere but to a better one.
            if order == Ordering::Relaxed { bits } else { self.found(bits) }
        }

        pub(crate) fn fetch_or(&self, bits: usize, order: Ordering) -> usize {
            self.touch();
            self.word.fetch_or(bits, order)
        }

        pub(crate) fn fetch_and(&self, bits: usize, order: Ordering) -> usize {
            self.found(self.word.fetch_and(bits, order))
        }

        pub(crate) fn swap(&self, bits: usize, order: Ordering) -> usize {
            self.found(self.word.swap(bits, order))
        }
    }
}

use claimed::Claimed;
use explore::explore;
use loom::{
    cell::UnsafeCell,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};
use remote::RemoteFrees;
use sync::AtomicUsize;

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
        let frees = self.frees();
        let Some(group) = frees.claim() else { return };
        frees.collect(group, |leaf, bits| {
            for bit in (0..usize::BITS as usize).filter(|bit| bits >> bit & 1 == 1) {
                let index = leaf * usize::BITS as usize + bit;
                self.contents[index % self.contents.len()].with_mut(|it| unsafe { *it += 1 });
                assert!(!home.contains(&index), "block {index} came home twice");
                home.push(index);
            }
        });
    }
}

/// A thread each frees one of `blocks`, the owner collects meanwhile and once more after they ended.
fn model<const THREADS: usize>(leaves: usize, blocks: [usize; THREADS]) {
    explore(move || {
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
fn who_finds_a_bit_finds_what_came_before_it() {
    sync::WITNESSES.set(true);
    model(1, [3]);
}

#[test]
fn one_block_freed_by_two_threads_comes_home_once() {
    explore(|| {
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

#[test]
fn a_pool_has_one_owner_at_a_time_who_sees_what_the_last_one_did() {
    explore(|| {
        let shared = Arc::new((Claimed(AtomicBool::new(false)), UnsafeCell::new(0)));
        let claim = |(claimed, pool): &(Claimed, UnsafeCell<usize>)| {
            let is_owner = claimed.claim();
            if is_owner {
                pool.with_mut(|used| unsafe { *used += 1 });
                claimed.give_up();
            }
            usize::from(is_owner)
        };
        let other = Arc::clone(&shared);
        let thread = thread::spawn(move || claim(&other));
        let here = claim(&shared);
        let owners = here + thread.join().unwrap();
        assert!(owners >= 1 && shared.0.claim(), "it is free again");
        assert_eq!(shared.1.with(|used| unsafe { *used }), owners);
    });
}
