//! A plucked string, for a demo without a recording: Karplus and Strong's digital string (Computer Music Journal 7(2),
//! 1983), tuned by Jaffe and Smith's allpass (same issue). Only octaves of C are plucked, so that grains transposed
//! from middle C stay in tune with the notes that transpose them.

use std::f64::consts::TAU;

use crate::number;

/// Pluck after pluck: when in seconds, the pitch in Hz, how hard.
const PLUCKS: [(f64, f64, f32); 6] = [
    (0.0, 261.625_565, 0.8),
    (0.75, 523.251_131, 0.5),
    (1.5, 130.812_783, 0.9),
    (2.25, 261.625_565, 0.6),
    (2.625, 523.251_131, 0.4),
    (3.0, 261.625_565, 0.7),
];

/// Seconds of the phrase, which is looped.
const SECONDS: f64 = 4.0;

/// Seconds in which a string falls by 60 dB.
const DECAY_SECONDS: f64 = 3.0;

/// The phrase's loudest sample, chosen so that the built-in piece over it stays below full scale.
const PEAK: f32 = 0.4;

/// The phrase as left and right channel at `rate_hz`, peaking at 0.4.
pub fn phrase(rate_hz: u32) -> [Vec<f32>; 2] {
    [channel(rate_hz, 0x9E37_79B9), channel(rate_hz, 0x85EB_CA6B)]
}

fn channel(rate_hz: u32, seed: u32) -> Vec<f32> {
    let rate = f64::from(rate_hz);
    let frames = number::index(number::count(SECONDS * rate));
    let mut sum = vec![0.0_f32; frames];
    let mut noise = Noise(seed);
    for (start, pitch_hz, force) in PLUCKS {
        let start = number::index(number::count(start * rate));
        let mut string = PluckedString::new(pitch_hz, rate, &mut noise);
        for sample in &mut sum[start..] {
            *sample += force * string.next();
        }
    }
    // The ends meet when looped: five milliseconds of fade at each.
    let fade = number::index(number::count(0.005 * rate)).max(1);
    let faded = number::real(number::length(fade));
    for (place, sample) in sum.iter_mut().enumerate() {
        let edge = place.min(frames - 1 - place).min(fade);
        *sample *= number::single(number::real(number::length(edge)) / faded);
    }
    let peak = sum.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
    let gain = PEAK / peak.max(f32::MIN_POSITIVE);
    sum.iter_mut().for_each(|sample| *sample *= gain);
    sum
}

/// White noise: the xorshift generator of Marsaglia (Journal of Statistical Software 8(14), 2003).
struct Noise(u32);

impl Noise {
    fn next(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        number::single(f64::from(self.0) / f64::from(u32::MAX) * 2.0 - 1.0)
    }
}

/// How far up the partials of a plucked string keep their strength: a soft plectrum rather than a nail.
const BRIGHT_PARTIALS: f64 = 5.0;

/// The string's shape when it is let go: noise through two one-pole low passes (Jaffe and Smith's control of dynamics),
/// around the loop twice so that its ends meet, without a mean, which would not swing.
fn soft_noise(frames: usize, omega: f64, noise: &mut Noise) -> Vec<f32> {
    let mut shape: Vec<f32> = (0..frames).map(|_| noise.next()).collect();
    let share = number::single(1.0 - (-omega * BRIGHT_PARTIALS).exp());
    for _ in 0..2 {
        let (bright, mut soft) = (shape.clone(), 0.0);
        for (place, sample) in (0..frames).chain(0..frames).zip(bright.iter().cycle()) {
            soft += share * (sample - soft);
            shape[place] = soft;
        }
    }
    let mean = shape.iter().sum::<f32>() / number::single(number::real(number::length(frames.max(1))));
    shape.iter_mut().for_each(|sample| *sample -= mean);
    shape
}

struct PluckedString {
    delay: Vec<f32>,
    place: usize,
    loss: f32,
    allpass: f32,
    last_mean: f32,
    last_out: f32,
    last: f32,
}

impl PluckedString {
    fn new(pitch_hz: f64, rate_hz: f64, noise: &mut Noise) -> Self {
        // One turn of the loop takes a period: the delay line, half a frame in the averaging, the rest in the allpass,
        // whose delay is best between 0.1 and 1.1 frames.
        let period = rate_hz / pitch_hz;
        let whole = (period - 0.6).floor();
        let fraction = period - 0.5 - whole;
        let omega = TAU * pitch_hz / rate_hz;
        let allpass = ((1.0 - fraction) * omega / 2.0).sin() / ((1.0 + fraction) * omega / 2.0).sin();
        PluckedString {
            delay: soft_noise(number::index(number::count(whole)), omega, noise),
            place: 0,
            loss: number::single(0.001_f64.powf(period / rate_hz / DECAY_SECONDS)),
            allpass: number::single(allpass),
            last_mean: 0.0,
            last_out: 0.0,
            last: 0.0,
        }
    }

    fn next(&mut self) -> f32 {
        let now = self.delay[self.place];
        let mean = self.loss * 0.5 * (now + self.last);
        self.last = now;
        let out = self.allpass * (mean - self.last_out) + self.last_mean;
        self.last_mean = mean;
        self.last_out = out;
        self.delay[self.place] = out;
        self.place = (self.place + 1) % self.delay.len();
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_phrase_peaks_where_it_should_and_its_ends_meet_in_silence() {
        for rate in [8_000, 44_100, 96_000] {
            for channel in phrase(rate) {
                let peak = channel.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
                assert!((0.9 * PEAK..=PEAK).contains(&peak), "{peak}");
                assert!(channel.iter().all(|sample| sample.is_finite()));
                assert_eq!((channel.first(), channel.last()), (Some(&0.0), Some(&0.0)));
            }
        }
    }

    #[test]
    fn a_string_sounds_at_its_pitch() {
        let rate = 48_000.0;
        for pitch in [130.812_783, 261.625_565, 523.251_131] {
            let mut string = PluckedString::new(pitch, rate, &mut Noise(1));
            let sound: Vec<f64> = (0..48_000).map(|_| f64::from(string.next())).collect();
            let level = |hz: f64| {
                let (mut re, mut im, mut frame) = (0.0, 0.0, 0.0);
                for sample in &sound {
                    let angle = TAU * hz * frame / rate;
                    re += sample * angle.cos();
                    im += sample * angle.sin();
                    frame += 1.0;
                }
                f64::hypot(re, im)
            };
            // Within 5 cents of a partial there is more than 5 cents beside it.
            let cents = |cents: f64| 2.0_f64.powf(cents / 1200.0);
            let at = level(pitch);
            assert!(at > level(pitch * cents(20.0)) && at > level(pitch / cents(20.0)), "{pitch} Hz");
        }
    }
}
