//! A run: callbacks of all engines, turn by turn, paced as a sound card would.

use super::{
    DEADLINE_NS, Engine, FRAMES, Figures, RATE_HZ, Run, Scenario, Score,
    engine::{Step, Turn},
    kernel::Kernel,
};
use detalloc_audio::promote_thread;
use std::{
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

/// Callbacks of each engine before the first that counts: until as many grains are live as ever will be.
const WARM_UP: usize = 200;

/// For how long a callback waits for a loader at most; then it finds less to free.
const PATIENCE: Duration = Duration::from_millis(20);

/// Plays so many callbacks of each engine. In each round the first turn is another engine's.
///
/// The callbacks are paced by a clock, one every 1.33 ms; between two of them the audio thread sleeps. It is scheduled as a
/// real-time thread where the system grants that.
///
/// # Panics
/// When there is no memory, or engines do not sound the same.
#[must_use]
pub fn play(scenario: Scenario, callbacks: usize) -> Run {
    scenario.set_up();
    let score = Rc::new(Score::new(WARM_UP + callbacks, scenario.has_tape()));
    let mut seats: Vec<_> = Engine::ALL.iter().map(|engine| engine.seat(&score)).collect();
    let mut figures: Vec<_> = Engine::ALL.iter().map(|&engine| Figures::new(engine, callbacks)).collect();
    let mut sounds = vec![Sound::default(); seats.len()];
    let helpers = Helpers::start(scenario, &mut seats);
    // The helpers started before: they are ordinary threads.
    let frames = u32::try_from(FRAMES).expect("few");
    let promoted = promote_thread(RATE_HZ, frames);
    let kernel = Kernel::of_this_thread();

    let mut next = Instant::now();
    for round in 0..WARM_UP + callbacks {
        for turn in 0..seats.len() {
            let turn = (round + turn) % seats.len();
            helpers.turn.store(turn, Relaxed);
            next = pace(next);
            supply(&*seats[turn]);
            let mut out = [0.0; FRAMES];
            let before = kernel.read();
            let start = Instant::now();
            let spent = seats[turn].callback(&mut out);
            let took = start.elapsed();
            let after = kernel.read();
            sounds[turn].add(&out);
            if round >= WARM_UP {
                figures[turn].add(took, spent, &before, &after);
            }
        }
    }
    helpers.stop();
    assert!(sounds.iter().all(|sound| sound == &sounds[0]), "every engine sounds the same");
    let priority = match &promoted {
        Ok(promoted) => promoted.to_string(),
        Err(refused) => refused.to_string(),
    };
    Run { scenario, priority, engines: figures }
}

/// Waits until a callback is due, and says when the next one is. One that is late already begins at once.
fn pace(due: Instant) -> Instant {
    let now = Instant::now();
    thread::sleep(due.saturating_duration_since(now));
    due.max(now) + Duration::from_nanos(DEADLINE_NS)
}

/// Waits until the loader has made what a callback frees, but not for ever.
fn supply(seat: &dyn Turn) {
    let start = Instant::now();
    while !seat.is_supplied() && start.elapsed() < PATIENCE {
        thread::sleep(Duration::from_micros(100));
    }
}

/// All samples so far, in a word (FNV-1a).
#[derive(Clone, Debug, PartialEq, Eq)]
struct Sound(u64);

impl Default for Sound {
    fn default() -> Self {
        Self(0xCBF2_9CE4_8422_2325)
    }
}

impl Sound {
    fn add(&mut self, samples: &[f32]) {
        for sample in samples {
            self.0 = (self.0 ^ u64::from(sample.to_bits())).wrapping_mul(0x0100_0000_01B3);
        }
    }
}

/// The threads of a scenario.
struct Helpers {
    /// The engine whose memory they use.
    turn: Arc<AtomicUsize>,
    stopped: Arc<AtomicBool>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Helpers {
    fn start(scenario: Scenario, seats: &mut [Box<dyn Turn>]) -> Self {
        let (turn, stopped) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let start = |task| {
            let mut steps: Vec<Step> = seats.iter_mut().map(|seat| seat.step(task)).collect();
            let (turn, stopped) = (Arc::clone(&turn), Arc::clone(&stopped));
            thread::spawn(move || {
                while !stopped.load(Relaxed) {
                    steps[turn.load(Relaxed)]();
                }
            })
        };
        let threads = scenario.tasks().into_iter().map(start).collect();
        Self { turn, stopped, threads }
    }

    fn stop(self) {
        self.stopped.store(true, Relaxed);
        for thread in self.threads {
            thread.join().expect("a helper that does not panic");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_that_differ_sound_different() {
        let sound = |samples: &[f32]| {
            let mut sound = Sound::default();
            sound.add(samples);
            sound
        };
        assert_eq!(sound(&[0.5, 0.25]), sound(&[0.5, 0.25]));
        assert_ne!(sound(&[0.5, 0.25]), sound(&[0.25, 0.5]));
    }
}
