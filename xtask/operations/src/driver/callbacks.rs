//! Beginning and ending callbacks, and what is dropped in none, in another heap's, and on the reaper; alone and beside other threads.

use super::{
    DEEP, Driver,
    crowd::Crowd,
    integration::{budget, heap, nothing, owner, placed, scope},
    step,
};
use crate::{
    audio::{Elsewhere, Owner},
    heap::Voice,
};
use core::{alloc::Layout, ptr};
use detalloc_audio::{AudioBudget, Foreign, OnViolation, ReapTask, Routed, Rt, RtArc, RtBox, RtHeap};
use std::{alloc::GlobalAlloc, sync::Arc, thread, time::Duration};

/// How many threads of one bucket have a place.
const PLACES: usize = 7;

pub fn all(driver: &mut Driver) {
    timed(driver);
    let mut crowd = Crowd::default();
    for others in 0..=PLACES {
        entering(driver);
        // Beside as many as there are places, nobody knows that this thread is in a callback.
        dropping(driver, others < PLACES);
        retiring(driver, others < PLACES);
        routed(driver, others < PLACES);
        crowd.grow();
    }
    // The place that comes first is free again.
    crowd.leave(2);
    entering(driver);
}

/// The longest so far and a shorter one, in time and too late.
fn timed(driver: &mut Driver) {
    let mut heap = RtHeap::reaped_by_task();
    // A deadline of a second, and frames of a few microseconds.
    let budget = |frames| AudioBudget::new(384_000.0, frames).objects::<u64>(1);
    heap.reconfigure(&budget(384_000)).expect("enough memory");
    for _ in 0..2 {
        step!(driver, audio::enter_and_leave, &raw mut heap);
        step!(driver, audio::enter_for_and_leave, &raw mut heap, ptr::null_mut(), 0, 0);
        step!(driver, audio::enter_for_and_leave, &raw mut heap, ptr::null_mut(), 384_000, 0);
        heap.enter(|_| thread::sleep(Duration::from_millis(20)));
    }
    // Longer than the deadline of any block.
    heap.reconfigure(&budget(1)).expect("enough memory");
    step!(driver, audio::enter_for_and_leave, &raw mut heap, ptr::null_mut(), 1, 0);
}

/// Without memory, within another callback, and with more on its way home than a callback adopts.
fn entering(driver: &mut Driver) {
    let mut empty = RtHeap::new();
    let mut heap = heap(&budget().objects::<[u64; 3]>(4_096));
    let mut other = self::heap(&budget());
    let operations = |driver: &mut Driver, heap: &mut RtHeap| {
        step!(driver, audio::enter_and_leave, &raw mut *heap);
        step!(driver, audio::enter_for_and_leave, &raw mut *heap, ptr::null_mut(), 64, 0);
        // No callback is in time for none.
        step!(driver, audio::enter_for_and_leave, &raw mut *heap, ptr::null_mut(), 0, 0);
    };
    operations(driver, &mut empty);
    operations(driver, &mut heap);
    for _ in 0..2 {
        let blocks: Vec<_> = heap.enter(|rt| (0..4_096).map_while(|n| rt.boxed([n; 3]).ok()).collect());
        drop(blocks);
        operations(driver, &mut heap);
        operations(driver, &mut heap);
        other.enter(|_| operations(driver, &mut heap));
        (0..20).for_each(|_| operations(driver, &mut heap));
    }
}

/// Everything that can be dropped, in its own callback, in another heap's, in none, and by the reaper.
fn dropping(driver: &mut Driver, is_known: bool) {
    for few in [true, false] {
        // Deep pools have a longer way home.
        let blocks = if few { 40 } else { 5_000 };
        driver.levels = if few { 2 } else { DEEP };
        let budget =
            AudioBudget::new(48_000.0, 64).foreign(2).objects::<Voice>(blocks).objects::<Owner>(blocks);
        let mut heaps =
            [heap(&budget.clone().shared::<Voice>(blocks)), heap(&budget.shared::<Voice>(blocks))];
        let make = |heap: &mut RtHeap| {
            heap.enter(|rt| {
                Some((rt.boxed([0_u64; 8]).ok()?, rt.arc([0_u64; 8]).ok()?, rt.boxed(owner()).ok()?))
            })
            .expect("enough memory")
        };
        let drop_all = |driver: &mut Driver, made: (RtBox<Voice>, RtArc<Voice>, RtBox<Owner>)| {
            let (mut plain, mut arc, mut owner) = (placed(made.0), placed(made.1), placed(made.2));
            step!(driver, audio::drop_plain, nothing(), plain.as_mut_ptr().cast(), 0, 0);
            step!(driver, audio::drop_arc, nothing(), arc.as_mut_ptr().cast(), 0, 0);
            step!(driver, audio::drop_deferred, nothing(), owner.as_mut_ptr().cast(), 0, 0);
            let mut foreign = placed(Foreign::new(Arc::new(1_u64)));
            step!(driver, audio::drop_foreign, nothing(), foreign.as_mut_ptr().cast(), 0, 0);
        };
        for _ in 0..4 {
            let [first, second] = &mut heaps;
            for own in [true, false] {
                let made = make(first);
                let other = if own { &mut *first } else { &mut *second };
                other.enter(|_| {
                    if is_known {
                        drop_all(driver, made)
                    } else {
                        driver.unbounded(|driver| drop_all(driver, made))
                    }
                });
            }
            let made = make(first);
            driver.unbounded(|driver| drop_all(driver, made));
        }
        ReapTask.run();
        let made = make(&mut heaps[0]);
        on_the_reaper(driver, &mut heaps[1], move |driver| drop_all(driver, made));
    }
    driver.levels = 2;
}

/// Lanes that have room, and that are full: in a callback, in one that refuses within another one, in one without memory, and in one
/// that a destructor runs.
fn retiring(driver: &mut Driver, is_known: bool) {
    let all = |driver: &mut Driver, rt: &Rt<'_>| {
        for _ in 0..9 {
            let mut value = placed(Arc::new(1_u64));
            step!(driver, audio::retire, scope(rt), value.as_mut_ptr().cast(), 0, 0);
        }
    };
    let known = |driver: &mut Driver, rt: &Rt<'_>| {
        if is_known { all(driver, rt) } else { driver.unbounded(|driver| all(driver, rt)) }
    };
    let (mut outer, mut inner) = (heap(&budget()), heap(&budget()));
    outer.enter(|rt| known(driver, rt));
    ReapTask.run();
    outer.enter(|_| inner.enter(|rt| known(driver, rt)));
    RtHeap::new().enter(|rt| driver.unbounded(|driver| all(driver, rt)));
    ReapTask.run();
    on_the_reaper(driver, &mut outer, move |driver| inner.enter(|rt| all(driver, rt)));
}

/// Runs something in a destructor.
fn on_the_reaper(driver: &mut Driver, heap: &mut RtHeap, body: impl FnOnce(&mut Driver) + 'static) {
    struct Last<F: FnOnce(&mut Driver)>(*mut Driver, Option<F>);
    // SAFETY: it does not leave this thread.
    unsafe impl<F: FnOnce(&mut Driver)> Send for Last<F> {}
    impl<F: FnOnce(&mut Driver)> Drop for Last<F> {
        fn drop(&mut self) {
            // SAFETY: the driver is not used meanwhile, see below.
            let driver = unsafe { &mut *self.0 };
            if let Some(body) = self.1.take() {
                driver.unbounded(body);
            }
        }
    }
    let last = Box::new(Last(ptr::from_mut(driver), Some(body)));
    heap.enter(|rt| _ = rt.retire(last));
    ReapTask.run();
}

/// What ordinary code does: where it is contained, where it is a violation, and where it is none.
fn routed(driver: &mut Driver, is_known: bool) {
    let mut heap = heap(&budget().slices::<u64>(2_048, 2).slices::<u64>(16, 5_000).slices::<u64>(26, 2));
    driver.levels = DEEP;
    let mut contains = Routed::contain(Elsewhere).on_violation(OnViolation::Count);
    let mut strict = Routed::strict(Elsewhere).on_violation(OnViolation::Count);
    // The first ones are reported, which takes long.
    heap.enter(|_| {
        for _ in 0..20 {
            // SAFETY: a layout with bytes.
            _ = unsafe { strict.alloc(Layout::new::<u64>()) };
        }
    });
    for routed in [&raw mut contains, &raw mut strict] {
        let all = |driver: &mut Driver| {
            for (size, align) in
                [(1, 1), (64, 8), (128, 8), (190, 64), (300, 64), (16_384, 8), (64, 8_192), (50_000, 16)]
            {
                let block = step!(driver, audio::allocate_routed, routed, ptr::null_mut(), size, align);
                if !block.is_null() {
                    step!(driver, audio::free_routed, routed, block, size, align);
                }
            }
            let layout = Layout::new::<[u64; 8]>();
            // SAFETY: a layout with bytes.
            let block = unsafe { std::alloc::alloc(layout) };
            step!(driver, audio::free_routed, routed, block, layout.size(), layout.align());
        };
        heap.enter(|_| driver.unbounded(all));
        driver.unbounded(all);
    }
    // Blocks of another heap.
    let mut other = self::heap(&budget());
    let contains = &raw mut contains;
    for (size, align) in [(64, 8), (128, 8)] {
        let block =
            heap.enter(|_| step!(driver, audio::allocate_routed, contains, ptr::null_mut(), size, align));
        other.enter(|_| {
            let free =
                |driver: &mut Driver| _ = step!(driver, audio::free_routed, contains, block, size, align);
            if is_known { free(driver) } else { driver.unbounded(free) }
        });
    }
    driver.levels = 2;
    ReapTask.run();
}
