//! The promise itself, through the real release bundles in both formats: after warm-up the audio thread touches the
//! system heap in no call and does not wait, and takes next to no page fault, whatever is played; the plugin's memory stays within
//! its pools and the process does not grow.

mod common;

use common::{CONFIG, Rig, assert_off_the_heap, in_both_formats, off, on, set};
use xtask::host::{AudioThread, Event, Format, resident_bytes};

/// As dense as it gets: every parameter that makes grains at its most, and more keys than voices.
fn storm(round: u64) -> Vec<Event> {
    let mut events = vec![set(0, "density", 1.0), set(0, "size", 1.0), set(0, "feedback", 0.9)];
    if round.is_multiple_of(40) {
        events.extend((20..100).map(|key| on(3, key)));
    }
    if round % 40 == 30 {
        events.extend((20..100).map(|key| off(5, key)));
    }
    events
}

fn check_quiet(rig: &mut Rig) {
    assert_off_the_heap(&rig.probe);
    let thread = AudioThread::of(&rig.probe.report());
    assert!(thread.voluntary_switches.is_none_or(|switches| switches == 0), "{thread:?}");
    // A kernel may take a page away and give it back at any time; a plugin that touches fresh memory faults all along.
    let tolerated = rig.probe.callbacks() / 1000;
    assert!(thread.minor_faults.is_none_or(|faults| faults <= tolerated), "{thread:?}");
    eprintln!("{} callbacks: {thread:?}", rig.probe.callbacks());
    if cfg!(all(target_os = "linux", target_env = "gnu")) {
        assert_eq!((thread.allocs, thread.frees), (Some(0), Some(0)), "counted here, so not unknown");
    }
}

fn weather_the_storm(format: Format, seconds: u64) {
    let mut rig = Rig::new(format, CONFIG);
    for round in 0..2000 {
        rig.play(64, &storm(round));
    }
    let before = resident_bytes();
    for round in 0..seconds * 48_000 / 64 {
        rig.play(64, &storm(round));
    }
    let after = resident_bytes();
    let report = rig.report();
    assert!(report.live_peak > 500, "it was a storm: {} grains at once", report.live_peak);
    rig.check_pools();
    check_quiet(&mut rig);
    if let (Some(before), Some(after)) = (before, after) {
        // The test itself may still touch a page or two for the first time.
        assert!(after < before + (1 << 20), "{before} bytes before, {after} after");
    }
    rig.check_alive();
}

#[test]
fn a_storm_of_grains_stays_within_the_pools_and_off_the_heap() {
    in_both_formats(|format| weather_the_storm(format, 10));
}

#[test]
#[ignore = "takes minutes; cargo xtask test runs it"]
fn a_long_storm_of_grains_stays_within_the_pools_and_off_the_heap() {
    in_both_formats(|format| weather_the_storm(format, 600));
}

#[test]
fn when_the_pools_run_dry_the_oldest_grains_go() {
    in_both_formats(|format| {
        let mut rig = Rig::new(format, CONFIG);
        for round in 0..4000 {
            rig.play(64, &storm(round));
        }
        let report = rig.report();
        assert!(report.stolen > 0, "{} grains live at most, none stolen", report.live_peak);
        rig.check_pools();
        check_quiet(&mut rig);
        rig.check_alive();
    });
}
