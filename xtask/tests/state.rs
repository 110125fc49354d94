//! The plugin's state through the real release bundles: it survives the way into a project and back, also from one
//! format to the other, and a sample that cannot be read is told, not fatal.

mod common;

use std::path::Path;

use common::{CONFIG, PARAMETERS, Rig, bundles, in_both_formats, on, peak, turn};
use xtask::demo::sample_state;
use xtask::host::{Format, Instance, parameter_id};

fn loaded(format: Format) -> Instance {
    Instance::load(format, bundles().path(format), CONFIG).expect("the plugin loads")
}

fn values(instance: &mut Instance) -> Vec<f64> {
    PARAMETERS
        .iter()
        .map(|name| instance.parameter(parameter_id(name)).expect("it has the parameter"))
        .collect()
}

/// Parameters that are all somewhere else than they start.
fn moved(format: Format) -> Rig {
    let mut rig = Rig::new(format, CONFIG);
    let changes: Vec<_> = PARAMETERS
        .iter()
        .zip(1_u32..)
        .map(|(name, place)| common::set(0, name, f64::from(place) / 9.0))
        .collect();
    rig.play(64, &changes);
    rig.stop();
    rig
}

#[test]
fn the_eight_parameters_can_be_automated_in_both_formats() {
    in_both_formats(|format| {
        let parameters = loaded(format).parameters().expect("it lists its parameters");
        for name in PARAMETERS {
            let id = parameter_id(name);
            assert!(parameters.iter().any(|parameter| parameter.id == id && parameter.automatable), "{name}");
        }
    });
}

#[test]
fn parameters_survive_saving_and_restoring() {
    in_both_formats(|format| {
        let mut rig = moved(format);
        let before = values(&mut rig.instance);
        let state = rig.instance.save_state().expect("it saves");
        let mut other = loaded(format);
        assert_ne!(values(&mut other), before, "they start elsewhere");
        other.load_state(&state).expect("it restores");
        for ((name, before), after) in PARAMETERS.iter().zip(before).zip(values(&mut other)) {
            assert!((before - after).abs() < 1e-5, "{name}: {before} before, {after} after");
        }
    });
}

#[test]
fn both_formats_keep_the_same_state() {
    let _turn = turn();
    let state_of = |format: Format| {
        let state = moved(format).instance.save_state().expect("it saves");
        serde_json::from_slice::<serde_json::Value>(&state).expect("nice-plug's state is JSON")
    };
    assert_eq!(state_of(Format::Clap), state_of(Format::Vst3));
}

#[test]
fn a_sample_path_survives_saving_and_restoring() {
    in_both_formats(|format| {
        let path = Path::new("/somewhere/a recording with \"quotes\".wav");
        let mut instance = loaded(format);
        instance.load_state(&sample_state(path)).expect("it restores");
        let state = instance.save_state().expect("it saves");
        let state: serde_json::Value = serde_json::from_slice(&state).expect("JSON");
        let field = state["fields"]["sample-path"].as_str().expect("the field");
        let kept: String = serde_json::from_str(field).expect("a JSON string in a JSON string");
        assert_eq!(Path::new(&kept), path);
    });
}

#[test]
fn a_sample_that_is_missing_is_told_and_plays_silence() {
    in_both_formats(|format| {
        let state = sample_state(Path::new("/nowhere/missing.wav"));
        let mut rig = Rig::with_state(format, CONFIG, Some(&state));
        let silence = vec![0.0; 64];
        rig.process([&silence, &silence], &[on(0, 60)]);
        for _ in 0..1000 {
            let out = rig.process([&silence, &silence], &[]);
            assert!(peak(&out) == 0.0, "silence");
        }
        let status = rig.report().source.status;
        assert!(status.contains("/nowhere/missing.wav"), "{status}");
        rig.check_pools();

        // A user who clears the path has a working instrument again.
        rig.stop();
        rig.instance.load_state(&sample_state(Path::new(""))).expect("it restores");
        rig.start();
        rig.check_alive();
    });
}

/// Hosts without the plugin's own view show parameters as text: one of them is there for this alone.
#[test]
fn the_source_can_be_read_as_a_parameter_s_text() {
    in_both_formats(|format| {
        let source = parameter_id("source");
        let mut rig = Rig::new(format, CONFIG);
        rig.stop();
        assert_eq!(rig.instance.parameter_text(source, 0.0).expect("it has text"), "Live input");
        rig.instance.load_state(&sample_state(Path::new("/nowhere/missing.wav"))).expect("it restores");
        rig.start();
        rig.stop();
        let text = rig.instance.parameter_text(source, 0.0).expect("it has text");
        assert!(text.contains("/nowhere/missing.wav"), "{text}");
        let parameters = rig.instance.parameters().expect("it lists its parameters");
        assert!(parameters.iter().any(|parameter| parameter.id == source && !parameter.automatable));
    });
}

#[test]
fn a_broken_sample_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("broken.wav");
    std::fs::write(&path, b"RIFF\x24\0\0\0WAVEfmt nonsense").expect("writable");
    in_both_formats(|format| {
        let rig = Rig::with_state(format, CONFIG, Some(&sample_state(&path)));
        let status = rig.report().source.status;
        assert!(status.contains("broken.wav") && !status.starts_with("Playing"), "{status}");
    });
}

#[test]
fn a_state_that_is_nonsense_is_refused_and_changes_nothing() {
    in_both_formats(|format| {
        let mut instance = loaded(format);
        let before = values(&mut instance);
        for nonsense in [&b""[..], b"{", b"null", b"{\"version\":1}", &[0xFF; 1000]] {
            // Refused or ignored, as the format does it.
            let _ = instance.load_state(nonsense);
            assert_eq!(values(&mut instance), before);
        }
        let mut rig = Rig::new(format, CONFIG);
        rig.check_alive();
    });
}

/// A CLAP's state may be restored while it plays; a VST3 through vst3-host is stopped for it.
#[test]
fn a_state_restored_while_playing_is_survived() {
    let _turn = turn();
    let mut rig = moved(Format::Clap);
    let state = rig.instance.save_state().expect("it saves");
    rig.start();
    rig.play(64, &[on(0, 60)]);
    for _ in 0..20 {
        rig.play_blocks(10, 64);
        rig.instance.load_state(&state).expect("it restores");
        rig.instance.load_state(&sample_state(Path::new("/nowhere/missing.wav"))).expect("it restores");
        rig.instance.service();
    }
    rig.instance.load_state(&sample_state(Path::new(""))).expect("it restores");
    rig.stop();
    rig.start();
    rig.check_alive();
}
