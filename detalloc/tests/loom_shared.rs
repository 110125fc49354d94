//! Every interleaving of threads at a shared heap's bits, and at a spin lock: no block is handed out twice,
//! none is lost, and what its last user wrote to it is visible to the next one.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p detalloc --release --test loom_shared -- --nocapture`
#![cfg(loom)]

/// The modules themselves, built with loom's atomics.
#[path = "../src/shared/bits.rs"]
mod bits;
#[path = "interleavings/explore.rs"]
mod explore;
#[path = "../src/spin/lock.rs"]
mod lock;

mod sync {
    use core::cell::Cell;
    use loom::sync::atomic::{AtomicUsize as Inner, fence};
    pub(crate) use loom::{hint::spin_loop, sync::atomic::Ordering};

    /// loom takes SeqCst for AcqRel, except on fences; one in front of each such operation makes it what it
    /// should be. But it also makes others stronger than they are, and so only the models of the hints have
    /// them.
    pub(crate) struct AtomicUsize(Inner);

    thread_local! {
        /// The threads of a model all run on one thread.
        pub(crate) static FENCES: Cell<bool> = const { Cell::new(false) };
    }

    fn fenced(order: Ordering) {
        if order == Ordering::SeqCst && FENCES.get() {
            fence(order);
        }
    }

    impl AtomicUsize {
        pub(crate) fn new(value: usize) -> Self {
            Self(Inner::new(value))
        }

        pub(crate) fn load(&self, order: Ordering) -> usize {
            fenced(order);
            self.0.load(order)
        }

        pub(crate) fn store(&self, value: usize, order: Ordering) {
            fenced(order);
            self.0.store(value, order);
        }

        pub(crate) fn fetch_or(&self, bits: usize, order: Ordering) -> usize {
            fenced(order);
            self.0.fetch_or(bits, order)
        }

        pub(crate) fn fetch_and(&self, bits: usize, order: Ordering) -> usize {
            fenced(order);
            self.0.fetch_and(bits, order)
        }

        pub(crate) fn fetch_add(&self, more: usize, order: Ordering) -> usize {
            fenced(order);
            self.0.fetch_add(more, order)
        }

        pub(crate) fn fetch_update(
            &self,
            set: Ordering,
            fetch: Ordering,
            update: impl FnMut(usize) -> Option<usize>,
        ) -> Result<usize, usize> {
            fenced(set);
            self.0.fetch_update(set, fetch, update)
        }

        pub(crate) fn compare_exchange(
            &self,
            current: usize,
            new: usize,
            success: Ordering,
            failure: Ordering,
        ) -> Result<usize, usize> {
            fenced(success);
            self.0.compare_exchange(current, new, success, failure)
        }
    }
}

use bits::{FreeBits, Refused, Taken, WORD_BITS};
use explore::{explore, explore_within};
use loom::{cell::UnsafeCell, sync::Arc, thread};
use sync::{AtomicUsize, Ordering::Relaxed};

struct Pool {
    count: AtomicUsize,
    hints: AtomicUsize,
    leaves: Vec<AtomicUsize>,
    blocks: usize,
    /// What lies in each block; loom reports an access that races.
    contents: Vec<UnsafeCell<u32>>,
}

impl Pool {
    /// A pool of which all blocks are free.
    fn full(blocks: usize) -> Arc<Self> {
        let pool = Self::new(blocks, &[]);
        pool.bits().fill();
        pool
    }

    /// A pool of which only the blocks `free` are.
    fn new(blocks: usize, free: &[usize]) -> Arc<Self> {
        let pool = Self {
            count: AtomicUsize::new(0),
            hints: AtomicUsize::new(0),
            leaves: (0..blocks.div_ceil(WORD_BITS)).map(|_| AtomicUsize::new(0)).collect(),
            blocks,
            contents: (0..blocks).map(|_| UnsafeCell::new(0)).collect(),
        };
        free.iter().for_each(|&index| assert!(pool.bits().put(index)));
        Arc::new(pool)
    }

    fn bits(&self) -> FreeBits<'_> {
        FreeBits { count: &self.count, hints: &self.hints, leaves: &self.leaves, blocks: self.blocks }
    }

    /// Takes a block and uses it.
    fn take(&self) -> Option<usize> {
        self.used(self.bits().take())
    }

    fn used(&self, result: Result<Taken, Refused>) -> Option<usize> {
        match result {
            Ok(taken) => {
                self.contents[taken.index].with_mut(|it| unsafe { *it += 1 });
                Some(taken.index)
            }
            Err(Refused::Empty) => None,
            Err(Refused::Lost) => panic!("a block that was counted is lost"),
        }
    }

    /// Uses a block for the last time and frees it.
    fn put(&self, index: usize) {
        self.contents[index].with_mut(|it| unsafe { *it += 1 });
        assert!(self.bits().put(index), "block {index} was free already");
    }

    /// Whether who looks for a free block is led to it.
    fn is_hinted(&self) -> bool {
        self.leaves.iter().enumerate().all(|(leaf, word)| {
            word.load(Relaxed) == 0 || self.hints.load(Relaxed) & self.bits().hint_of(leaf) != 0
        })
    }

    /// All blocks that are left come out once each.
    fn drain(&self) -> Vec<usize> {
        let mut rest: Vec<_> = std::iter::from_fn(|| self.take()).collect();
        rest.sort_unstable();
        rest
    }
}

/// Two threads run `work` on a pool, then `free` must be there again, once each.
fn both(blocks: usize, free: &'static [usize], work: fn(&Pool)) {
    explore(move || {
        let pool = Pool::new(blocks, free);
        let other = pool.clone();
        let thread = thread::spawn(move || work(&other));
        work(&pool);
        thread.join().unwrap();
        assert_eq!(pool.drain(), free);
    });
}

fn take_and_put(pool: &Pool) {
    if let Some(index) = pool.take() {
        pool.put(index);
    }
}

#[test]
fn a_block_is_one_threads_at_a_time() {
    both(1, &[0], take_and_put);
}

#[test]
fn a_pool_with_enough_refuses_nobody() {
    both(2, &[0, 1], |pool| {
        let index = pool.take().expect("there is one for each");
        pool.put(index);
    });
}

#[test]
fn blocks_of_two_leaves_are_found_while_hints_come_and_go() {
    both(WORD_BITS + 1, &[0, WORD_BITS], |pool| {
        let index = pool.take().expect("there is one for each");
        pool.put(index);
    });
}

/// What a stack of block numbers would need a tag against: one thread takes two blocks and returns the first,
/// while the other is between looking and taking.
#[test]
fn a_block_that_went_and_came_back_is_not_mistaken() {
    explore(|| {
        let pool = Pool::full(2);
        let other = pool.clone();
        let thread = thread::spawn(move || {
            let (first, second) = (other.take(), other.take());
            if let Some(first) = first {
                other.put(first);
            }
            second
        });
        let here = pool.take();
        let there = thread.join().unwrap();
        let mut all = pool.drain();
        all.extend(here.into_iter().chain(there));
        all.sort_unstable();
        assert_eq!(all, [0, 1]);
    });
}

#[test]
fn of_two_racing_frees_one_succeeds() {
    explore(|| {
        let pool = Pool::new(1, &[]);
        let other = pool.clone();
        let thread = thread::spawn(move || other.bits().put(0));
        let here = pool.bits().put(0);
        assert!(here != thread.join().unwrap());
        assert!(pool.bits().is_free(0));
        assert_eq!(pool.drain(), [0]);
    });
}

#[test]
fn a_block_that_comes_back_while_the_last_one_goes_is_hinted() {
    sync::FENCES.set(true);
    explore(|| {
        let pool = Pool::new(2, &[0]);
        let other = pool.clone();
        let thread = thread::spawn(move || other.put(1));
        let here = pool.take();
        thread.join().unwrap();
        assert!(pool.is_hinted());
        assert_eq!(here.into_iter().chain(pool.drain()).count(), 2);
    });
}

#[test]
fn who_sees_a_block_counted_finds_it_and_what_was_written_to_it() {
    explore(|| {
        let pool = Pool::new(WORD_BITS + 1, &[]);
        let other = pool.clone();
        let thread = thread::spawn(move || other.put(WORD_BITS));
        // Nobody else takes any, so one look is enough.
        let here = pool.used(pool.bits().take_within(1));
        thread.join().unwrap();
        assert_eq!(here.into_iter().chain(pool.drain()).collect::<Vec<_>>(), [WORD_BITS]);
    });
}

#[test]
fn three_threads_take_and_free_two_blocks() {
    explore_within(2, || {
        let pool = Pool::full(2);
        let threads = [(); 2].map(|()| {
            let pool = pool.clone();
            thread::spawn(move || take_and_put(&pool))
        });
        take_and_put(&pool);
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(pool.drain(), [0, 1]);
    });
}

#[test]
fn one_holds_a_spin_lock_at_a_time_and_sees_what_the_last_one_did() {
    explore(|| {
        let shared = Arc::new((AtomicUsize::new(0), UnsafeCell::new(0)));
        let add = |shared: &(AtomicUsize, UnsafeCell<i32>)| {
            lock::lock(&shared.0);
            shared.1.with_mut(|it| unsafe { *it += 1 });
            lock::unlock(&shared.0);
        };
        let other = shared.clone();
        let thread = thread::spawn(move || add(&other));
        add(&shared);
        thread.join().unwrap();
        lock::lock(&shared.0);
        assert_eq!(shared.1.with(|it| unsafe { *it }), 2);
    });
}

#[test]
fn a_spin_lock_that_is_tried_is_taken_or_left() {
    explore(|| {
        let shared = Arc::new((AtomicUsize::new(0), UnsafeCell::new(0)));
        let other = shared.clone();
        let thread = thread::spawn(move || {
            let taken = lock::try_lock(&other.0);
            if taken {
                other.1.with_mut(|it| unsafe { *it += 1 });
                lock::unlock(&other.0);
            }
            i32::from(taken)
        });
        lock::lock(&shared.0);
        shared.1.with_mut(|it| unsafe { *it += 1 });
        lock::unlock(&shared.0);
        let taken = thread.join().unwrap();
        assert_eq!(shared.1.with(|it| unsafe { *it }), 1 + taken);
    });
}
