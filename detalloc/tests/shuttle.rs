//! Random schedules of three and four threads and tens of operations on the protocols between threads: what the loom tests
//! explore at the smallest sizes goes right in longer runs, too. See [`schedules`] for what this cannot find.
//!
//! `RUSTFLAGS="--cfg shuttle" cargo test -p detalloc --release --test shuttle -- --nocapture`
#![cfg(shuttle)]

/// The modules themselves, built with shuttle's atomics.
#[path = "../src/shared/bits.rs"]
#[allow(dead_code, reason = "its ends are enough")]
mod bits;
#[path = "../src/line.rs"]
#[allow(dead_code, reason = "its default is enough")]
mod line;
#[path = "../src/spin/lock.rs"]
mod lock;
#[path = "../src/ring/protocol.rs"]
mod protocol;
#[path = "../src/remote.rs"]
#[allow(dead_code, reason = "its ends are enough")]
mod remote;
#[path = "interleavings/schedules.rs"]
mod schedules;

mod sync {
    pub(crate) use shuttle::{
        hint::spin_loop,
        sync::atomic::{AtomicUsize, Ordering},
    };
}

use bits::{FreeBits, Refused, WORD_BITS};
use protocol::{GRANULE_BYTES, Positions, Reader, Writer};
use remote::RemoteFrees;
use schedules::schedule;
use shuttle::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

/// Whether each block is somebody's.
struct InUse(Vec<AtomicBool>);

impl InUse {
    fn none(blocks: usize) -> Self {
        Self((0..blocks).map(|_| AtomicBool::new(false)).collect())
    }

    fn begin(&self, block: usize) {
        assert!(!self.0[block].swap(true, Ordering::Relaxed), "block {block} is somebody else's");
    }

    fn end(&self, block: usize) {
        assert!(self.0[block].swap(false, Ordering::Relaxed), "block {block} is nobody's");
    }
}

/// Runs the same on so many threads.
fn threads<T: Send + Sync + 'static>(
    count: usize,
    shared: &Arc<T>,
    run: fn(usize, &T),
) -> Vec<thread::JoinHandle<()>> {
    (0..count)
        .map(|number| {
            let shared = Arc::clone(shared);
            thread::spawn(move || run(number, &shared))
        })
        .collect()
}

fn join(threads: Vec<thread::JoinHandle<()>>) {
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

/// Blocks go from the owner to three threads, which free them, and come home, again and again.
#[test]
fn blocks_that_other_threads_free_come_home_once_each() {
    const BLOCKS: usize = 5;
    struct Shared {
        pools: AtomicUsize,
        groups: AtomicUsize,
        leaves: Vec<AtomicUsize>,
        in_use: InUse,
        given: Mutex<Vec<usize>>,
    }
    impl Shared {
        fn frees(&self) -> RemoteFrees<'_> {
            RemoteFrees { pools: &self.pools, pool: 3, groups: &self.groups, leaves: &self.leaves }
        }

        /// Blocks of two leaves.
        fn number(block: usize) -> usize {
            block * (WORD_BITS / 3)
        }

        fn collect(&self, home: &mut Vec<usize>) {
            if self.pools.load(Ordering::Relaxed) == 0 {
                return;
            }
            let Some(group) = self.frees().claim() else { return };
            self.frees().collect(group, |leaf, bits| {
                for block in 0..BLOCKS {
                    let number = Self::number(block);
                    if number / WORD_BITS == leaf && bits >> (number % WORD_BITS) & 1 == 1 {
                        self.in_use.end(block);
                        home.push(block);
                    }
                }
            });
        }
    }
    schedule(|| {
        let shared = Arc::new(Shared {
            pools: AtomicUsize::new(0),
            groups: AtomicUsize::new(0),
            leaves: (0..2).map(|_| AtomicUsize::new(0)).collect(),
            in_use: InUse::none(BLOCKS),
            given: Mutex::new(Vec::new()),
        });
        let freeing = threads(3, &shared, |_, shared| {
            for _ in 0..8 {
                let block = shared.given.lock().unwrap().pop();
                if let Some(block) = block {
                    assert!(shared.frees().announce(Shared::number(block)), "block {block} was announced");
                }
            }
        });
        let mut home: Vec<_> = (0..BLOCKS).collect();
        for _ in 0..12 {
            if let Some(block) = home.pop() {
                shared.in_use.begin(block);
                shared.given.lock().unwrap().push(block);
            }
            shared.collect(&mut home);
        }
        join(freeing);
        for _ in 0..BLOCKS {
            shared.collect(&mut home);
        }
        home.extend(shared.given.lock().unwrap().drain(..));
        home.sort_unstable();
        assert!(home.into_iter().eq(0..BLOCKS));
    });
}

/// Four threads, three blocks in two leaves: one is refused now and then, and no block is anybody else's.
#[test]
fn a_shared_pool_hands_out_each_block_once_at_a_time() {
    const NUMBERS: [usize; 3] = [0, 1, WORD_BITS];
    struct Shared {
        count: AtomicUsize,
        hints: AtomicUsize,
        leaves: Vec<AtomicUsize>,
        in_use: InUse,
    }
    impl Shared {
        fn bits(&self) -> FreeBits<'_> {
            FreeBits { count: &self.count, hints: &self.hints, leaves: &self.leaves, blocks: WORD_BITS + 1 }
        }
    }
    schedule(|| {
        let shared = Arc::new(Shared {
            count: AtomicUsize::new(0),
            hints: AtomicUsize::new(0),
            leaves: (0..2).map(|_| AtomicUsize::new(0)).collect(),
            in_use: InUse::none(WORD_BITS + 1),
        });
        NUMBERS.iter().for_each(|&number| assert!(shared.bits().put(number)));
        let users = threads(4, &shared, |thread, shared| {
            let mut own = Vec::new();
            for round in 0..6 {
                match shared.bits().take() {
                    Ok(taken) => {
                        shared.in_use.begin(taken.index);
                        own.push(taken.index);
                    }
                    Err(Refused::Empty) => {}
                    Err(Refused::Lost) => panic!("a block that was counted is lost"),
                }
                // One thread holds two at times, another gives back at once.
                if (round + thread) % 2 == 1 {
                    own.drain(..).for_each(|index| give_back(shared, index));
                }
            }
            own.drain(..).for_each(|index| give_back(shared, index));
        });
        fn give_back(shared: &Shared, index: usize) {
            shared.in_use.end(index);
            assert!(shared.bits().put(index), "block {index} was free");
        }
        join(users);
        let mut rest: Vec<_> =
            std::iter::from_fn(|| shared.bits().take().ok()).map(|taken| taken.index).collect();
        rest.sort_unstable();
        assert_eq!(rest, NUMBERS);
    });
}

/// Twenty messages of several lengths through a ring that has room for a few.
#[test]
fn messages_of_all_lengths_arrive_whole_and_in_order() {
    const GRANULES: usize = 7;
    const CAPACITY: usize = GRANULES * GRANULE_BYTES;
    const MESSAGES: usize = 20;
    struct Shared {
        positions: Positions,
        granules: Vec<AtomicUsize>,
    }
    impl Shared {
        fn len(message: usize) -> usize {
            1 + message % 3 * GRANULE_BYTES
        }

        fn granule(&self, at: usize) -> &AtomicUsize {
            &self.granules[at / GRANULE_BYTES]
        }
    }
    schedule(|| {
        let shared = Arc::new(Shared {
            positions: Positions::default(),
            granules: (0..GRANULES).map(|_| AtomicUsize::new(0)).collect(),
        });
        let sending = threads(1, &shared, |_, shared| {
            let mut writer = Writer::default();
            for message in 0..MESSAGES {
                let len = Shared::len(message);
                let place = loop {
                    match writer.place(&shared.positions, CAPACITY, len) {
                        Ok(place) => break place,
                        Err(_) => thread::yield_now(),
                    }
                };
                for at in (0..len).step_by(GRANULE_BYTES) {
                    shared.granule(place.header + GRANULE_BYTES + at).store(message, Ordering::Relaxed);
                }
                writer.publish(&shared.positions, CAPACITY, place, len, |at, header| {
                    shared.granule(at).store(header, Ordering::Relaxed);
                });
            }
        });
        let mut reader = Reader::default();
        for expected in 0..MESSAGES {
            let message = loop {
                let header = |at| shared.granule(at).load(Ordering::Relaxed);
                match reader.next(&shared.positions, header) {
                    Some(message) => break message,
                    None => thread::yield_now(),
                }
            };
            assert_eq!(message.len, Shared::len(expected));
            for at in (0..message.len).step_by(GRANULE_BYTES) {
                assert_eq!(shared.granule(message.payload + at).load(Ordering::Relaxed), expected);
            }
            reader.release(&shared.positions, CAPACITY, message);
        }
        join(sending);
        assert!(reader.next(&shared.positions, |at| shared.granule(at).load(Ordering::Relaxed)).is_none());
    });
}

#[test]
fn one_of_four_holds_a_spin_lock_at_a_time() {
    schedule(|| {
        let shared = Arc::new((AtomicUsize::new(0), InUse::none(1), AtomicUsize::new(0)));
        let holders = threads(4, &shared, |thread, (word, in_use, times)| {
            for _ in 0..5 {
                if thread > 0 || !lock::try_lock(word) {
                    lock::lock(word);
                }
                in_use.begin(0);
                // Not one operation, so that two at once would lose a time.
                times.store(times.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
                in_use.end(0);
                lock::unlock(word);
            }
        });
        join(holders);
        assert_eq!(shared.2.load(Ordering::Relaxed), 20);
    });
}
