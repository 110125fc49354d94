//! The demo's figures as JSON. The fields are stable: later versions may add some. `null` is a counter that this
//! platform cannot give, or one that no callback came for; it is never written as 0.

use serde::Serialize;

use super::render::Render;
use crate::host::{AudioThread, Format, PoolReport, WARM_UP_CALLBACKS};
use crate::number;

/// The figures of a demo.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What `rustc -V` says.
    pub rustc: String,
    /// Frames per callback.
    pub block: u32,
    /// Sample rate in Hz.
    pub rate: u32,
    /// Length of what was played, in seconds.
    pub audio_seconds: f64,
    /// Whether both formats rendered the same samples, bit for bit.
    pub identical: bool,
    /// How many samples differ.
    pub differing_samples: u64,
    /// The largest difference of two samples.
    pub max_difference: f64,
    /// Whether callbacks were paced by the clock.
    pub realtime: bool,
    /// How many callbacks at the start the audio thread's counters leave out.
    pub warm_up_callbacks: u64,
    /// One entry per format.
    pub formats: Vec<FormatReport>,
}

/// The figures of one format. Times are per callback, in microseconds.
#[derive(Clone, Debug, Serialize)]
pub struct FormatReport {
    /// The format.
    pub format: Format,
    /// The bundle that was played.
    pub bundle: String,
    /// Callbacks made.
    pub callbacks: u64,
    /// Frames rendered.
    pub frames: u64,
    /// Seconds of audio for a second of processor time in callbacks.
    pub realtime_factor: f64,
    /// The time a callback has.
    pub deadline_us: f64,
    /// The time that 99.9 % of the callbacks did not exceed.
    pub p999_us: f64,
    /// The longest callback.
    pub worst_us: f64,
    /// Callbacks that took longer than the deadline.
    pub misses: u64,
    /// Grains started.
    pub grains_spawned: u64,
    /// The most grains that sounded at once.
    pub live_peak: u64,
    /// Allocations the pools refused.
    pub refusals: u64,
    /// Grains ended early to make room.
    pub stolen: u64,
    /// The loudest sample in dB of full scale; null for silence.
    pub peak_db: Option<f64>,
    /// Samples that are not finite: a fault.
    pub not_finite: u64,
    /// What the audio thread did after warm-up.
    pub audio_thread: AudioThread,
    /// The plugin's pools.
    pub classes: Vec<PoolReport>,
}

impl FormatReport {
    /// The figures of one render of `audio_seconds`.
    pub fn new(render: &Render, bundle: String, audio_seconds: f64) -> Self {
        let us = |ns: u64| number::real(ns) / 1000.0;
        let samples = || render.channels.iter().flatten();
        let peak = samples().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
        let not_finite = samples().filter(|sample| !sample.is_finite()).count();
        let probe = &render.probe;
        FormatReport {
            format: render.format,
            bundle,
            callbacks: probe.callbacks(),
            frames: number::length(render.channels[0].len()),
            realtime_factor: audio_seconds / (number::real(probe.busy_ns().max(1)) / 1e9),
            deadline_us: us(probe.deadline_ns()),
            p999_us: us(probe.p999_ns()),
            worst_us: us(probe.worst_ns()),
            misses: probe.misses(),
            grains_spawned: render.report.grains_spawned,
            live_peak: render.report.live_peak,
            refusals: render.report.refusals,
            stolen: render.report.stolen,
            peak_db: (peak > 0.0).then(|| 20.0 * f64::from(peak).log10()),
            not_finite: number::length(not_finite),
            audio_thread: AudioThread::of(&probe.report()),
            classes: render.report.classes.clone(),
        }
    }
}

impl Report {
    /// The figures of both renders.
    pub fn new(
        rustc: String,
        realtime: bool,
        config: crate::host::Config,
        renders: &[Render; 2],
        bundles: [String; 2],
    ) -> Self {
        let audio_seconds =
            number::real(number::length(renders[0].channels[0].len())) / f64::from(config.rate_hz);
        let difference = Difference::of(&renders[0].channels, &renders[1].channels);
        let formats = renders
            .iter()
            .zip(bundles)
            .map(|(render, bundle)| FormatReport::new(render, bundle, audio_seconds))
            .collect();
        Report {
            rustc,
            block: config.max_block,
            rate: config.rate_hz,
            audio_seconds,
            identical: difference.samples == 0,
            differing_samples: difference.samples,
            max_difference: difference.max,
            realtime,
            warm_up_callbacks: number::length(WARM_UP_CALLBACKS),
            formats,
        }
    }
}

/// How far two renders are apart.
#[derive(Debug, Default, PartialEq)]
struct Difference {
    samples: u64,
    max: f64,
}

impl Difference {
    fn of(one: &[Vec<f32>; 2], other: &[Vec<f32>; 2]) -> Self {
        let mut difference = Difference::default();
        for (a, b) in one.iter().flatten().zip(other.iter().flatten()) {
            // By bits: 0.0 and -0.0 differ, two equal NaNs do not.
            if a.to_bits() != b.to_bits() {
                difference.samples += 1;
                difference.max = difference.max.max((f64::from(*a) - f64::from(*b)).abs());
            }
        }
        difference
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_found_bit_by_bit() {
        let one = [vec![0.0, 1.0, f32::NAN], vec![0.5; 3]];
        let other = [vec![-0.0, 1.0, f32::NAN], vec![0.5, 0.5, 0.25]];
        assert_eq!(Difference::of(&one, &one.clone()), Difference::default());
        assert_eq!(Difference::of(&one, &other), Difference { samples: 2, max: 0.25 });
    }

    #[test]
    fn a_counter_the_platform_cannot_give_is_null() {
        let json = serde_json::to_string(&AudioThread::default()).expect("plain data");
        assert_eq!(json, r#"{"allocs":null,"frees":null,"minor_faults":null,"voluntary_switches":null}"#);
    }
}
