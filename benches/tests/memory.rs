//! How much memory the trace `audio` takes, over the bytes that it has live at its peak: with a preset that was scaled until
//! it serves everything, and with configurations that its profile suggests.
//!
//! `cargo test -p detalloc-benches --test memory -- --nocapture` prints the ratios.

use core::mem::MaybeUninit;
use detalloc::{Allocate, Borrow, Config, Heap, Preset, Profile};
use detalloc_benches::traces::{Operation, Trace, audio};

/// The headroom of a suggestion from a profile, in percent.
const HEADROOM_PERCENT: u32 = 5;

/// How many requests of the trace a heap of this configuration refuses.
fn refusals(trace: &Trace, config: &Config) -> usize {
    let mut region = vec![MaybeUninit::uninit(); config.bytes_needed()];
    let mut heap = Heap::new(&mut region, config).unwrap();
    let mut slots = vec![None; trace.slots()];
    for operation in &trace.operations {
        match *operation {
            Operation::Allocate { slot, layout } => slots[slot] = heap.allocate(layout).ok(),
            Operation::Free { slot } => {
                if let Some(block) = slots[slot].take() {
                    // SAFETY: live, and not used afterwards.
                    unsafe { heap.free(block) }.unwrap();
                }
            }
        }
    }
    heap.meter().snapshot().refused()
}

/// The memory that the configuration needs, metadata and the worst misalignment included, in percent of the peak of the
/// bytes that were live as they were asked for; rounded up.
fn percent(config: &Config, profile: &Profile, what: &str) -> usize {
    let (needed, live) = (config.bytes_needed(), profile.peak_live_bytes());
    let permille = (needed * 1000).div_ceil(live);
    println!(
        "{what}: {needed} bytes for {live} live ones, {}.{:03} times as many",
        permille / 1000,
        permille % 1000
    );
    (needed * 100).div_ceil(live)
}

#[test]
fn the_audio_preset_serves_the_trace_in_120_percent_of_its_live_bytes() {
    let trace = audio();
    let serves = |live: &usize| refusals(&trace, &Preset::Audio.for_live_blocks(*live)) == 0;
    let live = (trace.demand().peak_live_blocks / 2..).step_by(20).find(serves).unwrap();
    let config = Preset::Audio.for_live_blocks(live);
    assert!(percent(&config, &trace.profile(), "preset") <= 120);
}

#[test]
fn what_the_profile_suggests_serves_the_trace_in_112_percent_of_its_live_bytes() {
    let trace = audio();
    let profile = trace.profile();
    let config = profile.suggest(Borrow::Larger, HEADROOM_PERCENT).unwrap();
    assert!(percent(&config, &profile, "profile") <= 112);
    assert_eq!(refusals(&trace, &config), 0);
}

#[test]
fn what_the_profile_suggests_without_borrowing_serves_the_trace() {
    let trace = audio();
    let profile = trace.profile();
    let config = profile.suggest(Borrow::Never, 0).unwrap();
    percent(&config, &profile, "profile, without borrowing");
    assert_eq!(refusals(&trace, &config), 0);
}
