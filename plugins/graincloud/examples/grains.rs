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
    let frames = f64::from(u32::try_from(block)?);
    let mut play = |seconds: f64| {
        let (mut grains, mut times) = (0.0, Vec::new());
        let mut played = 0.0;
        while played < seconds {
            for (frame, (left, right)) in (0_u8..=u8::MAX).cycle().zip(left.iter_mut().zip(&mut right)) {
                *left = (f32::from(frame) * 0.05).sin() * 0.3;
                *right = (f32::from(frame) * 0.07).sin() * 0.3;
            }
            let start = Instant::now();
            engine.process([], &controls, &mut left, &mut right);
            times.push(start.elapsed().as_secs_f64());
            grains += f64::from(u32::try_from(telemetry.snapshot().live).unwrap_or(u32::MAX));
            played += frames / f64::from(RATE_HZ);
        }
        times.sort_by(f64::total_cmp);
        // The mean would show whatever else this machine does.
        (grains * frames / f64::from(RATE_HZ) / played, times[times.len() / 2])
    };
    play(3.0);
    let (grains, callback) = play(10.0);
    let counts = telemetry.snapshot();
    println!(
        "{grains:.0} grains, {block} frames: median callback {:.2} µs, {:.3} ns a grain and frame, {:.1} x real time; \
         stolen {}, refused {}",
        callback * 1e6,
        callback * 1e9 / (grains * frames),
        frames / f64::from(RATE_HZ) / callback,
        counts.stolen,
        counts.refusals,
    );
    Ok(())
}
