//! The integration.

use super::{Driver, step};
use crate::{
    audio::{Elsewhere, Owner},
    heap::Voice,
};
use core::{alloc::Layout, mem::MaybeUninit, ptr};
use detalloc_audio::{
    AudioBudget, Foreign, OnViolation, Publish, Published, Reader, ReapTask, Routed, Rt, RtArc, RtBox,
    RtHeap, RtQueue, RtVec,
};
use std::sync::Arc;

/// A place for any handle.
pub type Place = MaybeUninit<[u64; 16]>;

/// A handle where operations find it.
pub fn placed<T>(handle: T) -> Place {
    let mut place = Place::uninit();
    // SAFETY: it is large enough for any handle.
    unsafe { place.as_mut_ptr().cast::<T>().write(handle) };
    place
}

pub fn budget() -> AudioBudget {
    AudioBudget::new(48_000.0, 64)
        .objects::<Voice>(40)
        .objects::<Owner>(40)
        .shared::<Voice>(8)
        .slices::<u64>(32, 8)
        .events::<u64>(5)
        .scratch::<u64>(100)
        .foreign(4)
}

pub fn heap(budget: &AudioBudget) -> RtHeap {
    let mut heap = RtHeap::reaped_by_task();
    heap.reconfigure(budget).expect("enough memory");
    heap
}

/// The scope of a callback, as operations take it.
pub fn scope<'s>(rt: &Rt<'s>) -> *mut Rt<'s> {
    ptr::from_ref(rt).cast_mut()
}

pub fn nothing() -> *mut () {
    ptr::dangling_mut()
}

pub fn owner() -> Owner {
    Owner(Arc::new(1))
}

pub fn all(driver: &mut Driver) {
    boxes(driver);
    foreign(driver);
    vectors(driver);
    published(driver);
    routed(driver);
    topped_up(driver);
}

/// As many regions as can be added, all of them exhausted, by borrowing too, and then with blocks on their way home to all of them.
fn topped_up(driver: &mut Driver) {
    let budget = AudioBudget::new(48_000.0, 64).objects::<Voice>(2).objects::<[u64; 20]>(2);
    let mut heap = heap(&budget.top_up(64 << 20));
    let mut place = Place::uninit();
    let place = place.as_mut_ptr().cast::<u8>();
    let (mut live, mut larger) = (Vec::new(), Vec::new());
    for round in 0..14 {
        heap.enter(|rt| {
            if round % 2 == 0 {
                larger.extend(core::iter::from_fn(|| rt.boxed([0_u64; 20]).ok()));
            }
            while !step!(driver, audio::boxed, scope(rt), place, 0, 0).is_null() {
                // SAFETY: what was made, once.
                live.push(unsafe { place.cast::<RtBox<Voice>>().read() });
            }
            step!(driver, audio::pressure, scope(rt), ptr::null_mut(), 64, 8);
            step!(driver, audio::vec, scope(rt), place, 100_000, 0);
            if let Some(voice) = live.pop() {
                let mut voice = placed(voice);
                step!(driver, audio::drop_plain, nothing(), voice.as_mut_ptr().cast(), 0, 0);
            }
        });
        ReapTask.run();
        if round > 9 {
            live.clear();
        }
    }
}

fn boxes(driver: &mut Driver) {
    for top_up in [0, 1 << 20] {
        let mut first = heap(&budget().top_up(top_up));
        let mut other = heap(&budget());
        let mut places = [Place::uninit(); 200];
        let at = |place: &mut Place| ptr::from_mut(place).cast::<u8>();
        // More than there is: refusals, and, the second time, from memory that was added.
        for _ in 0..4 {
            let filled: Vec<bool> = first.enter(|rt| {
                places
                    .iter_mut()
                    .map(|place| !step!(driver, audio::boxed, scope(rt), at(place), 0, 0).is_null())
                    .collect()
            });
            ReapTask.run();
            for (n, (place, filled)) in places.iter_mut().zip(filled).enumerate() {
                let drop_it = |driver: &mut Driver, place: &mut Place| {
                    step!(driver, audio::drop_plain, nothing(), at(place), 0, 0);
                };
                // In its own callback, and in that of another heap.
                match (filled, n % 2) {
                    (false, _) => {}
                    (true, 0) => first.enter(|_| drop_it(driver, place)),
                    (true, _) => other.enter(|_| drop_it(driver, place)),
                }
            }
        }
        for n in 0..120 {
            let made = first.enter(|rt| rt.boxed(owner()).ok());
            if let Some(made) = made {
                let mut place = Place::uninit();
                // SAFETY: the place is large enough for a box.
                unsafe { place.as_mut_ptr().cast::<RtBox<Owner>>().write(made) };
                let mut drop_it = || _ = step!(driver, audio::drop_deferred, nothing(), at(&mut place), 0, 0);
                if n % 2 == 0 { first.enter(|_| drop_it()) } else { other.enter(|_| drop_it()) }
            }
            if n % 40 == 39 {
                ReapTask.run();
            }
        }
        arcs(driver, &mut first);
        // Their regions have gone, but for the blocks.
        let late: Vec<_> = first.enter(|rt| (0..9).filter_map(|_| rt.boxed(owner()).ok()).collect());
        first.reconfigure(&budget().objects::<[u64; 50]>(1)).expect("enough memory");
        for (n, boxed) in late.into_iter().enumerate() {
            let mut place = Place::uninit();
            // SAFETY: as above.
            unsafe { place.as_mut_ptr().cast::<RtBox<Owner>>().write(boxed) };
            let mut drop_it = || _ = step!(driver, audio::drop_deferred, nothing(), at(&mut place), 0, 0);
            if n % 2 == 0 { first.enter(|_| drop_it()) } else { other.enter(|_| drop_it()) }
        }
    }
}

fn arcs(driver: &mut Driver, heap: &mut RtHeap) {
    let mut places = [Place::uninit(); 60];
    let at = |place: &mut Place| ptr::from_mut(place).cast::<u8>();
    heap.enter(|rt| {
        for place in &mut places {
            if step!(driver, audio::arc, scope(rt), at(place), 0, 0).is_null() {
                continue;
            }
            let (arc, mut other) = (place.as_mut_ptr().cast::<RtArc<Voice>>(), Place::uninit());
            step!(driver, audio::clone_arc, arc, at(&mut other), 0, 0);
            step!(driver, audio::drop_arc, nothing(), at(&mut other), 0, 0);
            step!(driver, audio::drop_arc, nothing(), at(place), 0, 0);
        }
        let kept: Vec<_> = (0..50).filter_map(|_| rt.arc([0_u64; 8]).ok()).collect();
        step!(driver, audio::arc, scope(rt), at(&mut places[0]), 0, 0);
        drop(kept);
    });
}

/// Lanes that are empty, full, and full beside pools that are exhausted.
fn foreign(driver: &mut Driver) {
    let mut heap = heap(&budget());
    let mut place = Place::uninit();
    let at = |place: &mut Place| ptr::from_mut(place).cast::<u8>();
    for retire in [true, false] {
        for _ in 0..3 {
            heap.enter(|rt| {
                for _ in 0..150 {
                    let value = Arc::new(1_u64);
                    // SAFETY: the place is large enough.
                    unsafe {
                        if retire {
                            place.as_mut_ptr().cast::<Arc<u64>>().write(value);
                        } else {
                            place.as_mut_ptr().cast::<Foreign<Arc<u64>>>().write(Foreign::new(value));
                        }
                    }
                    if retire {
                        step!(driver, audio::retire, scope(rt), at(&mut place), 0, 0);
                    } else {
                        step!(driver, audio::drop_foreign, nothing(), at(&mut place), 0, 0);
                    }
                }
            });
            ReapTask.run();
        }
    }
}

fn vectors(driver: &mut Driver) {
    let mut heap = heap(&budget());
    let mut place = Place::uninit();
    let at = |place: &mut Place| ptr::from_mut(place).cast::<u8>();
    heap.enter(|rt| {
        let mut kept = Vec::new();
        for capacity in [0, 1, 32, 33, 1_000_000, usize::MAX / 2].into_iter().chain([32; 12]) {
            if step!(driver, audio::vec, scope(rt), at(&mut place), capacity, 0).is_null() {
                continue;
            }
            (0..capacity + 2).for_each(|n| _ = step!(driver, audio::push, nothing(), at(&mut place), n, 0));
            // SAFETY: the vector that lies there, which is not used there any more.
            kept.push(unsafe { place.as_ptr().cast::<RtVec<u64>>().read() });
        }
        let queue = rt.queue::<u64>(5).unwrap_or_default();
        // SAFETY: the place is large enough.
        unsafe { place.as_mut_ptr().cast::<RtQueue<u64>>().write(queue) };
        for n in 0..60 {
            if driver.below(2) == 0 {
                step!(driver, audio::push_event, nothing(), at(&mut place), n, 0);
            } else {
                step!(driver, audio::pop_event, nothing(), at(&mut place), 0, 0);
            }
        }
        (0..7).for_each(|n| _ = step!(driver, audio::push_event, nothing(), at(&mut place), n, 0));
        // SAFETY: the queue that lies there.
        drop(unsafe { place.as_ptr().cast::<RtQueue<u64>>().read() });
        // Filling is not what counts.
        for size in [0, 1_000, usize::MAX / 2] {
            step!(driver, audio::scratch, scope(rt), ptr::null_mut(), size, 0);
        }
        driver.unbounded(|driver| step!(driver, audio::scratch, scope(rt), ptr::null_mut(), 50, 0));
        let mut live = Vec::new();
        loop {
            for (size, align) in [(64, 8), (8, 8), (1 << 20, 1), (0, 1), (64, 8192)] {
                step!(driver, audio::pressure, scope(rt), ptr::null_mut(), size, align);
            }
            let Ok(voice) = rt.boxed([0_u64; 8]) else { break };
            live.push(voice);
        }
    });
    RtHeap::new().enter(|rt| {
        step!(driver, audio::boxed, scope(rt), at(&mut place), 0, 0);
        step!(driver, audio::arc, scope(rt), at(&mut place), 0, 0);
        step!(driver, audio::vec, scope(rt), at(&mut place), 4, 0);
        step!(driver, audio::scratch, scope(rt), ptr::null_mut(), 4, 0);
        step!(driver, audio::pressure, scope(rt), ptr::null_mut(), 64, 8);
        // SAFETY: the place is large enough.
        unsafe { place.as_mut_ptr().cast::<Arc<u64>>().write(Arc::new(1)) };
        step!(driver, audio::retire, scope(rt), at(&mut place), 0, 0);
    });
}

fn published(driver: &mut Driver) {
    let Ok(publish) = Publish::new([0_u64; 8]) else { return };
    let mut reader = publish.reader();
    let mut places = [Place::uninit(); 3];
    for round in 0..6 {
        let reader: *mut Reader<Voice> = &raw mut reader;
        for place in &mut places {
            step!(driver, audio::read_published, reader, ptr::from_mut(place).cast(), 0, 0);
        }
        publish.set([round; 8]);
        for place in &mut places {
            // SAFETY: what was just read lies there.
            let last = unsafe { &*place.as_ptr().cast::<Published<Voice>>() };
            assert_eq!(**last, [round.saturating_sub(1); 8]);
            step!(driver, audio::drop_published, nothing(), ptr::from_mut(place).cast(), 0, 0);
        }
    }
}

/// In callbacks and elsewhere, what pools serve and what they cannot.
fn routed(driver: &mut Driver) {
    let mut contains = Routed::contain(Elsewhere).on_violation(OnViolation::Count);
    let contains: *mut Routed<Elsewhere> = &raw mut contains;
    let mut heap = heap(&budget());
    let mut live = Vec::new();
    let some = |driver: &mut Driver, live: &mut Vec<(*mut u8, usize, usize)>| {
        for (size, align) in [(1, 1), (64, 8), (300, 64), (5_000, 16), (64, 4096)] {
            let block = step!(driver, audio::allocate_routed, contains, ptr::null_mut(), size, align);
            live.extend((!block.is_null()).then_some((block, size, align)));
        }
    };
    some(driver, &mut live);
    heap.enter(|_| (0..30).for_each(|_| some(driver, &mut live)));
    let half = live.split_off(live.len() / 2);
    let mut other = self::heap(&budget());
    let free = |driver: &mut Driver, (block, size, align): (*mut u8, usize, usize)| {
        step!(driver, audio::free_routed, contains, block, size, align);
    };
    heap.enter(|_| live.into_iter().for_each(|block| free(driver, block)));
    other.enter(|_| half.into_iter().for_each(|block| free(driver, block)));
    // Blocks of the system heap, which the reaper frees in a callback's place.
    let layout = Layout::new::<[u64; 8]>();
    heap.enter(|_| {
        for _ in 0..3 {
            // SAFETY: a layout with bytes.
            let block = unsafe { std::alloc::alloc(layout) };
            step!(driver, audio::free_routed, contains, block, layout.size(), layout.align());
        }
    });
    let mut nothing = [0_u64; 8];
    step!(driver, audio::free_routed, contains, nothing.as_mut_ptr().cast(), 64, 8);
    ReapTask.run();
}
