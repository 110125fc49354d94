//! No operation makes a system call: the kernel would end the process at the first. The sessions run in a child, this program
//! again, told which; heap calls too small for a system call are counted beside.
//!
//! Built with `RUSTFLAGS="-Zsanitizer=realtime --cfg rtsan"`, RealtimeSanitizer watches the same sessions instead of the kernel.
// Miri has no window of addresses that would contain ordinary code.
#![cfg(all(target_os = "linux", target_arch = "x86_64", not(miri)))]

use core::{alloc::Layout, mem::MaybeUninit, ptr};
use detalloc::{Allocate, Arena, Config, Heap, Pool, PoolConfig, SharedHeap, ring};
use detalloc_audio::{
    AudioBudget, Foreign, Inner, Publish, Reader, Routed, Rt, RtArc, RtBox, RtHeap, prove::Silence,
};
use ringbuf::{
    HeapProd, HeapRb,
    traits::{Consumer, Observer, Producer, Split},
};
use std::{
    hint::black_box,
    process::{Command, ExitStatus},
    sync::Arc,
    thread,
    time::Duration,
};

#[global_allocator]
static GLOBAL: Routed = Routed::contain(Inner);

/// How often each operation of the core runs.
const OPERATIONS: usize = 1_000_000;

const CALLBACKS: usize = 100_000;

/// What a child does, by name.
const SESSIONS: [(&str, fn()); 7] = [
    ("core", core_operations),
    ("callbacks", || callbacks(|_, _| ())),
    ("large allocation", || callbacks(at(|| drop(black_box(vec![1_u8; 64 << 20]))))),
    ("printing", || callbacks(at(|| println!("from the callback")))),
    ("waiting", || callbacks(at(|| thread::park_timeout(Duration::from_millis(1))))),
    ("mapping", || callbacks(at(map))),
    ("small allocation", || callbacks(at(small_allocation))),
];

/// Does something in one of the callbacks.
fn at(deed: fn()) -> impl FnMut(usize, &Rt<'_>) {
    move |n, _| {
        if n == CALLBACKS / 2 {
            deed();
        }
    }
}

fn map() {
    // SAFETY: a new mapping at an address of the system's choice.
    unsafe {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANON;
        libc::mmap(ptr::null_mut(), 4096, libc::PROT_READ, flags, -1, 0);
    }
}

fn small_allocation() {
    // SAFETY: a block of C's, freed once: too small for a system call, and no business of the routing allocator.
    unsafe { libc::free(black_box(libc::malloc(24))) };
}

fn silence() -> Silence {
    Silence::begin().expect("the kernel has filters")
}

/// Every operation of the core, so many times, in turn.
fn core_operations() {
    let config = Config::new(&[PoolConfig::new(64, 64), PoolConfig::new(256, 8)]).unwrap();
    let mut region = vec![MaybeUninit::uninit(); config.bytes_needed()];
    let mut heap = Heap::new(&mut region, &config).unwrap();
    let remote = heap.remote();
    let mut region = vec![MaybeUninit::uninit(); SharedHeap::bytes_needed(&config)];
    let shared = SharedHeap::new(&mut region, &config).unwrap();
    let pool = Pool::<[u64; 8], 64>::new();
    let mut region = vec![MaybeUninit::uninit(); 4096];
    let mut arena = Arena::new(&mut region);
    let mut region = vec![MaybeUninit::uninit(); 4096];
    let (mut producer, mut consumer) = ring(&mut region).unwrap();
    let layout = Layout::new::<[u64; 8]>();
    let mut kept = [None; 80];

    let run = |times: usize| {
        for n in 0..times {
            // Up to more than there is, so that it borrows and refuses.
            let place = &mut kept[n % 80];
            match place.take() {
                None => *place = heap.allocate(layout).ok(),
                // SAFETY: live blocks, each freed once; a second free is refused.
                Some(block) => unsafe {
                    if n % 3 == 0 {
                        let _ = remote.free(block);
                    } else {
                        let _ = heap.free(block);
                        let _ = heap.free(block);
                    }
                },
            }
            heap.adopt_remote_frees(1);
            if let Ok(block) = shared.allocate(layout) {
                // SAFETY: as above.
                let _ = unsafe { shared.free(block) };
            }
            drop(pool.insert([1; 8]).ok());
            if arena.allocate(layout).is_err() {
                arena.reset();
            }
            if let Ok(grant) = producer.grant(48) {
                grant.commit(48);
            }
            drop(consumer.read());
        }
    };
    let mut run = run;
    run(1_000);
    let silence = silence();
    run(OPERATIONS);
    silence.end()
}

/// A value that is noticed where it is destroyed.
struct Noted(#[expect(dead_code, reason = "its drop allocates and frees")] Vec<u8>);

/// What callbacks use, one after the other.
struct Work {
    reader: Reader<[f32; 256]>,
    away: HeapProd<RtBox<[u64; 4]>>,
    shared: Option<RtArc<[u64; 4]>>,
}

impl Work {
    fn callback(&mut self, n: usize, rt: &Rt<'_>) {
        let boxed = rt.boxed([n as u64; 4]);
        if !self.away.is_full() {
            let _ = boxed.map(|boxed| self.away.try_push(boxed));
        }
        // Left to the reaper, as much as it keeps up with.
        if n.is_multiple_of(64) {
            drop(rt.boxed(Noted(Vec::new())));
            drop(Foreign::new(Arc::<[u8; 0]>::new([])));
        }
        if let Ok(mut vec) = rt.vec::<f32>(64) {
            (0..64_u8).for_each(|n| _ = vec.try_push(n.into()));
        }
        if let Ok(mut queue) = rt.queue(8) {
            (0..9).for_each(|n: u64| _ = queue.try_push_back(n));
        }
        if let Ok(mut map) = rt.map::<u8, u8>(8) {
            (0..8).for_each(|n| _ = map.try_insert(n, n));
        }
        if let Ok(buffer) = rt.scratch(64, 0.0_f32) {
            buffer.copy_from_slice(&self.reader.read()[..64]);
        }
        self.shared = rt.arc([n as u64; 4]).ok();
        drop(self.shared.clone());
        // Ordinary code, contained.
        drop(black_box(format!("callback {n}")));
    }
}

/// Callbacks that use everything, while a reaper, a thread that frees, and one that publishes are at work.
fn callbacks(mut deed: impl FnMut(usize, &Rt<'_>)) {
    let budget = AudioBudget::new(48_000.0, 64)
        .objects::<[u64; 4]>(600)
        .objects::<Noted>(4_000)
        .shared::<[u64; 4]>(4)
        .slices::<f32>(64, 2)
        .slices::<u8>(64, 8)
        .events::<u64>(8)
        .map::<u8, u8>(8)
        .scratch::<f32>(64)
        .foreign(4_000)
        .headroom_percent(50);
    let mut heap = RtHeap::new();
    heap.reconfigure(&budget).unwrap();
    let (away, mut freed) = HeapRb::<RtBox<[u64; 4]>>::new(256).split();
    thread::spawn(move || {
        loop {
            if freed.try_pop().is_none() {
                thread::sleep(Duration::from_micros(100));
            }
        }
    });
    let publish = Publish::new([1.0_f32; 256]).unwrap();
    let reader = publish.reader();
    thread::spawn(move || {
        loop {
            publish.set([0.5; 256]);
            thread::sleep(Duration::from_micros(100));
        }
    });
    let mut work = Work { reader, away, shared: None };
    thread_watch::prepare();
    let mut callback = |n: usize| {
        let (_, counts) = thread_watch::watch(|| {
            heap.enter(|rt| {
                work.callback(n, rt);
                deed(n, rt);
            });
        });
        counts
    };
    (0..64).for_each(|_| _ = callback(0));
    let silence = silence();
    let nothing = if cfg!(rtsan) { None } else { Some(thread_watch::Counts::default()) };
    let touched = (1..=CALLBACKS).any(|n| callback(n) != nothing);
    if touched {
        // A heap call that needed no system call is one all the same.
        std::process::abort();
    }
    silence.end()
}

#[test]
#[ignore = "what the children run"]
fn session() {
    let wanted = std::env::var("SESSION").unwrap_or_default();
    if let Some((_, session)) = SESSIONS.iter().find(|(name, _)| *name == wanted) {
        session();
    }
}

fn ends(session: &str) -> ExitStatus {
    assert!(SESSIONS.iter().any(|(name, _)| *name == session));
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "session", "--ignored", "--nocapture"])
        .env("SESSION", session)
        .output()
        .unwrap()
        .status
}

#[test]
fn a_million_of_each_operation_of_the_core_are_silent() {
    assert_eq!(ends("core").code(), Some(0));
}

#[test]
fn a_hundred_thousand_callbacks_are_silent() {
    assert_eq!(ends("callbacks").code(), Some(0));
}

#[test]
fn whatever_makes_a_system_call_is_ended() {
    for session in ["large allocation", "printing", "waiting", "mapping"] {
        let end = ends(session);
        assert!(Silence::was_broken(end), "{session}: {end}");
    }
}

#[test]
fn an_allocation_that_makes_none_is_seen() {
    let end = ends("small allocation");
    assert!(!end.success(), "{end}");
}

/// The programs, as anybody would run them.
#[test]
fn the_examples_are_silent() {
    for example in ["synth", "looper", "third_party", "publish"] {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args(["run", "--quiet", "--example", example]);
        if cfg!(rtsan) {
            // As this program was built, in the same place: three folders up.
            let program = std::env::current_exe().unwrap();
            cargo
                .args(["--target", "x86_64-unknown-linux-gnu"])
                .env("RUSTC_BOOTSTRAP", "1")
                .env("RUSTFLAGS", "-Zsanitizer=realtime --cfg rtsan")
                .env("CARGO_TARGET_DIR", program.ancestors().nth(4).unwrap());
        }
        let output = cargo.args(["--", "--silent", "100000", "--block", "64"]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{example}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
