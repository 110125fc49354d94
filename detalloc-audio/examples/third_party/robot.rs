//! The effect: overlapping frames whose spectrum loses its phases, so that every frame is a pulse, and all of them together
//! a monotonous voice. Ordinary Rust that knows nothing of pools.

use crate::{common::CHANNELS, tape::Tape};
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use std::{f32::consts::TAU, sync::Arc};

/// Of one transform: an odd number, for which realfft needs scratch space.
pub const FRAMES: usize = 1215;
/// From one frame to the next.
const HOP: usize = FRAMES / 5;

pub struct Robot {
    tape: Tape,
    forward: Arc<dyn RealToComplex<f32>>,
    backward: Arc<dyn ComplexToReal<f32>>,
    window: Vec<f32>,
    /// The last frames that came in, in mono, the newest last.
    heard: Vec<f32>,
    /// What is still to be played, the next sample first.
    mixed: Vec<f32>,
    /// How far the current hop has come.
    at: usize,
}

impl Robot {
    pub fn new(tape: Tape) -> Self {
        let mut planner = RealFftPlanner::new();
        #[expect(clippy::cast_precision_loss, reason = "a thousand")]
        let turn = |frame: usize| TAU * frame as f32 / FRAMES as f32;
        Self {
            tape,
            forward: planner.plan_fft_forward(FRAMES),
            backward: planner.plan_fft_inverse(FRAMES),
            window: (0..FRAMES).map(|frame| 0.5 - 0.5 * turn(frame).cos()).collect(),
            heard: vec![0.0; FRAMES],
            mixed: vec![0.0; FRAMES],
            at: 0,
        }
    }

    /// Adds to the output, in stereo.
    pub fn render(&mut self, output: &mut [f32]) {
        for frame in output.chunks_exact_mut(CHANNELS) {
            let mut input = [0.0; CHANNELS];
            self.tape.read(&mut input);
            self.heard[FRAMES - HOP + self.at] = (input[0] + input[1]) / 2.0;
            frame.iter_mut().for_each(|sample| *sample += self.mixed[self.at]);
            self.at += 1;
            if self.at == HOP {
                self.at = 0;
                self.hop();
            }
        }
    }

    fn hop(&mut self) {
        self.mixed.copy_within(HOP.., 0);
        self.mixed[FRAMES - HOP..].fill(0.0);
        // Four blocks in the callback: this one, the spectrum, and scratch space for each way.
        let mut frame: Vec<f32> =
            self.heard.iter().zip(&self.window).map(|(heard, gain)| heard * gain).collect();
        let mut spectrum = self.forward.make_output_vec();
        // The lengths are right, which is all that could be wrong.
        let _ = self.forward.process(&mut frame, &mut spectrum);
        for bin in &mut spectrum {
            *bin = bin.norm().into();
        }
        let _ = self.backward.process(&mut spectrum, &mut frame);
        // Without phases the pulse lies at the start of the frame, and half of it at its end: to the middle with it.
        frame.rotate_right(FRAMES / 2);
        #[expect(clippy::cast_precision_loss, reason = "a thousand")]
        let gain = 1.0 / (1.875 * FRAMES as f32);
        for ((mixed, sample), window) in self.mixed.iter_mut().zip(&frame).zip(&self.window) {
            *mixed += gain * window * sample;
        }
        self.heard.copy_within(HOP.., 0);
    }
}
