//! Every allocation of the engine fails in turn, and it plays on: in a child for each, whose environment says which.
#![cfg(feature = "fault-injection")]

mod common;

use common::{Player, all_finite_and_normal, noise, off, on, peak};
use detalloc_audio::ReapTask;
use graincloud::engine::{Controls, Engine, Material, Recording};
use std::process::Command;

/// The list of grains, and a few dozen grains.
const FRAMES: usize = 24_000;

#[test]
#[ignore = "what the children run"]
fn session() {
    if std::env::var_os("DETALLOC_REFUSE_NTH").is_none() {
        return;
    }
    if Engine::new().prepare(48_000.0, 64).is_err() {
        println!("no engine");
        return;
    }
    let mut player = Player::new(Controls { density_hz: 60.0, size_s: 0.1, ..Controls::DEFAULT });
    player.notes = vec![(0, on(60)), (8_000, on(64)), (20_000, off(60)), (20_000, off(64))];
    let [left, right] = player.play(FRAMES, noise);
    assert!(all_finite_and_normal(&left) && all_finite_and_normal(&right));
    assert!(peak(&left) > 0.05 && peak(&right) > 0.05, "it has fallen silent");
    // What was played before takes a block to the reaper; where there is none the new comes back, and may be tried again.
    let recording = Box::new(Material::Recording(Recording::new(vec![0.3; 4_800], vec![0.3; 4_800])));
    if let Err(back) = player.engine.play_from(recording) {
        assert!(player.engine.play_from(back).is_ok());
    }
    ReapTask.run();
    player.now([]);
    let refused = player.engine.meter().unwrap().snapshot().refused;
    // Grains that are live are in the pools, and nothing else is: nothing was lost.
    assert_eq!(player.blocks_used() as u64, player.counts().live);
    player.engine.reset();
    assert_eq!(player.blocks_used(), 0);
    println!("refused {refused}");
}

/// What a child says in which this allocation fails.
fn play_without(nth: usize) -> String {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "session", "--ignored", "--nocapture"]);
    let output = child.env("DETALLOC_REFUSE_NTH", nth.to_string()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{nth}: {said} {}", String::from_utf8_lossy(&output.stderr));
    said
}

#[test]
fn every_allocation_in_turn_may_fail() {
    let mut refused = 0;
    for nth in 0..1_000 {
        let said = play_without(nth);
        if said.contains("refused 0") {
            assert!(refused >= 20, "only {refused} allocations");
            return;
        }
        assert!(said.contains("refused 1") || said.contains("no engine"), "{nth}: {said}");
        refused += 1;
    }
    panic!("it allocates for ever");
}
