//! The case that stalls the system heap: other threads allocate and churn, and the audio thread frees what they made. In one run,
//! turn by turn, as plain drops and in a heap's callback, where the reaper frees them.
//!
//! `cargo test --release -p detalloc-audio --test stall -- --nocapture`
// Miri has no window of addresses that would contain ordinary code.
#![cfg(all(target_os = "linux", not(miri)))]

use detalloc_audio::{AudioBudget, Inner, OnViolation, Routed, RtHeap};
use ringbuf::{
    HeapCons, HeapRb,
    traits::{Consumer, Observer, Producer, Split},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};
use thread_watch::Usage;

#[global_allocator]
static GLOBAL: Routed = Routed::contain(Inner).on_violation(OnViolation::Count);

const CALLBACKS: usize = 20_000;

/// What one callback frees.
const BLOCKS: usize = 16;

/// 64 frames at 48 kHz.
const DEADLINE: Duration = Duration::from_micros(1_333);

/// Larger than what glibc keeps for each thread without a lock.
fn block(n: usize) -> Vec<u8> {
    vec![1; 2_000 + (n * 677) % 60_000]
}

/// Voluntary context switches of this thread so far.
fn switches() -> u64 {
    Usage::of_this_thread().unwrap().voluntary_switches
}

#[derive(Debug, Default)]
struct Seen {
    switches: u64,
    misses: usize,
    longest: Duration,
}

impl Seen {
    fn watch(&mut self, callback: impl FnOnce()) {
        let (before, start) = (switches(), Instant::now());
        callback();
        let took = start.elapsed();
        self.switches += switches() - before;
        self.misses += usize::from(took > DEADLINE);
        self.longest = self.longest.max(took);
    }
}

fn free_some(loaded: &mut HeapCons<Vec<u8>>) {
    (0..BLOCKS).for_each(|_| drop(loaded.try_pop()));
}

#[test]
fn frees_of_other_threads_blocks_do_not_stall_a_callback() {
    let mut heap = RtHeap::new();
    heap.reconfigure(&AudioBudget::new(48_000.0, 64).objects::<u64>(1)).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let (mut send, mut loaded) = HeapRb::<Vec<u8>>::new(256).split();
    let loader = {
        let stop = Arc::clone(&stop);
        thread::spawn(move || {
            let mut churn: Vec<Vec<u8>> = Vec::new();
            let mut n = 0;
            while !stop.load(Ordering::Relaxed) {
                n += 1;
                if !send.is_full() {
                    let _ = send.try_push(block(n));
                }
                churn.push(block(n * 31));
                if churn.len() > 200 {
                    churn.swap_remove(n % 200);
                }
            }
        })
    };
    let (mut system, mut ours) = (Seen::default(), Seen::default());
    for callback in 0..CALLBACKS {
        while loaded.occupied_len() < BLOCKS {
            thread::yield_now();
        }
        if callback.is_multiple_of(2) {
            system.watch(|| free_some(&mut loaded));
        } else {
            ours.watch(|| heap.enter(|_| free_some(&mut loaded)));
        }
    }
    stop.store(true, Ordering::Relaxed);
    loader.join().unwrap();
    let buried = heap.meter().unwrap().snapshot().buried;
    println!("system heap: {system:?}\nours: {ours:?}, {buried} blocks left to the reaper");
    assert_eq!(ours.switches, 0);
    assert_eq!(buried, CALLBACKS / 2 * BLOCKS);
}
