//! What a grain costs: plays about 500 live grains and prints nanoseconds per grain and frame, and how many times faster
//! than real time that is.
//!
//! `cargo run --release --package graincloud --example grains [-- pitch_semitones [block_frames]]`

use graincloud::engine::{Controls, Engine};
use std::time::Instant;

const RATE_HZ: u16 = 48_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let pitch_semitones: f32 = arguments.next().map_or(Ok(0.0), |text| text.parse())?;
    let block: usize = arguments.next().map_or(Ok(64), |text| text.parse())?;

    // 500 grains a second of one second each, of the live input.
    let controls =
        Controls { density_hz: 500.0, size_s: 1.0, spray_s: 1.0, pitch_semitones, ..Controls::DEFAULT };
    let mut engine = Engine::new();
    engine.prepare(f64::from(RATE_HZ), 64)?;
    let telemetry = engine.telemetry();
    let (mut left, mut right) = (vec![0.0; block], vec![0.0; block]);
    let mut play = |seconds: f64| {
        let callbacks = (seconds * f64::from(RATE_HZ) / f64::from(u32::try_from(block).unwrap_or(1))).ceil();
        let (mut grains, mut busy, mut slowest, mut done) = (0.0, 0.0, 0.0_f64, 0.0);
        while done < callbacks {
            for (frame, (left, right)) in (0_u8..=u8::MAX).cycle().zip(left.iter_mut().zip(&mut right)) {
                *left = (f32::from(frame) * 0.05).sin() * 0.3;
                *right = (f32::from(frame) * 0.07).sin() * 0.3;
            }
            let start = Instant::now();
            engine.process([], &controls, &mut left, &mut right);
            let took = start.elapsed().as_secs_f64();
            (busy, slowest) = (busy + took, slowest.max(took));
            grains += f64::from(u32::try_from(telemetry.snapshot().live).unwrap_or(u32::MAX));
            done += 1.0;
        }
        (grains / callbacks, busy / callbacks, slowest)
    };
    play(3.0);
    let (grains, callback, slowest) = play(10.0);
    let frames = f64::from(u32::try_from(block)?);
    let counts = telemetry.snapshot();
    println!(
        "{grains:.0} grains, {block} frames: {:.2} µs a callback (slowest {:.1}), {:.3} ns a grain and frame, \
         {:.1} x real time; stolen {}, refused {}",
        callback * 1e6,
        slowest * 1e6,
        callback * 1e9 / (grains * frames),
        frames / f64::from(RATE_HZ) / callback,
        counts.stolen,
        counts.refusals,
    );
    Ok(())
}
