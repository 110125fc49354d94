//! What goes on when a thread is gone or stuck: the reaper in a destructor, or an audio thread in its callback. In child processes
//! of this program, each of which has to end by itself, with status 0.
#![cfg(target_os = "linux")]

use detalloc_audio::{AudioBudget, Foreign, RtBox, RtHeap};
use std::{
    process::{Command, Stdio},
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

/// Ends this thread at once: nothing is unwound, no lock is let go of.
fn die() -> ! {
    loop {
        // SAFETY: ends the calling thread, whatever it holds.
        unsafe { libc::syscall(libc::SYS_exit, 0) };
    }
}

/// Something with a destructor.
struct Deed(fn());

impl Drop for Deed {
    fn drop(&mut self) {
        (self.0)();
    }
}

fn nothing() {
    DESTROYED.fetch_add(1, Ordering::SeqCst);
}

static DESTROYED: AtomicUsize = AtomicUsize::new(0);
static STUCK: AtomicBool = AtomicBool::new(false);
static GO_ON: AtomicBool = AtomicBool::new(false);

fn eventually(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what}");
        thread::sleep(Duration::from_millis(1));
    }
}

fn get_stuck() {
    STUCK.store(true, Ordering::SeqCst);
    eventually("the reaper is told to go on", || GO_ON.load(Ordering::SeqCst));
    DESTROYED.fetch_add(1, Ordering::SeqCst);
}

fn get_killed() {
    STUCK.store(true, Ordering::SeqCst);
    die();
}

fn heap() -> RtHeap {
    let mut heap = RtHeap::new();
    let budget = AudioBudget::new(48_000.0, 64).objects::<Deed>(100).foreign(100).headroom_percent(0);
    heap.reconfigure(&budget).unwrap();
    heap
}

/// The reaper meets this deed, and then callbacks go on, far beyond what the pools and lanes hold: plain boxes are served as ever,
/// those that wait for the reaper are refused in the end, and nothing is destroyed on this thread.
fn callbacks_beside(deed: fn()) -> (RtHeap, usize) {
    let mut heap = heap();
    heap.enter(|rt| drop(rt.boxed(Deed(deed))));
    eventually("the reaper meets the deed", || STUCK.load(Ordering::SeqCst));
    let (mut dropped, mut refused) = (0, 0);
    for _ in 0..1_000 {
        heap.enter(|rt| {
            match rt.boxed(Deed(nothing)) {
                Ok(boxed) => {
                    drop(boxed);
                    dropped += 1;
                }
                Err(refused_deed) => {
                    refused += 1;
                    core::mem::forget(refused_deed);
                }
            }
            drop(rt.boxed([0_u8; 8]).ok());
        });
    }
    assert!(dropped >= 90 && refused >= 800, "{dropped} dropped, {refused} refused");
    assert_eq!(DESTROYED.load(Ordering::SeqCst), 0, "a destructor ran on the audio thread");
    (heap, dropped)
}

fn a_stuck_reaper() {
    let (mut heap, dropped) = callbacks_beside(get_stuck);
    // More than the lane has places: the rest takes blocks, and where there are none is abandoned and counted.
    heap.enter(|_| (0..300).for_each(|_| drop(Foreign::new(Arc::new(7)))));
    let counts = heap.meter().unwrap().snapshot();
    assert!(counts.abandoned > 0 && counts.abandoned < 300, "{counts:?}");
    GO_ON.store(true, Ordering::SeqCst);
    eventually("everything is destroyed", || DESTROYED.load(Ordering::SeqCst) == dropped + 1);
    heap.enter(|rt| assert!(rt.boxed(Deed(nothing)).is_ok(), "the blocks are home again"));
    drop(heap);
    assert_eq!(DESTROYED.load(Ordering::SeqCst), dropped + 2, "the last one goes with the heap");
}

fn a_reaper_that_is_gone() {
    let (mut heap, _) = callbacks_beside(get_killed);
    heap.enter(|_| (0..300).for_each(|_| drop(Foreign::new(Arc::new(7)))));
    // What it held is held for ever. So nobody waits for it: the process ends.
    core::mem::forget(heap);
}

fn an_audio_thread_that_is_gone() {
    let (blocks, received) = mpsc::channel::<RtBox<[u8; 8]>>();
    let (meters, meter) = mpsc::channel();
    let inside = Arc::new(Barrier::new(2));
    let theirs = Arc::clone(&inside);
    // Never joined: the standard library waits for threads that end properly.
    drop(thread::spawn(move || {
        let mut heap = heap();
        meters.send(heap.meter().unwrap()).unwrap();
        heap.enter(|rt| {
            assert_no_alloc::permit_alloc(|| {
                (0..8).for_each(|_| blocks.send(rt.boxed([1; 8]).unwrap()).unwrap());
                theirs.wait();
            });
            die()
        });
    }));
    let meter = meter.recv().unwrap();
    inside.wait();
    let boxes: Vec<_> = received.try_iter().collect();
    assert_eq!(boxes.len(), 8);
    // Others go on: with their own heaps, with its blocks, and with its counts.
    let others = (0..4).map(|_| {
        thread::spawn(|| {
            let mut heap = heap();
            (0..1_000).for_each(|_| heap.enter(|rt| drop(rt.boxed(Deed(nothing)))));
        })
    });
    let others: Vec<_> = others.collect();
    assert!(boxes.iter().all(|boxed| **boxed == [1; 8]));
    drop(boxes);
    others.into_iter().for_each(|other| other.join().unwrap());
    let mut mine = heap();
    mine.enter(|rt| assert!(rt.boxed(Deed(nothing)).is_ok()));
    // Its blocks are on their way home for ever: nobody adopts there any more.
    assert!(meter.snapshot().used_bytes() <= 8 * 16, "{:?}", meter.snapshot());
}

const SESSIONS: [(&str, fn()); 3] =
    [("stuck", a_stuck_reaper), ("gone", a_reaper_that_is_gone), ("audio", an_audio_thread_that_is_gone)];

#[test]
#[ignore = "what the children run"]
fn session() {
    let wanted = std::env::var("SESSION").unwrap_or_default();
    if let Some((_, session)) = SESSIONS.iter().find(|(name, _)| *name == wanted) {
        session();
        std::process::exit(0);
    }
}

/// Runs a session in a child, which must not hang.
fn ends_well(session: &str) {
    assert!(SESSIONS.iter().any(|(name, _)| *name == session));
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "session", "--ignored", "--nocapture"])
        .env("SESSION", session)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if start.elapsed() > Duration::from_secs(120) {
            child.kill().unwrap();
            panic!("{session} hangs");
        }
        thread::sleep(Duration::from_millis(5));
    };
    assert!(status.success(), "{session}: {status}");
}

#[test]
#[cfg_attr(miri, ignore = "there are no processes")]
fn callbacks_go_on_beside_a_reaper_that_is_stuck_and_it_catches_up() {
    ends_well("stuck");
}

#[test]
#[cfg_attr(miri, ignore = "there are no processes")]
fn callbacks_go_on_beside_a_reaper_that_is_gone() {
    ends_well("gone");
}

#[test]
#[cfg_attr(miri, ignore = "there are no processes")]
fn others_go_on_beside_an_audio_thread_that_is_gone_in_its_callback() {
    ends_well("audio");
}
