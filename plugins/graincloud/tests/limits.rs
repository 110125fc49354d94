//! What it withstands: every block size, more notes and grains than there is room for, and hosts that change their mind.

mod common;

use common::{Player, RATE_HZ, all_finite_and_normal, choke, noise, off, on, peak, silence};
use graincloud::engine::{Controls, Counts, GRAINS, Note, VOICES, Which};

const SECOND: usize = RATE_HZ as usize;

/// Plays a scene in blocks of this size; gives the output and the counts.
fn scene(
    block: usize,
    controls: Controls,
    notes: &[(usize, Note)],
    frames: usize,
) -> ([Vec<f32>; 2], Counts) {
    let mut player = Player::new(controls);
    player.block = block;
    player.notes = notes.to_vec();
    let output = player.play(frames, noise);
    (output, player.counts())
}

#[test]
fn the_samples_do_not_depend_on_the_block_size() {
    // Live input, keys, chokes and feedback; and two keys whose grains fill the pools just about, so that new grains find
    // their room now in the place of one that has ended, now of one that is stolen.
    let busy = Controls { density_hz: 200.0, size_s: 0.3, feedback: 0.4, mix: 0.8, ..Controls::DEFAULT };
    let changes = [
        (10_000, on(60)),
        (10_000, on(64)),
        (10_777, on(67)),
        (15_001, off(64)),
        (21_111, choke(67)),
        (25_000, on(30)),
        (25_050, off(60)),
        (31_000, off(30)),
    ];
    let full = Controls { density_hz: 320.0, size_s: 1.0, ..Controls::DEFAULT };
    let held = [(0, on(60)), (0, on(64))];
    for (controls, notes, frames) in [(busy, &changes[..], 40_001), (full, &held[..], 110_001)] {
        let (reference, counts) = scene(64, controls, notes, frames);
        assert!(peak(&reference[0]) > 0.1);
        let ended = counts.spawned - counts.live - counts.stolen;
        assert!(controls != full || (counts.stolen > 10 && ended > 10), "{counts:?}");
        for block in [1, 7, 63, 65, 512, frames] {
            let (output, again) = scene(block, controls, notes, frames);
            let different = output.iter().zip(&reference).any(|(output, reference)| {
                output
                    .iter()
                    .zip(reference)
                    .any(|(output, reference)| output.to_bits() != reference.to_bits())
            });
            assert!(!different && again == counts, "blocks of {block}: {again:?}, not {counts:?}");
        }
    }
}

#[test]
fn two_renders_are_the_same_and_a_reset_begins_again() {
    let mut player = Player::new(Controls::DEFAULT);
    let first = player.play(SECOND, noise);
    let later = player.play(SECOND, |frame| noise(frame - SECOND));
    assert_ne!(first, later, "chance goes on");
    player.engine.reset();
    let again = player.play(SECOND, |frame| noise(frame - 2 * SECOND));
    assert_eq!(first, again);
    assert_eq!(first, Player::new(Controls::DEFAULT).play(SECOND, noise));
}

#[test]
fn more_grains_than_there_are_places_steal_the_oldest() {
    let mut player = Player::new(Controls { density_hz: 500.0, size_s: 0.12, ..Controls::DEFAULT });
    player.now((0..64).map(|key| on(30 + key)));
    let [left, right] = player.play(SECOND / 2, noise);
    let counts = player.counts();
    assert!(counts.stolen > 1_000, "{counts:?}");
    assert_eq!(counts.live_peak, GRAINS as u64);
    assert!(all_finite_and_normal(&left) && all_finite_and_normal(&right));
    assert_eq!(player.blocks_used() as u64, counts.live);
}

#[test]
fn when_the_pools_run_dry_the_oldest_is_stolen_and_counted() {
    let mut player = Player::new(Controls { density_hz: 500.0, size_s: 1.0, ..Controls::DEFAULT });
    player.now([on(60), on(64), on(67), on(72)]);
    let [left, _] = player.play(2 * SECOND, noise);
    let counts = player.counts();
    assert!(counts.refusals > 1_000 && counts.stolen > 1_000, "{counts:?}");
    assert!(counts.spawned > 3_900, "every theft made room: {counts:?}");
    assert!(counts.live < GRAINS as u64);
    assert!(peak(&left[SECOND..]) > 0.1, "it sounds on");
}

#[test]
fn a_note_off_lands_even_when_the_pools_are_dry() {
    let mut player = Player::new(Controls { density_hz: 500.0, size_s: 1.0, ..Controls::DEFAULT });
    player.now((0..64).map(on));
    player.play(SECOND, noise);
    assert!(player.counts().refusals > 0);
    player.now((0..64).map(off));
    assert_eq!(player.engine.keys_held(), 0);
}

#[test]
fn a_thousand_notes_in_one_block_leave_nothing_behind() {
    let mut player = Player::new(Controls::DEFAULT);
    // Every key of every channel, on at one frame and off at the next.
    let notes = (0..1_000_u16).flat_map(|number| {
        let (channel, key) = (u8::try_from(number % 16).unwrap(), u8::try_from(number / 16).unwrap());
        let at = usize::from(number % 63);
        let which = Which { channel: Some(channel), key: Some(key), id: None };
        [(at, Note::On { channel, key, velocity: 0.7, id: None }), (at + 1, Note::Off(which))]
    });
    let mut notes: Vec<_> = notes.collect();
    notes.sort_by_key(|(at, _)| *at);
    player.notes = notes;
    player.play(SECOND, noise);
    assert_eq!(player.engine.keys_held(), 0);
    // On only: voices are stolen. Then off only, in any order.
    player.now((0..1_000).map(|number| on(u8::try_from(number % 128).unwrap())));
    assert_eq!(player.engine.keys_held(), VOICES);
    assert!(player.counts().voices_stolen >= 936);
    player.now((0..128).rev().map(off));
    assert_eq!(player.engine.keys_held(), 0);
}

#[test]
fn releases_of_what_is_not_held_and_a_velocity_of_zero_are_understood() {
    let mut player = Player::new(Controls::DEFAULT);
    player.now([off(60), choke(61), off(200), on(60), on(61)]);
    assert_eq!(player.engine.keys_held(), 2);
    player.now([Note::On { channel: 0, key: 60, velocity: 0.0, id: None }]);
    player.now([Note::On { channel: 0, key: 61, velocity: f32::NAN, id: None }]);
    assert_eq!(player.engine.keys_held(), 0, "what is no velocity releases, too");
    player.now([on(60), on(61), Note::Off(Which { channel: None, key: None, id: None })]);
    assert_eq!(player.engine.keys_held(), 0);
}

#[test]
fn held_keys_take_over_from_the_density_control() {
    let mut player = Player::new(Controls { density_hz: 10.0, size_s: 0.05, ..Controls::DEFAULT });
    player.play(SECOND, noise);
    let free = player.counts().spawned;
    assert!((7..=13).contains(&free), "{free}");
    player.now([on(60), on(67)]);
    player.play(SECOND, noise);
    let held = player.counts().spawned - free;
    assert!((16..=26).contains(&held), "{held}");
}

#[test]
fn blocks_may_be_empty_or_larger_than_announced() {
    let mut player = Player::new(Controls::DEFAULT);
    player.now([on(60)]);
    player.now([]);
    player.block = 100_000;
    let [left, _] = player.play(100_000, noise);
    assert!(peak(&left) > 0.1 && all_finite_and_normal(&left));
    player.now([off(60)]);
    assert_eq!(player.engine.keys_held(), 0);
}

#[test]
fn channels_of_different_length_and_notes_past_the_end_do_no_harm() {
    let mut player = Player::new(Controls::DEFAULT);
    let past = graincloud::engine::TimedNote { offset: u32::MAX, note: on(60) };
    player.engine.process([past], &Controls::DEFAULT, &mut [0.0; 100], &mut [0.0; 3]);
    assert_eq!(player.engine.keys_held(), 1);
}

#[test]
fn a_host_may_prepare_again_at_any_rate_and_memory_stays_the_same() {
    let mut player = Player::new(Controls { density_hz: 200.0, ..Controls::DEFAULT });
    let total = |player: &Player| player.engine.meter().unwrap().snapshot().total_bytes();
    let before = total(&player);
    for (rate_hz, max_frames) in
        [(44_100.0, 1), (192_000.0, 8_192), (8_000.0, 64), (384_000.0, 64), (48_000.0, 512)]
    {
        player.now([on(60)]);
        player.engine.prepare(rate_hz, max_frames).unwrap();
        assert_eq!((player.engine.keys_held(), player.blocks_used()), (0, 0), "it begins from silence");
        let [left, right] = player.play(SECOND, noise);
        assert!(all_finite_and_normal(&left) && all_finite_and_normal(&right) && peak(&left) > 0.01);
        assert_eq!(total(&player), before);
    }
    assert!(player.engine.prepare(f64::NAN, 64).is_err());
    assert!(player.engine.prepare(48_000.0, 0).is_err());
    player.play(SECOND, noise);
}

#[test]
fn an_engine_that_was_never_prepared_passes_what_it_may() {
    let mut engine = graincloud::engine::Engine::new();
    let (mut left, mut right) = ([0.5; 100], [f32::NAN; 100]);
    let dry = Controls { mix: 0.0, ..Controls::DEFAULT };
    engine.process([], &dry, &mut left, &mut right);
    assert_eq!((left, right), ([0.5; 100], [0.0; 100]));
}

#[test]
fn all_memory_comes_back() {
    let mut player = Player::new(Controls { density_hz: 300.0, size_s: 0.5, ..Controls::DEFAULT });
    player.play(SECOND, noise);
    assert!(player.blocks_used() > 100);
    player.engine.reset();
    assert_eq!(player.blocks_used(), 0);
    player.controls.density_hz = 0.5;
    player.play(SECOND, silence);
    assert!(player.blocks_used() <= 2);
}
