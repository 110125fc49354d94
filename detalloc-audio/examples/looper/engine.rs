//! The looper itself: all of it runs in the callback.

use crate::{common::CHANNELS, tape::Tape};
use detalloc_audio::{Rt, RtVec};

/// How much quieter a layer gets each time another comes over it.
const FADE: f32 = 0.8;
/// The ends of a layer are faded over this many frames, so that its return to the start makes no click.
const SEAM_FRAMES: usize = 256;

pub struct Looper {
    /// All channels together, as everything here.
    loop_samples: usize,
    /// Oldest first.
    layers: RtVec<RtVec<f32>>,
    /// The one that is being recorded, unless the pools refused it.
    recording: Option<RtVec<f32>>,
    at: usize,
    tape: Option<Tape>,
    input: Vec<f32>,
}

impl Looper {
    pub fn new(loop_samples: usize, layers: RtVec<RtVec<f32>>, max_frames: u32, tape: Option<Tape>) -> Self {
        let input = vec![0.0; max_frames as usize * CHANNELS];
        Self { loop_samples, layers, recording: None, at: 0, tape, input }
    }

    /// Adds what comes in and the loop so far to the output, and records what comes in.
    pub fn render(&mut self, rt: &Rt<'_>, live: &[f32], output: &mut [f32]) {
        let input = &mut self.input[..output.len()];
        match &mut self.tape {
            Some(tape) => tape.read(input),
            None => input.copy_from_slice(live),
        }
        for (sample, &heard) in output.iter_mut().zip(&*input) {
            if self.at == 0 {
                next_layer(rt, self.loop_samples, &mut self.layers, &mut self.recording);
            }
            let seam = seam(self.at / CHANNELS, self.loop_samples / CHANNELS);
            if let Some(recording) = &mut self.recording {
                // There is room for the whole loop.
                let _ = recording.try_push(heard * seam);
            }
            let layers = self.layers.iter().filter_map(|layer| layer.get(self.at));
            let looped = layers.fold(0.0, |older, newer| FADE * older + newer);
            *sample += heard + FADE * looped;
            self.at = (self.at + 1) % self.loop_samples;
        }
    }
}

/// Begins a layer, for which the oldest may have to go.
fn next_layer(
    rt: &Rt<'_>,
    samples: usize,
    layers: &mut RtVec<RtVec<f32>>,
    recording: &mut Option<RtVec<f32>>,
) {
    if let Some(done) = recording.take() {
        // The list has room for as many layers as the pools; were it full after all, this one would be gone.
        let _ = layers.try_push(done);
    }
    *recording = rt.vec(samples).ok();
    if recording.is_none() {
        // Samples need no destructor, so that the block is free again at once.
        drop(layers.remove(0));
        *recording = rt.vec(samples).ok();
    }
}

fn seam(frame: usize, frames: usize) -> f32 {
    let from_an_end = frame.min(frames - 1 - frame).min(SEAM_FRAMES);
    #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
    let share = from_an_end as f32 / SEAM_FRAMES as f32;
    share
}
