//! Hosts that do what hosts should not, through the real release bundles in both formats: the plugin survives all of
//! it, its output stays finite, its memory stays within its pools, and it still plays afterwards.

mod common;

use common::{CONFIG, PARAMETERS, Rig, assert_off_the_heap, in_both_formats, off, on, set, turn};
use xtask::demo::sample_state;
use xtask::host::{Action, Config, Event, Format, Instance};

#[test]
fn blocks_of_0_frames() {
    in_both_formats(|format| {
        let mut rig = Rig::new(format, CONFIG);
        for round in 0..1000 {
            // Parameters may be flushed this way, so they must arrive. Notes do not: nice-plug calls no plugin for 0
            // frames and forgets the notes of the call, in both formats.
            rig.process([&[], &[]], &[set(0, "mix", 0.25), on(0, 60), off(0, 60)]);
            if round % 100 == 0 {
                rig.play(64, &[]);
            }
        }
        rig.check_alive();
        rig.process([&[], &[]], &[set(0, "mix", 0.25)]);
        rig.play(64, &[]);
        rig.stop();
        let mix = rig.instance.parameter(xtask::host::parameter_id("mix")).expect("it has the parameter");
        assert!((mix - 0.25).abs() < 1e-6, "the parameter arrived: {mix}");
    });
}

#[test]
fn blocks_of_1_frame() {
    in_both_formats(|format| {
        let mut rig = Rig::new(format, CONFIG);
        rig.play(1, &[on(0, 64)]);
        let loudest = rig.play_blocks(20_000, 1);
        assert!(loudest > 0.01, "{loudest}");
        rig.check_alive();
    });
}

/// For VST3, vst3-host cuts these into blocks of the announced size; `tests/raw_vst3.rs` hands them to the plugin whole.
#[test]
fn blocks_larger_than_announced() {
    in_both_formats(|format| {
        let mut rig = Rig::new(format, Config { max_block: 32, ..CONFIG });
        for frames in [33, 64, 1000, 8192, 48_000, 1] {
            let note = u64::try_from(frames / 2).expect("a frame");
            rig.play(frames, &[on(note, 60), off(note, 60)]);
        }
        rig.check_alive();
    });
}

#[test]
fn blocks_of_another_size_every_time() {
    in_both_formats(|format| {
        let mut rig = Rig::new(format, Config { max_block: 512, ..CONFIG });
        let mut frames = 1;
        for _ in 0..500 {
            frames = frames * 7 % 509;
            rig.play(frames, &[on(0, 60), off(0, 60)]);
        }
        rig.check_alive();
    });
}

#[test]
fn sample_rates_that_change() {
    in_both_formats(|format| {
        let mut rig = Rig::new(format, CONFIG);
        for rate_hz in [44_100, 192_000, 8_000, 96_000, 384_000, 48_000, 22_050] {
            rig.restart(Config { rate_hz, max_block: 128 });
            rig.play(128, &[on(0, 60), on(5, 67)]);
            let loudest = rig.play_blocks(usize::try_from(rate_hz).expect("a rate") / 128, 128);
            assert!(loudest > 0.01, "a note is heard at {rate_hz} Hz: {loudest}");
            rig.check_pools();
        }
        rig.restart(CONFIG);
        rig.check_alive();
    });
}

#[test]
fn activation_again_and_again() {
    in_both_formats(|format| {
        let mut rig = Rig::new(format, CONFIG);
        for _ in 0..50 {
            rig.play(64, &[on(0, 60)]);
            rig.stop();
            rig.start();
        }
        rig.check_alive();
    });
}

/// Through the plugin's own `activate`, which clack-host would not call twice. VST3's counterpart is in
/// `tests/raw_vst3.rs`.
#[test]
fn activation_without_deactivation_in_clap() {
    let _turn = turn();
    let mut rig = Rig::new(Format::Clap, CONFIG);
    rig.play(64, &[on(0, 60)]);
    rig.play_blocks(200, 64);
    for max_block in [64, 1024, 16] {
        let Instance::Clap(instance) = &mut rig.instance else { panic!("a CLAP was asked for") };
        assert!(instance.activate_again(Config { max_block, ..CONFIG }));
        rig.play_blocks(50, 64);
        rig.check_pools();
    }
    rig.check_alive();
}

#[test]
fn note_offs_without_note_ons() {
    in_both_formats(|format| {
        let mut rig = Rig::new(format, CONFIG);
        for _ in 0..20 {
            let offs: Vec<Event> = (0..=127)
                .flat_map(|key| {
                    (0..2).map(move |channel| Event {
                        frame: u64::from(key) / 2,
                        action: Action::NoteOff { channel, key },
                    })
                })
                .collect();
            rig.play(64, &offs);
        }
        rig.check_alive();
    });
}

/// No heap call, but page faults the first time: nice-plug reserves room for as many events as the plugin asks for and
/// does not touch it until so many come (7 faults in VST3 for the first thousand notes).
#[test]
fn a_thousand_notes_in_one_block() {
    in_both_formats(|format| {
        let mut rig = Rig::new(format, CONFIG);
        rig.play_blocks(200, 64);
        for round in 0..10_u64 {
            let notes: Vec<Event> = (0..1000_u64)
                .map(|index| on(index * 64 / 1000, u8::try_from((index + round) % 128).expect("a key")))
                .collect();
            rig.play(64, &notes);
            rig.play_blocks(20, 64);
            let offs: Vec<Event> = (0..128).map(|key| off(0, key)).collect();
            rig.play(64, &offs);
        }
        assert_off_the_heap(&rig.probe);
        rig.check_alive();
    });
}

/// Over a recording only keys spawn grains, so a note that is still held would show in the count.
#[test]
fn no_note_off_is_lost_among_a_thousand_events() {
    let folder = tempfile::tempdir().expect("a folder");
    let recording = folder.path().join("tone.wav");
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 48_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut wav = hound::WavWriter::create(&recording, spec).expect("writable");
    (0..48_000_i32).for_each(|frame| wav.write_sample(frame % 200 * 50 - 5_000).expect("writable"));
    wav.finalize().expect("writable");

    in_both_formats(|format| {
        let mut rig = Rig::with_state(format, CONFIG, Some(&sample_state(&recording)));
        let spawned_in_a_second = |rig: &mut Rig| {
            let before = rig.report().grains_spawned;
            rig.play_blocks(48_000 / 64, 64);
            rig.report().grains_spawned - before
        };
        rig.play(64, &[on(0, 60)]);
        assert!(spawned_in_a_second(&mut rig) > 0, "a held key spawns");
        let mut events: Vec<Event> =
            (0..500_u64).map(|index| on(0, u8::try_from(index % 128).expect("a key"))).collect();
        events.extend((0..128).map(|key| off(32, key)));
        events.extend((0..300_u64).map(|index| off(40, u8::try_from(index % 128).expect("a key"))));
        rig.play(64, &events);
        assert_eq!(spawned_in_a_second(&mut rig), 0, "no key is held any more");
        rig.check_alive();
    });
}

#[test]
fn input_that_is_not_a_number() {
    let poisons = [
        f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::MAX,
        f32::MIN,
        f32::from_bits(1),
        f32::MIN_POSITIVE / 2.0,
    ];
    in_both_formats(|format| {
        let mut rig = Rig::new(format, CONFIG);
        rig.play(64, &[set(0, "feedback", 1.0), on(0, 60)]);
        for poison in poisons {
            let all = vec![poison; 64];
            let mut one = rig.tone(64);
            one[17] = poison;
            for _ in 0..100 {
                rig.process([&all, &one], &[]);
                rig.process([&one, &all], &[]);
            }
        }
        // What was recorded of it has played out by then.
        rig.play_blocks(48_000 / 64 * 15, 64);
        rig.check_alive();
    });
}

#[test]
fn parameters_out_of_their_wits() {
    in_both_formats(|format| {
        let mut rig = Rig::new(format, CONFIG);
        rig.play(64, &[on(0, 36), on(0, 60), on(0, 96)]);
        for round in 0..200_u64 {
            let changes: Vec<Event> = PARAMETERS
                .iter()
                .zip(0_u64..)
                .flat_map(|(parameter, index)| {
                    let extreme = if (round + index) % 2 == 0 { 0.0 } else { 1.0 };
                    [set(index, parameter, extreme), set(index + 30, parameter, 1.0 - extreme)]
                })
                .collect();
            let mut changes = changes;
            changes.sort_by_key(|event| event.frame);
            rig.play(64, &changes);
        }
        rig.check_alive();
    });
}

#[test]
fn blocks_that_come_on_another_thread_every_time() {
    in_both_formats(|format| {
        let mut rig = Rig::new(format, CONFIG);
        rig.play(64, &[on(0, 60)]);
        for _ in 0..50 {
            let mut processor = rig.processor.take().expect("the rig is active");
            let processor = std::thread::spawn(move || {
                let mut probe = xtask::host::Probe::new(u64::MAX);
                let (input, mut left, mut right) = ([0.1; 64], [0.0; 64], [0.0; 64]);
                let block = xtask::host::Block {
                    start: 0,
                    events: &[],
                    input: [&input, &input],
                    output: [&mut left, &mut right],
                };
                processor.process(block, &mut probe).expect("it processes anywhere");
                processor
            });
            rig.processor = Some(processor.join().expect("the thread ends well"));
        }
        rig.check_alive();
    });
}

#[test]
fn several_instances_at_once_do_not_hear_each_other() {
    in_both_formats(|format| {
        let render = |rig: &mut Rig| -> Vec<[Vec<f32>; 2]> {
            (0..500_u64).map(|block| rig.play(64, &[on(block % 64, 60), off(63, 60)])).collect()
        };
        let alone = render(&mut Rig::new(format, CONFIG));
        let mut rigs: Vec<Rig> = (0..4).map(|_| Rig::new(format, CONFIG)).collect();
        assert_eq!(rigs[0].reports().len(), 4);
        // Three of them play something else, block by block in between.
        let mut heard = Vec::new();
        let (first, others) = rigs.split_first_mut().expect("four of them");
        for block in 0..500_u64 {
            for other in &mut *others {
                other.play(32, &[set(0, "density", 1.0), on(0, 72)]);
            }
            heard.push(first.play(64, &[on(block % 64, 60), off(63, 60)]));
        }
        assert_eq!(heard, alone);
        for rig in &mut rigs {
            rig.check_alive();
        }
        drop(rigs);
        let left = Rig::new(format, CONFIG);
        assert_eq!(left.reports().len(), 1, "instances that ended are no longer reported");
    });
}

#[test]
fn instances_that_play_on_threads_of_their_own() {
    in_both_formats(|format| {
        let mut rigs: Vec<Rig> = (0..4).map(|_| Rig::new(format, CONFIG)).collect();
        let processors: Vec<_> = rigs.iter_mut().filter_map(|rig| rig.processor.take()).collect();
        let threads: Vec<_> = processors
            .into_iter()
            .map(|mut processor| {
                std::thread::spawn(move || {
                    let mut probe = xtask::host::Probe::new(u64::MAX);
                    let input = [0.1; 64];
                    for block in 0..2000_u64 {
                        let (mut left, mut right) = ([0.0; 64], [0.0; 64]);
                        let events = [on(0, 60), off(63, 60)];
                        let block = xtask::host::Block {
                            start: 0,
                            events: if block % 50 == 0 { &events } else { &[] },
                            input: [&input, &input],
                            output: [&mut left, &mut right],
                        };
                        processor.process(block, &mut probe).expect("it processes");
                        assert!(left.iter().all(|sample| sample.is_finite()));
                    }
                    assert_off_the_heap(&probe);
                    processor
                })
            })
            .collect();
        for (rig, thread) in rigs.iter_mut().zip(threads) {
            rig.processor = Some(thread.join().expect("the thread ends well"));
            rig.check_alive();
        }
    });
}

#[test]
fn loading_and_unloading_leaves_nothing_behind() {
    in_both_formats(|format| {
        let cycle = || {
            let mut rig = Rig::new(format, CONFIG);
            rig.play(64, &[on(0, 60)]);
            rig.play_blocks(20, 64);
        };
        for _ in 0..5 {
            cycle();
        }
        let before = xtask::host::resident_bytes();
        for _ in 0..20 {
            cycle();
        }
        if let (Some(before), Some(after)) = (before, xtask::host::resident_bytes()) {
            // An instance holds more than this; twenty leaked ones would hold hundreds of megabytes.
            assert!(after < before + (16 << 20), "{before} bytes before, {after} after");
        }
    });
}
