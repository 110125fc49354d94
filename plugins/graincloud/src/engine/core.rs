//! The engine without its pools: the clock, and what happens in each segment of it.
//!
//! A block is cut at the borders of cells, nowhere else. In a segment first the notes are taken and grains begun, each
//! at its own frame; then all grains play; then the sum is mixed, recorded and put out.

use super::{
    Note, TimedNote, Which,
    cloud::{Cloud, Segment},
    controls::{Controls, Smoothed},
    limits::CELL,
    num::{sanitise, to_usize},
    source::{Material, Source},
    spawn::{Plan, Spawner, velocity_gain},
    telemetry::Counts,
    voice::{FREE, Key, Voices},
};
use detalloc_audio::{Refusal, Rt};

/// The clock after a reset: a multiple of a cell, and far enough from 0 that a grain may begin before it.
const ORIGIN: u64 = 1 << 24;

/// The loudest that is recorded: 24 dB above full scale. Beyond, sums of grains could leave the finite numbers.
const LOUDEST: f32 = 16.0;

/// Feedback below this (-120 dB) is silence, so that a cloud that feeds itself ends.
const SILENCE: f32 = 1e-6;

/// Below this the cloud is filtered out, in Hz. Grains that read different sounds still agree on what stands still; so
/// of an offset that nobody hears they would make a loud one, and with feedback an ever louder one.
const LOWEST_HZ: f32 = 20.0;

/// Removes what stands still: a zero at 0 Hz, and a pole beside it.
#[derive(Clone, Copy, Debug)]
struct DcBlocker {
    pole: f32,
    before: f32,
    value: f32,
}

impl DcBlocker {
    /// Smaller values (-200 dB) are silence, so that the pole comes to rest.
    const REST: f32 = 1e-10;

    fn new(rate_hz: f32) -> Self {
        Self { pole: (-std::f32::consts::TAU * LOWEST_HZ / rate_hz).exp(), before: 0.0, value: 0.0 }
    }

    #[inline]
    fn next(&mut self, value: f32) -> f32 {
        let next = value - self.before + self.pole * self.value;
        self.before = value;
        self.value = if next.abs() < Self::REST { 0.0 } else { next };
        self.value
    }
}

#[derive(Debug)]
pub(crate) struct Core {
    /// Frames since the last reset, from [`ORIGIN`].
    clock: u64,
    rate_hz: f32,
    controls: Controls,
    /// No control has been seen since the reset: the first are jumped to.
    fresh: bool,
    dry: Smoothed,
    wet: Smoothed,
    feedback: Smoothed,
    blockers: [DcBlocker; 2],
    voices: Voices,
    spawner: Spawner,
    source: Source,
    cloud: Cloud,
    counts: Counts,
}

impl Core {
    pub(crate) fn new() -> Self {
        Self {
            clock: ORIGIN,
            rate_hz: 48_000.0,
            controls: Controls::DEFAULT,
            fresh: true,
            dry: Smoothed::new(),
            wet: Smoothed::new(),
            feedback: Smoothed::new(),
            blockers: [DcBlocker::new(48_000.0); 2],
            voices: Voices::new(),
            spawner: Spawner::new(),
            source: Source::new(ORIGIN),
            cloud: Cloud::new(),
            counts: Counts::default(),
        }
    }

    /// Gets the memory that is not the pools'. Not for real-time paths.
    pub(crate) fn allocate(&mut self) {
        self.source.prepare();
    }

    pub(crate) fn prepare(&mut self, rt: &Rt<'_>, rate_hz: f32) -> Result<(), Refusal> {
        self.rate_hz = rate_hz;
        [&mut self.dry, &mut self.wet, &mut self.feedback].into_iter().for_each(|gain| gain.prepare(rate_hz));
        self.cloud.prepare(rt)?;
        self.reset();
        Ok(())
    }

    pub(crate) fn reset(&mut self) {
        self.clock = ORIGIN;
        self.fresh = true;
        self.blockers = [DcBlocker::new(self.rate_hz); 2];
        self.voices = Voices::new();
        self.spawner = Spawner::new();
        self.source.reset(ORIGIN);
        self.cloud.clear();
        self.counts.live = 0;
    }

    pub(crate) fn play_from(&mut self, rt: &Rt<'_>, material: Box<Material>) -> Result<(), Box<Material>> {
        self.cloud.steal_all(self.clock, &self.source);
        let before = self.source.replace(material);
        // A block of the pools takes what was before to the reaper.
        rt.boxed(before).map(drop).map_err(|refused| self.source.replace(refused.value))
    }

    /// Not for real-time paths: the material before is freed.
    pub(crate) fn load(&mut self, material: Box<Material>) {
        drop(self.source.replace(material));
    }

    pub(crate) fn counts(&self) -> &Counts {
        &self.counts
    }

    pub(crate) fn keys_held(&self) -> usize {
        self.voices.held()
    }

    pub(crate) fn process(
        &mut self,
        rt: &Rt<'_>,
        notes: impl Iterator<Item = TimedNote>,
        controls: &Controls,
        left: &mut [f32],
        right: &mut [f32],
    ) {
        self.turn(controls);
        let mut notes = notes.peekable();
        let begin = self.clock;
        let end = begin + left.len().min(right.len()) as u64;
        while self.clock < end {
            let cell = CELL as u64;
            let to = end.min((self.clock / cell + 1) * cell);
            let mut segment = Segment { from: self.clock, to, mix: [[0.0; CELL]; 2] };
            while let Some(timed) = notes.next_if(|timed| begin + u64::from(timed.offset) < to) {
                let at = (begin + u64::from(timed.offset)).max(self.clock);
                self.spawn_until(rt, at, &mut segment);
                self.play_note(at, timed.note);
            }
            self.spawn_until(rt, to, &mut segment);
            self.cloud.play(&self.source, &mut segment);
            let place = to_usize(segment.from - begin)..to_usize(to - begin);
            self.put_out(&segment, &mut left[place.clone()], &mut right[place]);
            self.clock = to;
        }
        for timed in notes {
            self.play_note(self.clock, timed.note);
        }
        self.counts.live = self.cloud.live() as u64;
    }

    /// Takes the controls of this block.
    fn turn(&mut self, controls: &Controls) {
        let before = self.controls;
        self.controls = controls.bounded();
        let [dry, wet] = self.controls.dry_and_wet();
        self.dry.turn(dry);
        self.wet.turn(wet);
        // A recording hears no feedback.
        let live = self.source.recording().is_none();
        self.feedback.turn(if live { self.controls.feedback } else { 0.0 });
        if std::mem::take(&mut self.fresh) {
            [&mut self.dry, &mut self.wet, &mut self.feedback].into_iter().for_each(Smoothed::jump);
        } else if before.density_hz.to_bits() != self.controls.density_hz.to_bits() {
            let factor = f64::from(before.density_hz) / f64::from(self.controls.density_hz);
            self.voices.stretch(self.clock, factor);
        }
        self.run_free(self.clock);
    }

    /// The density control spawns while no key is held, from the live input alone.
    fn run_free(&mut self, at: u64) {
        let runs = self.voices.held() == 0 && self.source.recording().is_none();
        if runs != self.voices.runs_free() {
            let wait = self.spawner.first_interval(&self.controls, self.rate_hz);
            self.voices.run_free(runs, at, wait);
        }
    }

    fn play_note(&mut self, at: u64, note: Note) {
        match note {
            Note::On { channel, key, velocity, id } if velocity > 0.0 => {
                let stolen = self.voices.press(at, Key { channel, key }, id, velocity_gain(velocity));
                self.counts.voices_stolen += u64::from(stolen);
            }
            Note::On { channel, key, id, .. } => {
                self.voices.release(&Which { channel: Some(channel), key: Some(key), id });
            }
            Note::Off(which) => self.voices.release(&which),
            Note::Choke(which) => {
                self.voices.release(&which);
                self.cloud.choke(at, &which);
            }
        }
        self.run_free(at);
    }

    /// Begins all grains that are due before frame `end`.
    fn spawn_until(&mut self, rt: &Rt<'_>, end: u64, segment: &mut Segment) {
        while let Some((place, at)) = self.voices.due(end) {
            // A change of density can move what was due to a frame that is past.
            let at = at.max(segment.from);
            let voice = if place == FREE { None } else { self.voices.at(place) };
            let Plan { seed, rung, gain } =
                self.spawner.plan(voice, at, &self.controls, self.rate_hz, &self.source);
            let wait = self.spawner.interval(&self.controls, self.rate_hz);
            self.voices.wait(place, wait);
            self.cloud.spawn(rt, &seed, (rung, gain), &self.source, segment, &mut self.counts);
        }
    }

    /// Mixes the cloud with the input, records, and writes the output.
    fn put_out(&mut self, segment: &Segment, left: &mut [f32], right: &mut [f32]) {
        self.counts.removed += sanitise(left) + sanitise(right);
        let frames = left.len();
        let (mut record_left, mut record_right) = ([0.0; CELL], [0.0; CELL]);
        for frame in 0..frames {
            let (dry, wet, feedback) = (self.dry.next(), self.wet.next(), self.feedback.next());
            let (input_left, input_right) = (left[frame], right[frame]);
            let cloud_left = self.blockers[0].next(segment.mix[0][frame]);
            let cloud_right = self.blockers[1].next(segment.mix[1][frame]);
            record_left[frame] = record(input_left, cloud_left * feedback);
            record_right[frame] = record(input_right, cloud_right * feedback);
            left[frame] = dry * input_left + wet * cloud_left;
            right[frame] = dry * input_right + wet * cloud_right;
        }
        self.counts.removed += sanitise(&mut record_left[..frames]) + sanitise(&mut record_right[..frames]);
        self.source.write(&record_left[..frames], &record_right[..frames]);
        self.counts.removed += sanitise(left) + sanitise(right);
    }
}

/// What is recorded of an input and of what comes back: bounded, and silent where it is all but silent.
#[inline]
fn record(input: f32, back: f32) -> f32 {
    let limited = limit(back);
    let back = if limited.abs() < SILENCE { 0.0 } else { limited };
    (input + back).clamp(-LOUDEST, LOUDEST)
}

/// Leaves what is within ±0.5 as it is, and bends the rest so that it stays within ±1, without a corner.
#[inline]
fn limit(value: f32) -> f32 {
    let over = 2.0 * (value.abs() - 0.5).max(0.0);
    let bent = 0.5 + 0.5 * over / (1.0 + over);
    if over > 0.0 { bent.copysign(value) } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_still_is_removed_and_what_is_heard_stays() {
        let mut blocker = DcBlocker::new(48_000.0);
        let after: Vec<f32> = (0..96_000).map(|_| blocker.next(1.0)).collect();
        assert_eq!((after[0], after[95_999]), (1.0, 0.0));
        let sine = |frame: u16| (std::f32::consts::TAU * 200.0 * f32::from(frame) / 48_000.0).sin();
        let peak = (0..48_000).map(|frame| blocker.next(sine(frame))).skip(24_000).fold(0.0, f32::max);
        assert!((0.98..1.02).contains(&peak), "{peak}");
    }

    #[test]
    fn what_comes_back_is_bounded_and_bends_without_a_corner() {
        let values: Vec<f32> = (0..20_000_u16).map(|step| limit(f32::from(step) / 1_000.0)).collect();
        assert!(values.iter().all(|value| value.abs() < 1.0));
        assert!(values.windows(2).all(|pair| (0.0..=0.001_01).contains(&(pair[1] - pair[0]))));
        assert_eq!(limit(-0.3), -0.3);
        assert_eq!(limit(-3.0), -limit(3.0));
        assert_eq!(record(0.25, 1e-7), 0.25);
        assert_eq!(record(1e30, 0.0), LOUDEST);
    }
}
