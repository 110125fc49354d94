//! The engine makes no system call, whatever is played: in a child of which the kernel ends the process at the first, or, in a
//! build with `RUSTFLAGS="-Zsanitizer=realtime --cfg rtsan"`, RealtimeSanitizer.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod common;

use common::{Player, off, on};
use graincloud::engine::{Controls, TimedNote};
use std::process::Command;
use thread_watch::{Counts, Silence};

const CALLBACKS: u32 = 100_000;

#[test]
#[ignore = "what the children run"]
fn session() {
    let Ok(session) = std::env::var("SESSION") else { return };
    let controls = Controls { density_hz: 400.0, size_s: 0.5, feedback: 0.5, ..Controls::DEFAULT };
    let mut player = Player::new(controls);
    let (mut left, mut right) = ([0.0_f32; 64], [0.0_f32; 64]);
    thread_watch::prepare();
    let mut callback = |n: u32| {
        // Keys that come and go, more of them than there are voices.
        let key = u8::try_from(n % 100).unwrap_or(0) + 20;
        let notes = [on(key), off(key.wrapping_sub(40))].map(|note| TimedNote { offset: n % 64, note });
        left.fill(0.3);
        right.fill(-0.3);
        let process =
            || player.engine.process(notes.iter().copied(), &player.controls, &mut left, &mut right);
        let (_, counts) = thread_watch::watch(process);
        if session == "printing" && n == 1_000 {
            println!("from the callback");
        }
        counts
    };
    (0..500).for_each(|n| _ = callback(n));
    let silence = Silence::begin().expect("the kernel has filters");
    let nothing = if cfg!(rtsan) { None } else { Some(Counts::default()) };
    if (1..=CALLBACKS).any(|n| callback(n) != nothing) {
        std::process::abort();
    }
    silence.end()
}

fn run(session: &str) -> std::process::ExitStatus {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "session", "--ignored", "--nocapture"]).env("SESSION", session);
    child.output().unwrap().status
}

#[test]
fn a_hundred_thousand_callbacks_are_silent() {
    assert_eq!(run("music").code(), Some(0));
}

#[test]
fn one_that_prints_is_ended() {
    assert!(Silence::was_broken(run("printing")));
}
