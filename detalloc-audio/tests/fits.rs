//! A recorded session fits the budget that was printed for it, and a test is told when it no longer does.
//!
//! `data/synth.trace` was recorded from the example `synth`, playing 20 s of Bach's prelude BWV 846 for 16 voices;
//! `data/synth.rs` is what `cargo xtask budget` prints for it.
#![cfg(feature = "record")]

use core::{alloc::Layout, ptr::NonNull};
use detalloc::{
    Event, Observer,
    trace::{HEADER_BYTES, Recorder},
};
use detalloc_audio::{
    AudioBudget,
    record::{Misfit, Short, assert_fits, fits},
};
use std::panic;

include!("data/synth.rs");

const TRACE: &[u8] = include_bytes!("data/synth.trace");

fn budget() -> AudioBudget {
    AudioBudget::new(48_000.0, 64)
}

/// A trace of so many blocks of a layout, all live at once.
fn trace_of(layout: Layout, blocks: usize) -> Vec<u8> {
    let mut memory = vec![0; 1 << 16];
    let mut recorder = Recorder::new(&mut memory).unwrap();
    for n in 1..=blocks {
        let block = NonNull::new(core::ptr::without_provenance_mut(n << 12)).unwrap();
        recorder.observe((), &Event::Allocated { layout, block });
    }
    recorder.trace().to_vec()
}

#[test]
fn a_session_fits_the_budget_that_was_printed_for_it() {
    assert_fits(TRACE, &budget().recorded(&RECORDED));
    let replayed = fits(TRACE, &budget().recorded(&RECORDED)).unwrap();
    assert!(replayed.requests > 50 && replayed.headroom_percent() >= 20, "{replayed}");
}

#[test]
fn a_budget_that_is_short_is_told_of_which_blocks_and_how_many() {
    let trace = trace_of(Layout::new::<[u64; 8]>(), 10);
    match fits(&trace, &budget().objects::<[u64; 8]>(7).objects::<u8>(5)) {
        Err(Misfit::Short(short)) => assert_eq!(short, [Short { block_bytes: 64, blocks: 7, needed: 10 }]),
        other => panic!("{other:?}"),
    }
    let panicked = panic::catch_unwind(|| assert_fits(&trace, &budget().objects::<[u64; 8]>(7))).unwrap_err();
    let said = panicked.downcast_ref::<String>().unwrap();
    assert!(said.ends_with("3 more blocks of 64 bytes (it has 7, and 10 were live at once)"), "{said}");
    assert_fits(&trace, &budget().objects::<[u64; 8]>(10));
}

#[test]
fn what_borrows_is_short_and_not_what_it_borrows_from() {
    let trace = [trace_of(Layout::new::<[u8; 16]>(), 3)].concat();
    match fits(&trace, &budget().objects::<[u8; 16]>(1).objects::<[u8; 32]>(1)) {
        Err(Misfit::Short(short)) => assert_eq!(short, [Short { block_bytes: 16, blocks: 1, needed: 3 }]),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_no_block_can_hold_is_named() {
    for layout in [
        Layout::from_size_align(1 << 40, 16).unwrap(),
        Layout::from_size_align(isize::MAX as usize - 15, 1).unwrap(),
        Layout::from_size_align(64, 1 << 20).unwrap(),
    ] {
        let misfit = fits(&trace_of(layout, 1), &budget().objects::<u64>(1)).unwrap_err();
        assert!(misfit.to_string().contains("which no block has"), "{misfit}");
    }
}

#[test]
fn a_recording_that_ended_early_is_not_taken_for_a_whole_one() {
    let mut trace = TRACE.to_vec();
    trace[16] = 7;
    let misfit = fits(&trace, &budget().recorded(&RECORDED)).unwrap_err();
    assert!(misfit.to_string().starts_with("the recording lacks 7 events"), "{misfit}");
}

#[test]
fn a_budget_that_cannot_be_met_is_an_error() {
    assert!(matches!(fits(TRACE, &budget()), Err(Misfit::Budget(_))));
}

#[test]
fn a_trace_that_was_cut_anywhere_is_an_error() {
    for end in 0..TRACE.len() {
        assert!(
            matches!(fits(&TRACE[..end], &budget().recorded(&RECORDED)), Err(Misfit::Replay(_))),
            "{end}"
        );
    }
}

#[test]
fn whatever_the_bytes_are_there_is_an_answer() {
    let mut random = 0x9E37_79B9_u32;
    for _ in 0..3_000 {
        let mut trace = TRACE[..2_000].to_vec();
        let records = (trace.len() - HEADER_BYTES) as u64;
        trace[8..16].copy_from_slice(&records.to_le_bytes());
        for _ in 0..4 {
            random ^= random << 13;
            random ^= random >> 17;
            random ^= random << 5;
            let at = HEADER_BYTES + random as usize % (trace.len() - HEADER_BYTES);
            trace[at] = random.to_le_bytes()[3];
        }
        if let Err(misfit) = fits(&trace, &budget().recorded(&RECORDED)) {
            assert!(!misfit.to_string().is_empty());
        }
    }
}
