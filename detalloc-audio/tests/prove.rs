//! A proof notices each thing that a callback must not do, names it, and says what it could not check.
// Miri has no window of addresses that would contain ordinary code.
#![cfg(not(miri))]

use detalloc_audio::{
    AudioBudget, Inner, Routed, RtHeap,
    prove::{Finding, Instructions, Problem, Proof, Report, prove_rt},
};
use std::{hint::black_box, panic, thread};

#[global_allocator]
static GLOBAL: Routed = Routed::contain(Inner);

const CALLBACKS: usize = 200;

/// The one that does what it must not.
const GUILTY: usize = 17;

/// Runs callbacks of which one does something.
fn planted(mut deed: impl FnMut()) -> Report {
    let mut proof = Proof::new().warm_up(1);
    for n in 0..=CALLBACKS {
        proof.callback(|| {
            if n == GUILTY + 1 {
                deed();
            }
        });
    }
    proof.report()
}

fn heap() -> RtHeap {
    let mut heap = RtHeap::new();
    heap.reconfigure(&AudioBudget::new(48_000.0, 64).objects::<[u64; 8]>(4)).unwrap();
    heap
}

fn found(report: &Report) -> (&'static str, u64, usize) {
    match report.check() {
        Err(Problem::Found { what, count, first }) => (what, count, first),
        other => panic!("{other:?}\n{report}"),
    }
}

/// What a failing test would print.
fn assertion(report: &Report) -> String {
    let panicked = panic::catch_unwind(|| report.assert_clean()).expect_err("it is not clean");
    panicked.downcast_ref::<String>().expect("a formatted message").clone()
}

#[test]
fn callbacks_on_pools_are_clean() {
    let mut heap = heap();
    let report = prove_rt(CALLBACKS, heap.meter(), |_| {
        heap.enter(|rt| drop(rt.boxed([1_u64; 8])));
    });
    assert_eq!((report.callbacks, report.warm_up), (CALLBACKS, 32));
    assert_eq!(report.refusals, Finding { count: Some(0), first: None });
    if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        assert!(
            matches!(report.instructions, Instructions::Counted { callbacks: 8, worst: 50.. }),
            "{report}"
        );
    }
    report.assert_clean();
}

#[test]
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn an_allocation_of_rust_is_found_with_its_stack() {
    let report = planted(|| core::mem::forget(black_box(Box::new(1_u64))));
    assert_eq!(found(&report), ("system allocations", 1, GUILTY));
    assert_eq!(report.frees.count, Some(0));
    let said = assertion(&report);
    assert!(said.starts_with("1 system allocations, first in callback 17"), "{said}");
    assert!(said.contains("\nallocation of ") && said.contains("tests/prove.rs"), "{said}");
}

#[test]
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn an_allocation_and_a_free_of_c_are_found() {
    // SAFETY: a block of C's, which nobody frees; and one that is freed once.
    let allocated = planted(|| unsafe { _ = black_box(libc::malloc(100)) });
    assert_eq!(found(&allocated), ("system allocations", 1, GUILTY));
    assert_eq!(allocated.touches[0].kind, detalloc_audio::prove::TouchKind::Allocation { bytes: 100 });
    // SAFETY: as above.
    let block = black_box(unsafe { libc::malloc(100) });
    // SAFETY: as above.
    let freed = planted(|| unsafe { libc::free(block) });
    assert_eq!(found(&freed), ("system frees", 1, GUILTY));
}

#[test]
#[cfg(target_os = "linux")]
fn a_first_touch_of_memory_is_found() {
    const BYTES: usize = 1 << 20;
    // SAFETY: a new mapping at an address of the system's choice.
    let fresh = unsafe {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        libc::mmap(core::ptr::null_mut(), BYTES, access, libc::MAP_PRIVATE | libc::MAP_ANON, -1, 0)
    };
    assert_ne!(fresh, libc::MAP_FAILED);
    // SAFETY: a byte of the mapping.
    let report = planted(|| unsafe { fresh.cast::<u8>().add(BYTES / 2).write_volatile(1) });
    let (what, count, first) = found(&report);
    assert_eq!((what, first), ("minor faults", GUILTY));
    assert!(count >= 1);
}

#[test]
#[cfg(target_os = "linux")]
fn a_wait_is_found() {
    let (what, _, first) = found(&planted(|| thread::sleep(std::time::Duration::from_millis(1))));
    assert_eq!((what, first), ("voluntary context switches", GUILTY));
}

#[test]
fn a_refusal_is_found() {
    let mut heap = heap();
    let mut proof = Proof::new().warm_up(1).heap(&heap);
    for n in 0..CALLBACKS {
        proof.callback(|| {
            heap.enter(|rt| {
                let taken: [_; 5] = core::array::from_fn(|_| (n == GUILTY + 1).then(|| rt.boxed([0_u64; 8])));
                drop(taken);
            });
        });
    }
    assert_eq!(found(&proof.report()), ("refusals", 1, GUILTY));
}

#[test]
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
fn a_containment_is_found_unless_it_is_meant() {
    let mut heap = heap();
    for meant in [false, true] {
        let proof = Proof::new().warm_up(1).heap(&heap);
        let mut proof = if meant { proof.containments_are_meant() } else { proof };
        for n in 0..CALLBACKS {
            proof.callback(|| heap.enter(|_| _ = (n == GUILTY + 1).then(|| black_box(Box::new(1_u64)))));
        }
        let report = proof.report();
        assert_eq!(report.containments, Finding { count: Some(1), first: Some(GUILTY) });
        if meant {
            report.assert_clean();
        } else {
            assert_eq!(found(&report), ("containments", 1, GUILTY));
        }
    }
}

#[test]
fn what_warms_up_is_not_counted() {
    let mut proof = Proof::new().warm_up(2);
    for n in 0..10 {
        proof.callback(|| _ = (n < 2).then(|| black_box(vec![1_u8; 1_000])));
    }
    let report = proof.report();
    assert_eq!((report.callbacks, report.warm_up), (8, 2));
    report.assert_clean();
}

#[test]
fn no_callback_is_no_proof() {
    let none = prove_rt(0, [], |_| ());
    assert_eq!(
        (none.check(), none.instructions.clone()),
        (Err(Problem::NoCallbacks), Instructions::NotCounted)
    );
    assert!(assertion(&none).contains("proves nothing"));
    let mut only_warm = Proof::new().warm_up(5);
    (0..5).for_each(|_| only_warm.callback(|| ()));
    assert_eq!(only_warm.report().check(), Err(Problem::NoCallbacks));
}

#[test]
fn what_was_not_checked_is_said() {
    let report = planted(|| ());
    let table = report.to_string();
    for what in ["refusals", "containments", "instructions"] {
        let line = table.lines().find(|line| line.starts_with(what)).unwrap_or_default();
        assert!(line.ends_with("not checked"), "{table}");
    }
    assert_eq!(report.instructions, Instructions::NotCounted);
}

#[test]
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn instructions_of_the_longest_callback_are_counted() {
    let mut heap = heap();
    let mut worst = |boxes: usize| {
        let mut proof = Proof::new().warm_up(0);
        proof.count_instructions(10, |n| {
            heap.enter(|rt| (0..if n == 3 { boxes } else { 0 }).for_each(|_| drop(rt.boxed([0_u64; 8]))));
        });
        match proof.report().instructions {
            Instructions::Counted { callbacks: 10, worst } => worst,
            other => panic!("{other:?}"),
        }
    };
    let (none, one, two) = (worst(0), worst(1), worst(2));
    assert!(none < one && one < two, "{none}, {one}, {two}");
}

#[test]
fn a_proof_goes_with_its_callbacks_to_another_thread() {
    let mut proof = Proof::new().warm_up(0);
    proof.callback(|| ());
    let proof = thread::spawn(move || {
        proof.callback(|| core::mem::forget(black_box(Box::new(1_u64))));
        proof
    })
    .join()
    .unwrap();
    let report = proof.report();
    assert_eq!(report.callbacks, 2);
    if thread_watch::available() {
        assert_eq!(found(&report), ("system allocations", 1, 1));
    }
}

#[test]
fn a_panic_in_a_callback_ends_the_watch() {
    let mut proof = Proof::new().warm_up(0);
    let panicked = panic::catch_unwind(panic::AssertUnwindSafe(|| {
        proof.callback(|| panic::resume_unwind(Box::new(())));
    }));
    assert!(panicked.is_err());
    drop(black_box(Box::new(1_u64)));
    proof.callback(|| ());
    proof.report().assert_clean();
}
