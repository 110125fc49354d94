//! Runs a model through random schedules with shuttle, for sizes that loom cannot go through, and prints how many and from which
//! seed. `DETALLOC_SEED=n` repeats a run.
//!
//! shuttle lets one thread run at a time and every access take effect at once: it finds what goes wrong in some order of the
//! accesses, and nothing that a weak ordering would bring about. That is loom's to find.

use shuttle::{
    Config, Runner,
    scheduler::{PctScheduler, RandomScheduler},
};
use std::{
    env,
    hash::{BuildHasher, RandomState},
    thread,
};

/// How many schedules of each kind.
const SCHEDULES: usize = 10_000;

/// How many changes of priority a schedule has: nearly all known bugs between threads take three or fewer (Burckhardt and others,
/// "A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs", ASPLOS 2010).
const CHANGES: usize = 3;

/// Half of them choose a thread at random at every step, the others by priorities that change now and then.
pub fn schedule(model: impl Fn() + Copy + Send + Sync + 'static) {
    let seed = env::var("DETALLOC_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(|| RandomState::new().hash_one(0));
    let name = thread::current().name().unwrap_or_default().to_owned();
    // First, so that one that fails can be repeated.
    println!("DETALLOC_SEED={seed}: {name}");
    let mut config = Config::new();
    config.silence_warnings = true;
    let random = Runner::new(RandomScheduler::new_from_seed(seed, SCHEDULES), config.clone()).run(model);
    let prioritised = Runner::new(PctScheduler::new_from_seed(seed, CHANGES, SCHEDULES), config).run(model);
    assert_eq!((random, prioritised), (SCHEDULES, SCHEDULES));
    println!("ran {} random schedules: {name}", random + prioritised);
}
