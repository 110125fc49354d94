//! Everything at once, a million times: every kind of handle, frees on four other threads, publishing and retiring,
//! containment and top-up, with a watch on what the audio thread asks of the system.
//!
//! `cargo test --release -p detalloc-audio --test stress -- --ignored --nocapture`
// Miri has no window of addresses that would contain ordinary code.
#![cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64", not(miri)))]

use detalloc_audio::{
    AudioBudget, Foreign, Inner, OnViolation, Publish, ReapTask, Refusal, Routed, Rt, RtArc, RtBox, RtHeap,
    RtMap, RtQueue, RtString, RtVec, Tailed, prove::Proof, unsize,
};
use ringbuf::{
    HeapCons, HeapProd, HeapRb,
    traits::{Consumer, Observer, Producer, Split},
};
use std::{
    fmt::Write,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicIsize, Ordering},
    },
    thread,
    time::Duration,
};

#[global_allocator]
static GLOBAL: Routed = Routed::contain(Inner).on_violation(OnViolation::Count);

const FREEING_THREADS: usize = 4;

/// So many callbacks lie between one growth and the next.
const GROWS_EVERY: usize = 500;

/// Callbacks after which every place of the lanes to the other threads has been used.
const WARM_UP: usize = 2_000;

/// Loaded values that a callback retires at most.
const RETIRED_AT_ONCE: usize = 16;

/// Callbacks between two looks at whether the reaper keeps up.
const PACED_EVERY: usize = 256;

/// Values with destructors above which callbacks wait for the reaper.
const ALIVE_AT_MOST: usize = 1_000;

/// Values that the budget has room for on their way to the reaper.
const LANE: usize = 4_096;

// What callbacks retire until the next look fits as well: loaded values in every other one, and a published one in each.
const _: () = assert!(ALIVE_AT_MOST + PACED_EVERY / 2 * RETIRED_AT_ONCE + PACED_EVERY <= LANE);

/// How many there are of what has a destructor.
static ALIVE: AtomicIsize = AtomicIsize::new(0);

/// Has a destructor, and memory of the system heap or the pools.
struct Noted(#[expect(dead_code, reason = "its drop frees memory")] Vec<u8>);

impl Noted {
    fn new(bytes: usize) -> Self {
        ALIVE.fetch_add(1, Ordering::Relaxed);
        Self(vec![1; bytes])
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        ALIVE.fetch_sub(1, Ordering::Relaxed);
    }
}

trait Effect: Send {
    fn sample(&self) -> f32;
}

struct Gain(f32, #[expect(dead_code, reason = "its drop is what counts")] Noted);

impl Effect for Gain {
    fn sample(&self) -> f32 {
        self.0
    }
}

/// What other threads free.
enum Away {
    Plain(#[expect(dead_code, reason = "dropped")] RtBox<[f32; 16]>),
    Noted(#[expect(dead_code, reason = "dropped")] RtBox<Noted>),
    Shared(#[expect(dead_code, reason = "dropped")] RtArc<Noted>),
    Ordinary(#[expect(dead_code, reason = "dropped")] Vec<u8>),
}

#[derive(Default)]
struct State {
    grains: RtVec<RtBox<Tailed<u32, [f32]>>>,
    events: RtQueue<usize>,
    held: RtMap<u8, RtArc<Noted>>,
    label: RtString,
    /// Grows beyond what the budget says, slowly enough for the reaper to add memory.
    grown: RtVec<RtBox<[usize; 100]>>,
}

/// What the loader sends and the callback retires.
type Loaded = Foreign<Arc<Noted>>;

fn callback(
    rt: &Rt<'_>,
    n: usize,
    state: &mut State,
    loaded: &mut HeapCons<Loaded>,
    away: &mut [HeapProd<Away>],
) -> Result<f32, Refusal> {
    if state.events.capacity() == 0 {
        *state = State {
            grains: rt.vec(16)?,
            events: rt.queue(16)?,
            held: rt.map(16)?,
            label: rt.string(32)?,
            grown: rt.vec(16)?,
        };
    }
    let buffer = rt.scratch(64, 0.5_f32)?;
    let mut sum: f32 = buffer.iter().sum();
    let grain = rt.tailed(1_u32, 16, 0.25_f32).map_err(|refused| refused.refusal)?;
    sum += grain.tail[3];
    if let Err(refused) = state.grains.try_push(grain) {
        state.grains.remove(0);
        let _ = state.grains.try_push(refused.into_value());
    }
    if state.events.try_push_back(n).is_err() {
        state.events.pop_front();
    }
    state.label.clear();
    let _ = write!(state.label, "callback {n}");
    let effect = rt.boxed(Gain(0.5, Noted::new(24))).map_err(|refused| refused.refusal)?;
    let effect: RtBox<dyn Effect> = unsize!(effect => dyn Effect);
    sum += effect.sample();
    let shared = rt.arc(Noted::new(40)).map_err(|refused| refused.refusal)?;
    let key = (n % 23).to_le_bytes()[0];
    if let Err(refused) = state.held.try_insert(key, shared.clone()) {
        state.held.clear();
        drop(refused);
    }
    // Ordinary code.
    let text = format!("{n} and {sum}");
    let mut bytes = Vec::with_capacity(8);
    bytes.extend(text.bytes().cycle().take(60));
    // To one of the other threads, if it keeps up.
    let lane = &mut away[n % FREEING_THREADS];
    if lane.vacant_len() >= 4 {
        let _ = lane.try_push(Away::Plain(rt.boxed([0.0; 16]).map_err(|refused| refused.refusal)?));
        let _ = lane.try_push(Away::Noted(rt.boxed(Noted::new(16)).map_err(|refused| refused.refusal)?));
        let _ = lane.try_push(Away::Shared(shared));
        let _ = lane.try_push(Away::Ordinary(bytes));
    }
    if n % GROWS_EVERY == GROWS_EVERY - 1 && !state.grown.is_full() {
        let large = rt.boxed([n; 100]).map_err(|refused| refused.refusal)?;
        let _ = state.grown.try_push(large);
    }
    // What the loader made is dropped here, and its last reference with it; every other time as ordinary code would.
    for value in loaded.pop_iter().take(RETIRED_AT_ONCE) {
        if n.is_multiple_of(2) { drop(value) } else { drop(value.into_inner()) }
    }
    Ok(sum)
}

fn run(callbacks: usize) {
    let budget = AudioBudget::new(48_000.0, 64)
        .scratch::<f32>(64)
        .slices::<u8>(64, 3_000)
        .slices::<u8>(192, 3_000)
        .slices::<RtBox<Tailed<u32, [f32]>>>(16, 1)
        .events::<usize>(16)
        .slices::<RtBox<[usize; 100]>>(16, 1)
        .objects::<[usize; 100]>(4)
        .map::<u8, RtArc<Noted>>(16)
        .foreign(LANE)
        .low_water_percent(30)
        .top_up(16 << 20);
    let mut heap = RtHeap::new();
    heap.reconfigure(&budget).unwrap();
    let stop = Arc::new(AtomicBool::new(false));

    let (mut away, theirs): (Vec<HeapProd<Away>>, Vec<HeapCons<Away>>) =
        (0..FREEING_THREADS).map(|_| HeapRb::new(256).split()).unzip();
    let freeing: Vec<_> = theirs
        .into_iter()
        .map(|mut lane| {
            let stop = Arc::clone(&stop);
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) || !lane.is_empty() {
                    if lane.try_pop().is_none() {
                        thread::sleep(Duration::from_micros(200));
                    }
                }
            })
        })
        .collect();
    let (mut send, mut loaded) = HeapRb::<Loaded>::new(64).split();
    let publish = Publish::new(Noted::new(1_000)).unwrap();
    let reader = publish.reader();
    let loader = {
        let stop = Arc::clone(&stop);
        thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                if send.is_full() {
                    thread::sleep(Duration::from_micros(100));
                } else {
                    let _ = send.try_push(Foreign::new(Arc::new(Noted::new(300))));
                }
                publish.set(Noted::new(1_000));
            }
        })
    };

    let meter = heap.meter().unwrap();
    // The first callbacks touch the stack and the lanes of this test.
    let mut proof = Proof::new().warm_up(WARM_UP).heap(&heap).containments_are_meant();
    let mut state = State::default();
    let mut refusal = None;
    for n in 0..callbacks {
        // As fast as it goes, callbacks outrun a reaper that looks every few milliseconds.
        if n.is_multiple_of(PACED_EVERY) {
            while meter.snapshot().used_bytes() * 4 > meter.snapshot().total_bytes()
                || ALIVE.load(Ordering::Relaxed) > ALIVE_AT_MOST.cast_signed()
            {
                thread::sleep(Duration::from_millis(1));
                heap.enter(|_| ());
            }
        }
        // What grows waits for the reaper in between, as music would.
        if n.is_multiple_of(GROWS_EVERY) && n < 20 * GROWS_EVERY {
            thread::sleep(Duration::from_millis(20));
        }
        let result = proof.callback(|| {
            heap.enter(|rt| {
                let now = reader.read();
                let result = callback(rt, n, &mut state, &mut loaded, &mut away);
                drop(now);
                result
            })
        });
        refusal = refusal.or(result.err());
    }
    heap.enter(|_| state = State::default());
    stop.store(true, Ordering::Relaxed);
    loader.join().unwrap();
    freeing.into_iter().for_each(|thread| thread.join().unwrap());
    drop((loaded, reader, away));

    let counts = meter.snapshot();
    let report = proof.report();
    println!(
        "{report}refusal {refusal:?}, refused {}, contained {}, uncontained {}, buried {}, \
         topped up {}, carried {}, abandoned {}; longest {:?}",
        counts.refused,
        counts.contained,
        counts.uncontained,
        counts.buried,
        counts.topped_up,
        counts.carried,
        counts.abandoned,
        counts.callbacks.longest
    );
    report.assert_clean();
    assert_eq!(refusal, None);
    assert_eq!((counts.refused, counts.uncontained, counts.carried, counts.abandoned), (0, 0, 0, 0));
    assert!(counts.contained >= 4 * callbacks, "ordinary code was contained");
    assert!(counts.buried > 0 && counts.topped_up > 0, "and all the rest happened too");
    drop(heap);
    for _ in 0..1_000 {
        ReapTask.run();
        if ALIVE.load(Ordering::Relaxed) == 0 {
            return;
        }
        thread::sleep(Duration::from_millis(1));
    }
    panic!("{} values were never destroyed", ALIVE.load(Ordering::Relaxed));
}

/// One at a time: what is alive is counted in one place.
static ONE: std::sync::Mutex<()> = std::sync::Mutex::new(());

#[test]
fn twenty_thousand_callbacks_with_everything_at_once_are_silent() {
    let _one = ONE.lock();
    run(20_000);
}

#[test]
#[ignore = "takes a minute or so"]
fn a_million_callbacks_with_everything_at_once_are_silent() {
    let _one = ONE.lock();
    run(1_000_000);
}
