//! Plays a piece on graincloud's engine, from a WAV file or, without one, from a synthesised pluck, and records what the
//! engine asks of its pools: `DETALLOC_RECORD=TRACE record [FILE.wav]`. The louder the sound, the longer and denser the
//! grains.
//!
//! Faster than real time, but never so fast that the reaper cannot keep up with the recording.

use detalloc_benches::traces::Random;
use graincloud::engine::{Controls, Engine, Material, Note, Recording, TimedNote, Which};
use std::{env, error::Error, thread, time::Duration};

const RATE_HZ: u32 = 48_000;
const FRAMES: u32 = 64;

/// Callbacks in all: 20 seconds.
const CALLBACKS: u32 = 20 * RATE_HZ / FRAMES;

/// Callbacks from one chord to the next: a second and a third.
const CHORD: u32 = 1000;

/// After so many callbacks the reaper gets time to write.
const PAUSE: u32 = 500;

/// Keys of each chord: Bach's first four bars, simplified.
const CHORDS: [[u8; 4]; 4] = [[60, 64, 67, 72], [60, 62, 69, 74], [59, 62, 67, 74], [60, 64, 67, 72]];

fn main() -> Result<(), Box<dyn Error>> {
    let [left, right] = match env::args().nth(1) {
        Some(file) => {
            let sample = sample_file::load(file, RATE_HZ)?;
            [sample.left, sample.right]
        }
        None => [(); 2].map(|()| pluck()),
    };
    let frames = usize::try_from(FRAMES)?;
    let mut peaks = left.chunks(frames).map(peak).collect::<Vec<_>>().into_iter().cycle();
    let mut engine = Engine::new();
    engine.prepare(f64::from(RATE_HZ), FRAMES)?;
    engine.load(Box::new(Material::Recording(Recording::new(left, right))));
    let mut loudness = 0.0_f32;
    let (mut left, mut right) = (vec![0.0; frames], vec![0.0; frames]);
    for callback in 0..CALLBACKS {
        if callback.is_multiple_of(PAUSE) {
            thread::sleep(Duration::from_millis(30));
        }
        let (chord, beat) = (callback / CHORD, callback % CHORD);
        let keys = CHORDS[usize::try_from(chord)? % CHORDS.len()];
        let notes: Vec<TimedNote> = match beat {
            0 => keys
                .map(|key| Note::On { channel: 0, key, velocity: 0.8, id: None })
                .map(|note| TimedNote { offset: 0, note })
                .into(),
            800 => keys
                .map(|key| Note::Off(Which { channel: Some(0), key: Some(key), id: None }))
                .map(|note| TimedNote { offset: 0, note })
                .into(),
            _ => Vec::new(),
        };
        loudness = (0.98 * loudness).max(peaks.next().unwrap_or(0.0)).min(1.0);
        let controls = Controls {
            density_hz: 20.0 + 180.0 * loudness,
            size_s: 0.02 + 0.7 * loudness * loudness,
            ..Controls::DEFAULT
        };
        engine.process(notes, &controls, &mut left, &mut right);
    }
    Ok(())
}

fn peak(samples: &[f32]) -> f32 {
    samples.iter().fold(0.0, |peak, sample| peak.max(sample.abs()))
}

/// A plucked string of two seconds (K. Karplus and A. Strong, "Digital synthesis of plucked-string and drum timbres",
/// 1983).
fn pluck() -> Vec<f32> {
    const PERIOD: usize = 218;
    let mut random = Random::new();
    #[expect(clippy::cast_possible_truncation, reason = "noise")]
    let mut string: Vec<f32> = (0..PERIOD).map(|_| random.unit() as f32 - 0.5).collect();
    for frame in PERIOD..96_000 {
        string.push(0.498 * (string[frame - PERIOD] + string[frame + 1 - PERIOD]));
    }
    string
}
