//! What strict mode does about a use of the system heap in a callback: in child processes, because it ends them.
// Miri has no window of addresses that would contain ordinary code.
#![cfg(all(target_os = "linux", target_pointer_width = "64", not(miri)))]

use detalloc_audio::{AudioBudget, Inner, OnViolation, Routed, RtHeap};
use std::{env, process::Command};

const ROLE: &str = "DETALLOC_VIOLATIONS_ROLE";

/// One mode a program; the child's role decides which of these it asks for.
#[global_allocator]
static GLOBAL: Strict = Strict;

struct Strict;

static ABORT: Routed = Routed::strict(Inner);
static PANIC: Routed = Routed::strict(Inner).on_violation(OnViolation::Panic);
static COUNT: Routed = Routed::strict(Inner).on_violation(OnViolation::Count);

static MODE: std::sync::atomic::AtomicU8 = std::sync::atomic::AtomicU8::new(0);

impl Strict {
    fn chosen(&self) -> &'static Routed {
        match MODE.load(std::sync::atomic::Ordering::Relaxed) {
            0 => &ABORT,
            1 => &PANIC,
            _ => &COUNT,
        }
    }
}

// SAFETY: they differ in what they do about violations only.
unsafe impl std::alloc::GlobalAlloc for Strict {
    unsafe fn alloc(&self, layout: std::alloc::Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { self.chosen().alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: std::alloc::Layout) {
        // SAFETY: the caller's promise.
        unsafe { self.chosen().dealloc(block, layout) }
    }
}

fn violating_callback() -> RtHeap {
    let mut heap = RtHeap::new();
    heap.reconfigure(&AudioBudget::new(48_000.0, 64).objects::<u64>(1)).unwrap();
    let there = vec![1_u8; 77];
    heap.enter(|_| a_function_that_allocates(there));
    heap
}

#[inline(never)]
fn a_function_that_allocates(there: Vec<u8>) {
    std::hint::black_box(vec![1_u8; 4321]);
    drop(there);
}

/// Only something in a child.
#[test]
fn child() {
    match env::var(ROLE).as_deref() {
        Ok("abort") => drop(violating_callback()),
        Ok("panic") => {
            MODE.store(1, std::sync::atomic::Ordering::Relaxed);
            drop(violating_callback());
        }
        Ok("count") => {
            MODE.store(2, std::sync::atomic::Ordering::Relaxed);
            let heap = violating_callback();
            println!("counted {}", heap.meter().unwrap().snapshot().violations);
        }
        _ => {}
    }
}

fn run(role: &str) -> (bool, String, String) {
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(ROLE, role)
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn aborts_with_the_request_and_its_stack() {
    let (ok, _, errors) = run("abort");
    assert!(!ok && errors.contains("an allocation of 4321 bytes, aligned to 1"), "{errors}");
    assert!(errors.contains("a_function_that_allocates"), "{errors}");
}

#[test]
fn panics_when_the_callback_has_ended() {
    let (ok, _, errors) = run("panic");
    assert!(
        !ok && errors.contains("an allocation of 4321 bytes") && errors.contains("a free of 77 bytes"),
        "{errors}"
    );
    assert!(errors.contains("the callback used the system heap"), "{errors}");
}

#[test]
fn counts_every_one() {
    let (ok, output, errors) = run("count");
    assert!(ok && output.contains("counted 3"), "{output}{errors}");
}
