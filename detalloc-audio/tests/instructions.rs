//! What the audio thread pays, counted exactly, by stepping: `cargo test --release -p detalloc-audio --test instructions --
//! --nocapture` prints the figures. Debug builds and those with failing allocations do more and are not counted.
#![cfg(all(
    target_os = "linux",
    target_arch = "x86_64",
    not(debug_assertions),
    not(miri),
    not(feature = "fault-injection")
))]

use core::{hint::black_box, mem::MaybeUninit, ptr};
use detalloc_audio::{AudioBudget, Foreign, Inner, ReapTask, Routed, Rt, RtBox, RtHeap};
use std::sync::Arc;
use step_count::Stepper;

#[global_allocator]
static GLOBAL: Routed = Routed::contain(Inner);

/// The baseline has no instructions that count bits, which costs a few more.
const SPARE: u64 = if cfg!(target_feature = "bmi1") { 0 } else { 8 };

type Voice = [u64; 8];

/// A value that needs its destructor.
struct Owner(#[expect(dead_code, reason = "its drop is what counts")] Arc<u64>);

fn heap() -> RtHeap {
    let mut heap = RtHeap::reaped_by_task();
    heap.reconfigure(&AudioBudget::new(48_000.0, 64).objects::<Voice>(64).objects::<Owner>(64)).unwrap();
    heap
}

/// Counts an operation a few times, on a state that `prepare` makes, and says the most.
fn most<T>(operation: step_count::Operation<()>, on: *mut (), mut prepare: impl FnMut() -> T) -> u64 {
    let mut stepper = Stepper::new().unwrap();
    (0..20)
        .map(|_| {
            let mut value = MaybeUninit::new(prepare());
            // SAFETY: the operation is made for these.
            unsafe { stepper.call(operation, on, value.as_mut_ptr().cast(), 0, 0).1 }
        })
        .max()
        .unwrap()
}

fn check(what: &str, counted: u64, limit: u64) {
    println!("{what}: {counted} instructions (at most {limit})");
    assert!(counted <= limit, "{what} takes {counted} instructions, more than {limit}");
}

/// # Safety
/// A heap.
unsafe extern "C-unwind" fn enter_and_leave(heap: *mut (), _: *mut u8, _: usize, _: usize) {
    // SAFETY: the caller's promise.
    unsafe { &mut *heap.cast::<RtHeap>() }.enter(|_| ());
}

#[test]
fn a_callback_costs_at_most_60_to_enter_and_leave() {
    let mut heap = heap();
    check("enter and leave", most(enter_and_leave, (&raw mut heap).cast(), || ()), 60 + SPARE);
}

/// # Safety
/// A scope.
unsafe extern "C-unwind" fn boxed_and_dropped(rt: *mut (), _: *mut u8, _: usize, _: usize) {
    // SAFETY: the caller's promise.
    let rt = unsafe { &*rt.cast_const().cast::<Rt<'_>>() };
    if let Ok(voice) = rt.boxed(0_u64) {
        drop(black_box(voice));
    }
}

#[test]
fn a_box_of_a_plain_type_costs_at_most_90_to_make_and_drop() {
    let mut heap = heap();
    let counted = heap.enter(|rt| most(boxed_and_dropped, ptr::from_ref(rt).cast_mut().cast(), || ()));
    check("RtBox, allocate and drop", counted, 90 + 2 * SPARE);
}

/// # Safety
/// A box, which is not used afterwards.
unsafe extern "C-unwind" fn drop_box(_: *mut (), boxed: *mut u8, _: usize, _: usize) {
    // SAFETY: the caller's promise.
    unsafe { boxed.cast::<RtBox<Owner>>().drop_in_place() };
}

#[test]
fn a_deferred_drop_costs_at_most_60() {
    let mut heap = heap();
    let counted = heap.enter(|rt| {
        most(drop_box, ptr::null_mut(), || rt.boxed(Owner(Arc::new(1))).unwrap_or_else(|_| unreachable!()))
    });
    check("deferred drop", counted, 60 + SPARE);
    ReapTask.run();
}

/// # Safety
/// A foreign value, which is not used afterwards.
unsafe extern "C-unwind" fn drop_foreign(_: *mut (), value: *mut u8, _: usize, _: usize) {
    // SAFETY: the caller's promise.
    unsafe { value.cast::<Foreign<Arc<u64>>>().drop_in_place() };
}

#[test]
fn a_foreign_drop_costs_at_most_60() {
    let mut heap = heap();
    let counted = heap.enter(|_| most(drop_foreign, ptr::null_mut(), || Foreign::new(Arc::new(1_u64))));
    check("foreign drop", counted, 60 + SPARE);
    ReapTask.run();
}

/// # Safety
/// None.
unsafe extern "C-unwind" fn ordinary(_: *mut (), _: *mut u8, _: usize, _: usize) {
    // The smallest of what the system's own allocator does fast.
    drop(black_box(Box::new(1_u64)));
}

/// # Safety
/// None.
unsafe extern "C-unwind" fn without_routing(_: *mut (), _: *mut u8, _: usize, _: usize) {
    use std::alloc::{GlobalAlloc, Layout, System};
    // SAFETY: a layout with bytes, and the block that it gave.
    unsafe {
        let block = black_box(System.alloc(Layout::new::<u64>()));
        System.dealloc(block, Layout::new::<u64>());
    }
}

#[test]
fn an_ordinary_thread_pays_a_handful_to_allocate_and_to_free() {
    let (ours, theirs) =
        (most(ordinary, ptr::null_mut(), || ()), most(without_routing, ptr::null_mut(), || ()));
    check("routing, outside of callbacks, allocate and free", ours.saturating_sub(theirs), 40);
}
