//! What `DETALLOC_RECORD` records, and that it disturbs nothing. The variable is the process's, so sessions run in a child:
//! this program again, told which.
#![cfg(feature = "record")]

use detalloc::trace::{Record, Trace, replay};
use detalloc_audio::{AudioBudget, ReapTask, RtBox, RtHeap, prove::Proof};
use std::{
    fs,
    path::Path,
    process::{Command, Output},
    sync::mpsc,
    thread,
};

struct Noted(#[expect(dead_code, reason = "what is dropped")] u64);

impl Drop for Noted {
    fn drop(&mut self) {}
}

fn budget() -> AudioBudget {
    AudioBudget::new(48_000.0, 64).objects::<[u64; 8]>(4).objects::<Noted>(8)
}

fn heap() -> RtHeap {
    let mut heap = RtHeap::reaped_by_task();
    heap.reconfigure(&budget()).unwrap();
    heap
}

/// What a child does, by name.
const SESSIONS: [(&str, fn()); 6] = [
    ("everything", || {
        let mut heap = heap();
        let (send, receive) = mpsc::channel::<RtBox<[u64; 8]>>();
        let other = thread::spawn(move || receive.into_iter().for_each(drop));
        heap.enter(|rt| {
            let five: [_; 5] = core::array::from_fn(|_| rt.boxed([0_u64; 8]));
            // Four, and a refusal; one goes to another thread, a value with a destructor to the reaper.
            assert_eq!(five.iter().filter(|boxed| boxed.is_err()).count(), 1);
            send.send(five.into_iter().flatten().next().unwrap()).unwrap();
            drop(rt.boxed(Noted(1)));
        });
        drop(send);
        other.join().unwrap();
        ReapTask.run();
        // Goes on in the same file.
        heap.reconfigure(&budget().objects::<[u64; 100]>(1)).unwrap();
        heap.enter(|rt| drop(rt.boxed([0_u64; 100])));
    }),
    ("two heaps", || {
        let (mut one, mut two) = (heap(), heap());
        one.enter(|rt| drop(rt.boxed([0_u64; 8])));
        two.enter(|_| ());
        two.enter(|_| ());
    }),
    ("crash", || {
        let mut heap = heap();
        heap.enter(|rt| core::mem::forget(rt.boxed([0_u64; 8])));
        ReapTask.run();
        std::process::abort();
    }),
    ("too much", || {
        let mut heap = heap();
        // Nobody looks meanwhile.
        heap.enter(|rt| (0..40_000).for_each(|_| drop(rt.boxed([0_u64; 8]))));
    }),
    ("proved", || {
        let mut heap = RtHeap::new();
        // Enough for a reaper that is late.
        heap.reconfigure(&budget().objects::<Noted>(2_000)).unwrap();
        let mut proof = Proof::new().heap(&heap);
        for _ in 0..2_000 {
            proof.callback(|| heap.enter(|rt| drop((rt.boxed([0_u64; 8]), rt.boxed(Noted(1))))));
            thread::sleep(std::time::Duration::from_micros(100));
        }
        proof.report().assert_clean();
    }),
    ("nothing", || drop(RtHeap::new())),
];

#[test]
#[cfg_attr(miri, ignore = "there are no processes")]
#[ignore = "what the children run"]
fn session() {
    let wanted = std::env::var("SESSION").unwrap_or_default();
    if let Some((_, session)) = SESSIONS.iter().find(|(name, _)| *name == wanted) {
        session();
    }
}

/// Runs a session in a child that records into this file.
fn run(session: &str, file: &Path) -> Output {
    assert!(SESSIONS.iter().any(|(name, _)| *name == session));
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "session", "--ignored", "--nocapture"])
        .env("DETALLOC_RECORD", file)
        .env("SESSION", session)
        .output()
        .unwrap()
}

fn recorded(session: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.trace");
    let output = run(session, &file);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::read(file).unwrap()
}

/// Marks, allocations, frees and refusals.
fn counts(trace: &[u8]) -> [usize; 4] {
    let mut counts = [0; 4];
    for record in Trace::parse(trace).unwrap().records() {
        counts[match record.unwrap() {
            Record::Mark(_) => 0,
            Record::Allocated { .. } => 1,
            Record::Freed { .. } => 2,
            Record::Refused { .. } => 3,
            other => panic!("{other:?}"),
        }] += 1;
    }
    counts
}

#[test]
#[cfg_attr(miri, ignore = "there are no processes")]
fn callbacks_allocations_frees_of_all_threads_and_refusals_are_recorded() {
    let trace = recorded("everything");
    assert_eq!(counts(&trace), [2, 6, 6, 1]);
    let replayed = replay(&trace, &budget().objects::<[u64; 100]>(1).config().unwrap()).unwrap();
    assert_eq!((replayed.refused_when_recorded, replayed.unseen_frees, replayed.unknown_blocks), (1, 0, 0));
    assert_eq!(replayed.stats.used_bytes(), 0, "all of it came home");
}

#[test]
#[cfg_attr(miri, ignore = "there are no processes")]
fn every_heap_has_a_file_of_its_own_and_no_file_is_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.trace");
    fs::write(&file, "precious").unwrap();
    let output = run("two heaps", &file);
    assert!(output.status.success());
    assert_eq!(fs::read(&file).unwrap(), b"precious");
    let read = |number: u32| fs::read(folder.path().join(format!("a.trace.{number}"))).unwrap();
    assert_eq!((counts(&read(2)), counts(&read(3))), ([1, 1, 1, 0], [2, 0, 0, 0]));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("recording into ") && said.contains("a.trace.3"), "{said}");
}

#[test]
#[cfg_attr(miri, ignore = "there are no processes")]
fn a_crash_leaves_a_whole_trace() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.trace");
    assert!(!run("crash", &file).status.success());
    assert_eq!(counts(&fs::read(file).unwrap()), [1, 1, 0, 0]);
}

#[test]
#[cfg_attr(miri, ignore = "there are no processes")]
fn a_recording_that_ends_early_says_how_much_it_lacks() {
    let trace = recorded("too much");
    let parsed = Trace::parse(&trace).unwrap();
    assert_eq!(parsed.lost(), 1 + 2 * 40_000 - 65_536);
    assert_eq!(parsed.records().count(), 65_536);
}

#[test]
#[cfg_attr(miri, ignore = "there are no processes")]
fn no_callback_is_disturbed() {
    let trace = recorded("proved");
    assert_eq!(counts(&trace), [2_000, 4_000, 4_000, 0]);
}

#[test]
#[cfg_attr(miri, ignore = "there are no processes")]
fn a_file_that_cannot_be_written_is_one_line_and_the_program_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    for file in [folder.path().join("missing/a.trace"), folder.path().to_owned()] {
        let output = run("two heaps", &file);
        assert!(output.status.success());
        let said = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<_> = said.lines().filter(|line| line.contains("DETALLOC_RECORD")).collect();
        // A heap each.
        assert_eq!(lines.len(), 2, "{said}");
        assert!(
            lines[0].contains("nothing is recorded") && lines[0].contains(file.to_str().unwrap()),
            "{said}"
        );
    }
}

#[test]
#[cfg_attr(miri, ignore = "there are no processes")]
fn without_memory_there_is_nothing_to_record() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.trace");
    assert!(run("nothing", &file).status.success());
    assert!(!file.exists());
}
