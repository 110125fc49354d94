//! What it sounds like: levels, clicks, silence, pitch and place.

mod common;

use common::{
    Player, RATE_HZ, all_finite_and_normal, choke, largest_step, level_db, noise, off, on, peak, silence,
    sine,
};
use graincloud::engine::{Controls, Material, Recording};

const SECOND: usize = RATE_HZ as usize;

fn recording(seconds: usize, signal: impl Fn(usize) -> [f32; 2]) -> Box<Material> {
    let (left, right): (Vec<_>, Vec<_>) = (0..seconds * SECOND).map(|frame| signal(frame).into()).unzip();
    Box::new(Material::Recording(Recording::new(left, right)))
}

fn playing(controls: Controls, material: Box<Material>) -> Player {
    let mut player = Player::new(controls);
    player.engine.load(material);
    player
}

#[test]
fn the_level_of_a_dense_cloud_does_not_depend_on_density_size_or_pitch() {
    // Noise without its highest octaves, which interpolation would dull.
    let soft = |frame| (0..8).map(|ahead| noise(frame + ahead)[0] / 2.0).sum::<f32>();
    let input_db = level_db(&(0..SECOND).map(soft).collect::<Vec<_>>());
    for size_s in [0.05, 0.2, 1.0] {
        for density_hz in [60.0, 150.0, 500.0] {
            for pitch_semitones in [0.0, 7.0, -12.0] {
                let controls = Controls {
                    density_hz,
                    size_s,
                    spray_s: 0.5,
                    pitch_semitones,
                    pan_spread: 1.0,
                    ..Controls::DEFAULT
                };
                let mut player = Player::new(controls);
                player.play(3 * SECOND, |frame| [soft(frame); 2]);
                for side in player.play(3 * SECOND, |frame| [soft(frame); 2]) {
                    let db = level_db(&side) - input_db;
                    assert!(db.abs() < 1.5, "{controls:?}: {db:+.1} dB");
                }
            }
        }
    }
}

fn sine_samples() -> Vec<f32> {
    (0..SECOND).map(|frame| sine(440.0)(frame)[0]).collect()
}

#[test]
fn an_offset_of_the_input_is_not_piled_up() {
    let mut player = Player::new(Controls { density_hz: 500.0, feedback: 0.95, ..Controls::DEFAULT });
    let [left, _] = player.play(5 * SECOND, |_| [0.1; 2]);
    assert!(level_db(&left[4 * SECOND..]) < -20.0, "{}", level_db(&left[4 * SECOND..]));
}

#[test]
fn grains_that_read_the_same_sound_do_not_pile_up() {
    for density_hz in [20.0, 100.0, 500.0] {
        let controls =
            Controls { density_hz, size_s: 0.5, spray_s: 0.0, pan_spread: 0.0, ..Controls::DEFAULT };
        let mut player = Player::new(controls);
        player.play(2 * SECOND, sine(440.0));
        let [left, _] = player.play(2 * SECOND, sine(440.0));
        let db = level_db(&left) - level_db(&sine_samples());
        assert!(db.abs() < 3.0, "{density_hz}: {db:+.1} dB");
    }
}

#[test]
fn no_step_is_larger_than_the_sound_makes_it() {
    // A slow sine moves by 0.0013 a frame at most; a cloud of them by a few times that.
    for (shape, bound) in [(0.0, 0.02), (1.0, 0.04)] {
        let controls = Controls { shape, size_s: 0.05, density_hz: 100.0, ..Controls::DEFAULT };
        let mut player = Player::new(controls);
        let notes = [(30_000, on(60)), (50_001, on(67)), (70_017, choke(67)), (90_100, off(60))];
        player.notes = notes.to_vec();
        for block in [64, 1, 333] {
            player.block = block;
            for side in player.play(SECOND, sine(20.0)) {
                assert!(largest_step(&side) < bound, "shape {shape}: {}", largest_step(&side));
            }
        }
    }
}

#[test]
fn turning_anything_makes_no_click() {
    let mut player = Player::new(Controls { density_hz: 100.0, ..Controls::DEFAULT });
    player.play(SECOND, sine(20.0));
    let default = player.controls;
    let turns = [
        Controls { mix: 0.0, ..default },
        Controls { mix: 1.0, feedback: 0.95, ..default },
        Controls { feedback: 0.0, density_hz: 0.5, ..default },
        Controls { density_hz: 500.0, size_s: 1.0, ..default },
        Controls { size_s: 0.005, pitch_semitones: 24.0, ..default },
        Controls { pitch_semitones: -24.0, pan_spread: 0.0, shape: 1.0, ..default },
    ];
    let mut before = [0.0; 2];
    for (turn, controls) in turns.into_iter().enumerate() {
        player.controls = controls;
        for (side, before) in player.play(SECOND / 3, sine(20.0)).iter().zip(&mut before) {
            // Grains of 5 ms and a transposition by two octaves move faster by themselves.
            assert!(largest_step(side) < 0.05, "turn {turn}: {}", largest_step(side));
            assert!(turn == 0 || (side[0] - *before).abs() < 0.05, "turn {turn}");
            *before = side[side.len() - 1];
        }
    }
}

#[test]
fn it_falls_exactly_silent_when_the_input_does() {
    for feedback in [0.0, 0.5] {
        let mut player = Player::new(Controls { feedback, mix: 0.5, ..Controls::DEFAULT });
        player.play(SECOND, noise);
        let [left, right] = player.play(12 * SECOND, silence);
        assert!(peak(&left[..SECOND / 20]) > 0.0, "the cloud outlasts its input");
        for side in [&left[11 * SECOND..], &right[11 * SECOND..]] {
            assert!(side.iter().all(|sample| sample.to_bits() << 1 == 0), "feedback {feedback}");
        }
    }
}

#[test]
fn feedback_at_its_most_stays_bounded() {
    let mut player =
        Player::new(Controls { feedback: 0.95, density_hz: 500.0, size_s: 0.3, ..Controls::DEFAULT });
    let [left, right] = player.play(10 * SECOND, noise);
    assert!(peak(&left) < 8.0 && peak(&right) < 8.0, "{} {}", peak(&left), peak(&right));
    assert!(level_db(&left[9 * SECOND..]) > level_db(&left[..SECOND / 4]), "it is heard");
}

#[test]
fn what_is_not_a_number_at_the_input_never_leaves() {
    let bad = |frame: usize| match frame % 97 {
        0 => [f32::NAN, f32::INFINITY],
        1 => [f32::NEG_INFINITY, 1e-40],
        2 => [f32::MAX, f32::MIN],
        _ => noise(frame),
    };
    for mix in [0.0, 0.5, 1.0] {
        let mut player =
            Player::new(Controls { mix, feedback: 0.9, density_hz: 200.0, size_s: 0.3, ..Controls::DEFAULT });
        let [left, right] = player.play(2 * SECOND, bad);
        assert!(all_finite_and_normal(&left) && all_finite_and_normal(&right), "mix {mix}");
        assert!(player.counts().removed > 2_000);
    }
}

#[test]
fn no_corner_of_the_controls_breaks_it() {
    let ends =
        |low: f32, high: f32, corner: usize, bit: usize| if corner >> bit & 1 == 0 { low } else { high };
    let mut player = Player::new(Controls::DEFAULT);
    player.now([on(0), on(60), on(127)]);
    for corner in 0..256 {
        player.controls = Controls {
            density_hz: ends(0.5, 500.0, corner, 0),
            size_s: ends(0.005, 1.0, corner, 1),
            spray_s: ends(0.0, 1.0, corner, 2),
            pitch_semitones: ends(-24.0, 24.0, corner, 3),
            pan_spread: ends(0.0, 1.0, corner, 4),
            shape: ends(0.0, 1.0, corner, 5),
            feedback: ends(0.0, 0.95, corner, 6),
            mix: ends(0.0, 1.0, corner, 7),
        };
        let [left, right] = player.play(1_500, noise);
        assert!(all_finite_and_normal(&left) && all_finite_and_normal(&right), "corner {corner}");
        assert!(peak(&left) < 16.0 && peak(&right) < 16.0, "corner {corner}: {}", peak(&left));
    }
}

/// How often a signal rises through zero in a second.
fn frequency_hz(samples: &[f32]) -> f64 {
    let rises = samples.windows(2).filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0).count();
    let count = |number: usize| f64::from(u32::try_from(number).unwrap());
    count(rises) * f64::from(RATE_HZ) / count(samples.len())
}

#[test]
fn a_key_and_the_pitch_transpose_a_recording() {
    for (key, pitch_semitones, expected_hz) in
        [(60, 0.0, 500.0), (72, 0.0, 1_000.0), (48, 0.0, 250.0), (60, 12.0, 1_000.0), (67, -7.0, 500.0)]
    {
        let controls = Controls { pitch_semitones, size_s: 0.5, density_hz: 20.0, ..Controls::DEFAULT };
        let mut player = playing(controls, recording(5, sine(500.0)));
        player.now([on(key)]);
        player.play(SECOND / 2, silence);
        let [left, _] = player.play(SECOND, silence);
        let hz = frequency_hz(&left);
        assert!((hz / expected_hz - 1.0).abs() < 0.03, "key {key}, pitch {pitch_semitones}: {hz} Hz");
    }
}

#[test]
fn a_recording_sounds_only_while_keys_are_held_and_in_their_tail() {
    let mut player = playing(Controls { size_s: 0.1, ..Controls::DEFAULT }, recording(2, noise));
    let [left, _] = player.play(SECOND, silence);
    assert_eq!(peak(&left), 0.0);
    player.now([on(60)]);
    let [left, _] = player.play(SECOND, silence);
    assert!(peak(&left) > 0.05);
    player.now([off(60)]);
    let [left, _] = player.play(SECOND, silence);
    assert!(peak(&left[..1_000]) > 0.0, "live grains finish");
    let [left, _] = player.play(SECOND, silence);
    assert_eq!(peak(&left), 0.0);
    assert_eq!((player.counts().live, player.blocks_used()), (0, 0));
}

#[test]
fn a_choked_key_is_silent_after_its_fade() {
    let mut player =
        playing(Controls { size_s: 1.0, density_hz: 20.0, ..Controls::DEFAULT }, recording(5, sine(100.0)));
    player.now([on(60)]);
    player.play(SECOND, silence);
    player.now([choke(60)]);
    let [left, right] = player.play(SECOND, silence);
    assert!(peak(&left) > 0.01 && largest_step(&left) < 0.05, "{} {}", peak(&left), largest_step(&left));
    // What the filter below hearing still gives is no grain.
    assert!(peak(&left[64..]) < 0.3 * peak(&left), "{} {}", peak(&left[64..]), peak(&left));
    assert_eq!((peak(&left[SECOND - 64..]), peak(&right[SECOND - 64..])), (0.0, 0.0));
    assert_eq!(player.blocks_used(), 0, "its grains have given their memory back");
}

#[test]
fn half_the_velocity_is_a_quarter_of_the_gain() {
    let level = |velocity| {
        let mut player = playing(Controls { density_hz: 50.0, ..Controls::DEFAULT }, recording(2, noise));
        player.now([graincloud::engine::Note::On { channel: 3, key: 60, velocity, id: None }]);
        level_db(&player.play(2 * SECOND, silence)[0])
    };
    let db = level(0.5) - level(1.0);
    assert!((db + 12.04).abs() < 0.1, "{db}");
}

#[test]
fn the_stereo_image_survives() {
    let controls = Controls { pan_spread: 1.0, density_hz: 100.0, ..Controls::DEFAULT };
    let mut player = Player::new(controls);
    let [left, right] = player.play(3 * SECOND, |frame| [noise(frame)[0], 0.0]);
    let db = level_db(&left) - level_db(&right);
    assert!(db > 6.0, "sound on the left stays there: {db:+.1} dB");
}

#[test]
fn the_dry_signal_passes_untouched_when_nothing_is_mixed_in() {
    let mut player = Player::new(Controls { mix: 0.0, ..Controls::DEFAULT });
    let [left, right] = player.play(SECOND, noise);
    assert!((0..SECOND).all(|frame| noise(frame) == [left[frame], right[frame]]));
}

#[test]
fn another_recording_takes_over_without_a_click() {
    let mut player = playing(Controls { density_hz: 100.0, ..Controls::DEFAULT }, recording(2, sine(20.0)));
    player.now([on(60)]);
    let [before, _] = player.play(SECOND, silence);
    player.engine.play_from(recording(2, silence)).unwrap();
    let [after, _] = player.play(SECOND, silence);
    assert!((after[0] - before[SECOND - 1]).abs() < 0.05 && largest_step(&after) < 0.05);
    assert_eq!(peak(&after[SECOND - 64..]), 0.0);
    player.engine.play_from(Box::new(Material::Live)).unwrap();
    player.now([off(60)]);
    player.play(SECOND, sine(20.0));
    let [live, _] = player.play(SECOND, sine(20.0));
    assert!(peak(&live) > 0.1, "the live input takes over again");
}
