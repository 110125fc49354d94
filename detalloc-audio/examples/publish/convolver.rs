//! A convolution with the newest impulse response: all of it runs in the callback.

use crate::{common::CHANNELS, tape::Tape};
use detalloc_audio::{Published, Reader, Rt, RtVec, prefault};

/// An impulse response. Its size is whatever it is: the callback never copies or frees one.
pub struct Room {
    id: usize,
    /// Newest input first.
    taps: Vec<f32>,
}

impl Room {
    pub fn new(id: usize, taps: Vec<f32>) -> Self {
        Self { id, taps }
    }
}

/// A power of two that has room for the longest impulse response behind the longest block.
const HISTORY: usize = 16_384;

pub struct Convolver {
    tape: Tape,
    rooms: Reader<Room>,
    room: Published<Room>,
    /// The last input in mono, a ring.
    history: Vec<f32>,
    at: usize,
}

impl Convolver {
    pub fn new(tape: Tape, rooms: Reader<Room>) -> Self {
        let room = rooms.read();
        let mut history = vec![0.0; HISTORY];
        // Zeroes are promised, and the memory for them handed over when it is written.
        prefault(&mut history);
        Self { tape, rooms, room, history, at: 0 }
    }

    /// Adds to the output, in stereo. Over one block, a room fades into the next.
    pub fn render(&mut self, rt: &Rt<'_>, output: &mut [f32]) {
        let newest = self.rooms.read();
        let frames = output.len() / CHANNELS;
        // Refusals cannot happen, by the budget; one would be a block of silence.
        let Ok(mut heard) = rt.vec::<f32>(frames) else { return };
        for _ in 0..frames {
            let mut input = [0.0; CHANNELS];
            self.tape.read(&mut input);
            self.at = (self.at + 1) % HISTORY;
            self.history[self.at] = (input[0] + input[1]) / 2.0;
            let _ = heard.try_push(self.sounds_in(&newest));
        }
        if newest.id != self.room.id {
            self.fade(&mut heard);
            // The old one is destroyed elsewhere.
            self.room = newest;
        }
        for (frame, heard) in output.chunks_exact_mut(CHANNELS).zip(&heard) {
            frame.iter_mut().for_each(|sample| *sample += heard);
        }
    }

    /// What comes out now.
    fn sounds_in(&self, room: &Room) -> f32 {
        self.sounded_in(room, 0)
    }

    /// What came out so many frames ago.
    fn sounded_in(&self, room: &Room, ago: usize) -> f32 {
        let newest = HISTORY + self.at - ago;
        room.taps.iter().enumerate().map(|(back, tap)| tap * self.history[(newest - back) % HISTORY]).sum()
    }

    /// Begins a block with the old room, and ends it with the new one.
    fn fade(&self, heard: &mut RtVec<f32>) {
        let frames = heard.len();
        for (frame, sample) in heard.iter_mut().enumerate() {
            #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
            let share = (frame + 1) as f32 / frames as f32;
            let old = self.sounded_in(&self.room, frames - 1 - frame);
            *sample = share * *sample + (1.0 - share) * old;
        }
    }
}
