//! What a replay answers.

use super::*;
use detalloc::{
    AllocError, Stats,
    trace::{Refusal, ReplayError, Request, replay, requests},
};
use std::collections::BTreeMap;

const LARGE: Config = Config::constant(&[
    PoolConfig::new(64, 1000),
    PoolConfig::new(256, 1000),
    PoolConfig::new(1024, 1000),
    PoolConfig::new(8192, 1000),
]);

/// A trace, and the counts of the heap it was recorded from.
fn recorded_with_stats() -> (Vec<u8>, Stats) {
    let (mut region, mut memory) = (region(), vec![0; 100_000]);
    let heap = Heap::new(&mut region, &CONFIG).unwrap();
    let mut heap = Observed::new(heap, Recorder::new(&mut memory).unwrap());
    work(&mut heap, 0, 5000);
    let stats = heap.heap().meter().snapshot();
    (heap.observer().trace().to_vec(), stats)
}

fn allocated(at: usize, size: usize) -> Event {
    Event::Allocated { layout: layout(size, 16), block: block(at) }
}

fn freed(at: usize) -> Event {
    Event::Freed { block: block(at), layout: None }
}

/// The most blocks of each pool at once, on two pools of two blocks each.
fn peaks(events: &[Event]) -> Vec<usize> {
    let config = Config::new(&[PoolConfig::new(64, 2), PoolConfig::new(1024, 2)]).unwrap();
    let replay = replay(&trace_of(events), &config).unwrap();
    replay.stats.pools().iter().map(|pool| pool.peak).collect()
}

#[test]
fn on_the_recorded_configuration_repeats_the_heaps_counts() {
    let (trace, recorded) = recorded_with_stats();
    let replay = replay(&trace, &CONFIG).unwrap();
    for (here, there) in replay.stats.pools().iter().zip(recorded.pools()) {
        assert_eq!((here.used, here.peak), (there.used, there.peak));
    }
    assert_eq!(replay.refusals, recorded.refused());
    assert_eq!(replay.refused_when_recorded, recorded.refused());
    assert_eq!((replay.unseen_frees, replay.unknown_blocks, replay.lost), (0, 0, 0));
}

#[test]
fn on_a_larger_configuration_fits_with_headroom() {
    let (trace, _) = recorded_with_stats();
    let replay = replay(&trace, &LARGE).unwrap();
    assert!(replay.fits() && replay.refused_when_recorded > 0, "{replay}");
    let tightest = replay.tightest().unwrap();
    assert_eq!(replay.headroom_percent(), (1000 - tightest.peak) / 10);
    assert!(replay.stats.pools().iter().all(|pool| pool.peak <= tightest.peak));
    assert_eq!(replay.bytes_needed, LARGE.bytes_needed());
}

#[test]
fn on_the_peaks_fits_without_headroom_and_on_one_block_less_does_not() {
    let (trace, _) = recorded_with_stats();
    let wide = replay(&trace, &LARGE).unwrap();
    let exact: Vec<_> = wide.stats.pools().iter().map(|p| PoolConfig::new(p.block_bytes, p.peak)).collect();
    let fitting = replay(&trace, &Config::new(&exact).unwrap()).unwrap();
    assert!(fitting.fits(), "{fitting}");
    assert_eq!(fitting.headroom_percent(), 0);
    let mut less = exact;
    less[3].blocks -= 1;
    let refused = replay(&trace, &Config::new(&less).unwrap()).unwrap();
    assert!(!refused.fits());
    assert!(matches!(refused.first_refusal.unwrap().error, AllocError::Exhausted { block_bytes: 8192 }));
}

#[test]
fn names_the_first_refusal() {
    let config = Config::new(&[PoolConfig::new(64, 1)]).unwrap();
    let events = [allocated(64, 10), freed(64), allocated(64, 20), allocated(128, 30), allocated(192, 40)];
    let replay = replay(&trace_of(&events), &config).unwrap();
    let error = AllocError::Exhausted { block_bytes: 64 };
    assert_eq!(replay.first_refusal, Some(Refusal { record: 3, layout: layout(30, 16), error }));
    assert_eq!((replay.refusals, replay.requests), (2, 4));
    let text = replay.to_string();
    assert!(text.contains("does not fit, 2 refused, first record 3 (30 bytes aligned to 16)"), "{text}");
}

#[test]
fn says_so_when_nothing_was_allocated() {
    let replay = replay(&recorded(0), &CONFIG).unwrap();
    assert!(replay.fits());
    assert_eq!((replay.tightest(), replay.headroom_percent()), (None, 100));
    assert!(replay.to_string().ends_with("fits, nothing was allocated"));
}

#[test]
fn frees_a_block_of_another_thread_when_its_place_is_handed_out_again() {
    let events = [allocated(64, 10), allocated(64, 10), allocated(64, 10)];
    let replay = replay(&trace_of(&events), &CONFIG).unwrap();
    assert_eq!((replay.unseen_frees, replay.stats.pools()[0].peak), (2, 1));
}

#[test]
fn passes_over_blocks_from_before_the_recording() {
    let resized =
        Event::Reallocated { block: block(64), layout: layout(1, 1), new_bytes: 9, moved_to: block(64) };
    let replay = replay(&trace_of(&[freed(128), resized]), &CONFIG).unwrap();
    assert_eq!((replay.unknown_blocks, replay.requests), (2, 0));
}

#[test]
fn a_refused_allocation_is_tried_and_given_back() {
    let refused = Event::Refused { layout: layout(10, 16), error: AllocError::Corrupt };
    assert_eq!(peaks(&[refused, refused, refused]), [1, 0]);
}

#[test]
fn a_block_that_moves_is_there_twice_for_a_moment() {
    let moved =
        Event::Reallocated { block: block(64), layout: layout(10, 16), new_bytes: 500, moved_to: block(640) };
    assert_eq!(peaks(&[allocated(64, 10), moved, allocated(64, 10), freed(640)]), [1, 1]);
}

#[test]
fn a_block_whose_resizing_was_refused_is_resized_where_it_fits() {
    let refused = |new_bytes| Event::ReallocateRefused {
        block: block(64),
        layout: layout(10, 16),
        new_bytes,
        error: ResizeError::Memory(AllocError::Corrupt),
    };
    assert_eq!(peaks(&[allocated(64, 10), refused(500), allocated(640, 500)]), [1, 2]);
    assert_eq!(peaks(&[allocated(64, 10), refused(usize::MAX), allocated(640, 10)]), [2, 0]);
}

#[test]
fn says_what_the_recorder_lost() {
    let mut memory = [0; HEADER_BYTES + 1];
    let mut recorder = Recorder::new(&mut memory).unwrap();
    recorder.mark(1);
    assert_eq!(replay(recorder.trace(), &CONFIG).unwrap().lost, 1);
}

#[test]
fn every_block_is_freed_with_the_layout_that_it_was_last_given() {
    let (layout, moved_to) = (layout(10, 16), block(640));
    let events = [
        allocated(64, 10),
        Event::Reallocated { block: block(64), layout, new_bytes: 20, moved_to: block(64) },
        Event::Reallocated { block: block(64), layout, new_bytes: 30, moved_to },
        freed(640),
        Event::Refused { layout, error: AllocError::Corrupt },
    ];
    let mut sizes = Vec::new();
    let each = |request| {
        sizes.push(match request {
            Request::Allocated(layout) => (true, layout.size()),
            Request::Freed(layout) => (false, layout.size()),
        });
    };
    requests(&trace_of(&events), each).unwrap();
    let in_place = [(true, 10), (false, 10), (true, 20)];
    let moved = [(true, 30), (false, 20), (false, 30)];
    assert_eq!(sizes, [&in_place[..], &moved, &[(true, 10), (false, 10)]].concat());
}

#[test]
fn a_bad_trace_is_an_error() {
    let cut = &recorded(10)[..30];
    assert!(matches!(replay(cut, &CONFIG), Err(ReplayError::Trace(TraceError::Truncated { .. }))));
    assert!(matches!(requests(cut, |_| ()), Err(TraceError::Truncated { .. })));
}

#[test]
fn random_changes_lead_to_an_answer() {
    let mut answers = BTreeMap::new();
    hostile::mutants(|trace| {
        let answer = replay(trace, &CONFIG);
        assert_eq!(answer.is_ok(), requests(trace, |_| ()).is_ok());
        *answers.entry(answer.is_ok()).or_insert(0) += 1;
    });
    assert!(answers.len() == 2, "both happen: {answers:?}");
}
