//! What a whole callback costs: 64 frames at 48 kHz with 500 live grains, `cargo bench -p detalloc-benches --bench
//! callback`. Beside criterion's times it prints how many times faster than real time that is.
#![allow(missing_docs, reason = "criterion's macros make items of their own")]

use core::hint::black_box;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use graincloud::engine::{Controls, Engine, TimedNote};
use std::time::{Duration, Instant};

const FRAMES: u32 = 64;
const RATE_HZ: u32 = 48_000;

/// 500 grains a second, each of one second.
const DENSE: Controls = Controls { density_hz: 500.0, size_s: 1.0, ..Controls::DEFAULT };

/// A cloud over a sawtooth, played one block at a time.
struct Cloud {
    engine: Engine,
    controls: Controls,
    saw: Vec<f32>,
    left: Vec<f32>,
    right: Vec<f32>,
}

impl Cloud {
    /// A cloud that has played for three seconds, so that as many grains are live as ever will be.
    fn warm(controls: Controls) -> Self {
        let mut engine = Engine::new();
        engine.prepare(f64::from(RATE_HZ), FRAMES).expect("the pools of one instance");
        let saw: Vec<f32> =
            (0..u16::try_from(FRAMES).unwrap_or(0)).map(|frame| f32::from(frame) / 64.0 - 0.5).collect();
        let mut cloud = Self { engine, controls, left: saw.clone(), right: saw.clone(), saw };
        (0..3 * RATE_HZ / FRAMES).for_each(|_| cloud.callback());
        cloud
    }

    fn callback(&mut self) {
        self.left.copy_from_slice(&self.saw);
        self.right.copy_from_slice(&self.saw);
        let no_notes = core::iter::empty::<TimedNote>();
        self.engine.process(no_notes, black_box(&self.controls), &mut self.left, &mut self.right);
        black_box(&self.left);
    }

    /// The median of single callbacks, against the time a block lasts.
    fn real_time_factor(&mut self) -> f64 {
        let mut times: Vec<Duration> = (0..4000)
            .map(|_| {
                let start = Instant::now();
                self.callback();
                start.elapsed()
            })
            .collect();
        times.sort_unstable();
        f64::from(FRAMES) / f64::from(RATE_HZ) / times[times.len() / 2].as_secs_f64()
    }
}

fn callback(c: &mut Criterion) {
    let mut group = c.benchmark_group("64 frames at 48 kHz");
    group.throughput(Throughput::Elements(u64::from(FRAMES)));
    for (name, controls) in [
        ("500 grains, untransposed", DENSE),
        ("500 grains, a fifth up", Controls { pitch_semitones: 7.0, ..DENSE }),
        ("30 grains a second, the default", Controls::DEFAULT),
    ] {
        let mut cloud = Cloud::warm(controls);
        let live = cloud.engine.telemetry().snapshot().live;
        let factor = cloud.real_time_factor();
        println!("{name}: {live} live, {factor:.1} times real time (median callback)");
        group.bench_function(name, |b| b.iter(|| cloud.callback()));
    }
    group.finish();
}

criterion_group!(benches, callback);
criterion_main!(benches);
