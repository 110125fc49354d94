//! What an allocator takes of a whole callback, and of a burst that finds nothing in the caches: many operations in one stretch
//! of time, denoised as single ones are.

use super::Measured;
use crate::Line;
use core::{alloc::Layout, ptr};
use detalloc_benches::{
    allocators::{ALL, Calls, Room, Subject},
    replay::{Playing, Request},
    ticks::{Evict, reading, ticks},
    traces::{self, Audio, Operation, Random, Trace, grain_bytes, layout},
};
use std::error::Error;

/// Blocks of a cold burst.
const BURST: usize = 16;

/// How many bursts there are.
const BURSTS: usize = 20;

/// How often each is repeated: its walk takes milliseconds.
const REPEATS: usize = 5;

/// Callbacks of the trace `audio`, and how many of them only lead up to the steady state.
const CALLBACKS: usize = 640;
const WARM_UP: usize = 500;

pub(super) fn print(replays: usize) -> Result<(), Box<dyn Error>> {
    let audio = traces::audio();
    let room = Room::ample(&audio.demand());
    let callbacks = callbacks();
    for &(engine, build) in ALL {
        let mut taken = Vec::new();
        for _ in 0..replays {
            let now = play(&callbacks, build(&room).as_mut());
            if taken.is_empty() {
                taken = now;
            } else {
                taken.iter_mut().zip(now).for_each(|(least, now)| *least = now.min(*least));
            }
        }
        let [p50, worst] = median_and_most(taken);
        Line::Operation(Measured {
            warm_p50_ticks: p50,
            warm_worst_ticks: worst,
            ..Measured::new("all of a callback", engine, Some(&audio))
        })
        .print()?;
    }
    let mut evict = Evict::new();
    for (operation, bytes) in [
        ("allocate, of a burst of 16 of one size", (|_| 1024) as fn(&mut Random) -> usize),
        ("allocate, of a burst of 16 of all sizes", grain_bytes),
    ] {
        for &(engine, build) in ALL {
            let [p50, worst] = median_and_most(cold(&audio, build(&room).as_mut(), bytes, &mut evict));
            Line::Operation(Measured {
                cold_p50_ticks: p50,
                cold_worst_ticks: worst,
                ..Measured::new(operation, engine, Some(&audio))
            })
            .print()?;
        }
    }
    Ok(())
}

fn median_and_most(mut ticks: Vec<u64>) -> [Option<u64>; 2] {
    ticks.sort_unstable();
    [ticks.get(ticks.len() / 2).copied(), ticks.last().copied()]
}

/// The operations of each callback.
fn callbacks() -> Vec<Vec<Operation>> {
    let mut callbacks = vec![Vec::new(); CALLBACKS];
    let mut audio = Audio::new(CALLBACKS);
    while let Some(operation) = audio.next() {
        callbacks[audio.callback() - 1].push(operation);
    }
    callbacks
}

/// The ticks of each callback after the warm-up: all frees, which come first, and then all allocations, in one stretch each.
fn play(callbacks: &[Vec<Operation>], subject: &mut dyn Subject) -> Vec<u64> {
    let reading = reading();
    let mut slots: Vec<Option<Request>> = Vec::new();
    let mut taken = Vec::new();
    let (mut frees, mut allocations) = (Vec::<Request>::new(), Vec::<(usize, Request)>::new());
    for callback in callbacks {
        frees.clear();
        allocations.clear();
        for operation in callback {
            match *operation {
                Operation::Free { slot } => frees.extend(slots.get_mut(slot).and_then(Option::take)),
                Operation::Allocate { slot, layout } => {
                    let calls = subject.calls(layout);
                    allocations.push((slot, Request { calls, block: ptr::null_mut(), layout }));
                }
            }
        }
        // SAFETY: the subject is there; blocks are live and of these layouts, and each request is performed once.
        let ((), freeing) = ticks(|| frees.iter().for_each(|request| _ = unsafe { request.perform() }));
        let ((), allocating) = ticks(|| {
            // SAFETY: as above. The block goes to where it will be freed from.
            allocations.iter_mut().for_each(|(_, request)| request.block = unsafe { request.perform() });
        });
        for &(slot, request) in &allocations {
            slots.resize(slots.len().max(slot + 1), None);
            slots[slot] = (!request.block.is_null()).then_some(request);
        }
        taken.push((freeing + allocating).saturating_sub(2 * reading));
    }
    // SAFETY: as above.
    slots.iter().flatten().for_each(|request| _ = unsafe { request.perform() });
    taken.split_off(WARM_UP)
}

/// The ticks of a block, of each burst, where a trace has been played: the least of a few times.
fn cold(
    trace: &Trace,
    subject: &mut dyn Subject,
    bytes: fn(&mut Random) -> usize,
    evict: &mut Evict,
) -> Vec<u64> {
    let reading = reading();
    let mut random = Random::new();
    let mut sizes = || [(); BURST].map(|()| layout(bytes(&mut random)));
    let bursts = [(); BURSTS].map(|()| sizes().map(|layout| (subject.calls(layout), layout)));
    let mut playing = Playing::new(subject, trace.slots());
    for &operation in &trace.operations {
        // SAFETY: performed once; the subject is there, and slots hold live blocks.
        unsafe { playing.perform(operation, |request| (request.perform(), 0)) };
    }
    // Half of what is live goes, so that there is room for the bursts wherever it may lie.
    for slot in (0..trace.slots()).step_by(2) {
        // SAFETY: as above.
        unsafe { playing.perform(Operation::Free { slot }, |request| (request.perform(), 0)) };
    }
    let once = |burst: &[(Calls, Layout); BURST], evict: &mut Evict| {
        let mut requests = burst.map(|(calls, layout)| Request { calls, block: ptr::null_mut(), layout });
        evict.now();
        let ((), ticks) = ticks(|| {
            // SAFETY: the subject is there; the block goes to where it is freed from.
            requests.iter_mut().for_each(|request| request.block = unsafe { request.perform() });
        });
        for request in requests.iter().filter(|request| !request.block.is_null()) {
            // SAFETY: live, and freed once.
            unsafe { request.perform() };
        }
        ticks.saturating_sub(reading)
    };
    let least = |burst| (0..REPEATS).map(|_| once(burst, evict)).min().unwrap_or(0);
    bursts.iter().map(least).map(|ticks| ticks / u64::try_from(BURST).unwrap_or(1)).collect()
}
