//! The synthesizer itself: all of it runs in the callback.

use crate::{common::CHANNELS, voice::Voice};
use detalloc_audio::{Rt, RtBox, RtVec};
use ringbuf::{HeapCons, traits::Consumer};

/// What a player does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Note {
    /// A key goes down, this fast (0 to 1).
    On { key: u8, velocity: f32 },
    /// A key goes up.
    Off { key: u8 },
}

pub struct Synth {
    rate_hz: f32,
    voices: RtVec<RtBox<Voice>>,
    /// In seconds, in order.
    score: Vec<(f64, Note)>,
    /// The first of them that has not been played.
    next: usize,
    /// Frames so far.
    now: u64,
    pressed: HeapCons<Note>,
}

impl Synth {
    pub fn new(
        rate_hz: u32,
        voices: RtVec<RtBox<Voice>>,
        score: Vec<(f64, Note)>,
        pressed: HeapCons<Note>,
    ) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "rates are small")]
        let rate_hz = rate_hz as f32;
        Self { rate_hz, voices, score, next: 0, now: 0, pressed }
    }

    /// Adds to the output, in stereo. Notes start on their frame.
    pub fn render(&mut self, rt: &Rt<'_>, output: &mut [f32]) {
        while let Some(note) = self.pressed.try_pop() {
            self.play(rt, note);
        }
        for frame in output.chunks_exact_mut(CHANNELS) {
            #[expect(clippy::cast_precision_loss, reason = "ten minutes at most")]
            let seconds = self.now as f64 / f64::from(self.rate_hz);
            while let Some(&(_, note)) = self.score.get(self.next).filter(|(at, _)| *at <= seconds) {
                self.play(rt, note);
                self.next += 1;
            }
            let mixed: f32 = self.voices.iter_mut().map(|voice| voice.sample()).sum();
            frame.iter_mut().for_each(|sample| *sample += mixed);
            self.now += 1;
        }
        // A voice's block is free again as soon as it is dropped.
        self.voices.retain_mut(|voice| !voice.is_over());
    }

    fn play(&mut self, rt: &Rt<'_>, note: Note) {
        match note {
            Note::On { key, velocity } => self.start(rt, Voice::new(self.rate_hz, key, velocity, self.now)),
            Note::Off { key } => {
                self.voices.iter_mut().filter(|voice| voice.key() == key).for_each(|voice| voice.release());
            }
        }
    }

    fn start(&mut self, rt: &Rt<'_>, voice: Voice) {
        let refused = match rt.boxed(voice) {
            Ok(voice) => match self.voices.try_push(voice) {
                Ok(()) => return,
                Err(refused) => RtBox::into_inner(refused.into_value()),
            },
            Err(refused) => refused.into_value(),
        };
        if let Some(stolen) = self.voices.iter_mut().min_by_key(|voice| voice.age_key()) {
            **stolen = refused.taking_over(stolen);
        }
    }
}
