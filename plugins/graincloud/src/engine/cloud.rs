//! All live grains, in the order of their birth.
//!
//! Mixing goes through them in that order, always: the sum of a frame is then the same however a host cuts time into
//! blocks. Ended grains keep their memory until the end of the cell for the same reason: what a new grain finds in the
//! pools depends on the clock alone.

use super::{
    Which,
    grain::{Grain, Head, Seed, Stereo, fade_gain, play},
    limits::{CELL, FADE, GRAINS, PLACES, Rung},
    num::to_usize,
    source::Source,
    telemetry::Counts,
    window::Ramp,
};
use detalloc_audio::{Refusal, Rt, RtVec};

/// Where a segment of time lies on the engine's clock, and what it sounds like so far.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) from: u64,
    pub(crate) to: u64,
    /// Element 0 is frame `from`.
    pub(crate) mix: Stereo,
}

/// The live grains, and what is left of the stolen ones.
#[derive(Debug)]
pub(crate) struct Cloud {
    /// `None`: stolen.
    places: RtVec<Option<Grain>>,
    /// No grain lies before this place.
    oldest: usize,
    /// How many places are `None`.
    holes: usize,
    /// What stolen grains still sound like, by frame of the clock, modulo its length.
    fading: [[f32; 2 * CELL]; 2],
    ramp: Ramp,
}

impl Cloud {
    /// No grains, and no room for any.
    pub(crate) fn new() -> Self {
        Self { places: RtVec::new(), oldest: 0, holes: 0, fading: [[0.0; 2 * CELL]; 2], ramp: Ramp::new() }
    }

    /// Makes room for grains, if there is none yet.
    pub(crate) fn prepare(&mut self, rt: &Rt<'_>) -> Result<(), Refusal> {
        if self.places.capacity() == 0 {
            self.places = rt.vec(PLACES)?;
        }
        Ok(())
    }

    /// Gives all grains back, without a fade.
    pub(crate) fn clear(&mut self) {
        self.places.clear();
        self.oldest = 0;
        self.holes = 0;
        self.fading = [[0.0; 2 * CELL]; 2];
    }

    /// How many grains are live.
    pub(crate) fn live(&self) -> usize {
        self.places.len() - self.holes
    }

    /// Begins a grain. Where there is no room for it the oldest is stolen, once; where that does not help, there is no
    /// new grain.
    ///
    /// # Time complexity
    /// Constant, but for the fade of a stolen grain; once in [`GRAINS`] thefts within one cell, linear in the number of
    /// grains.
    pub(crate) fn spawn(
        &mut self,
        rt: &Rt<'_>,
        seed: &Seed,
        (rung, gain): (&Rung, f32),
        source: &Source,
        segment: &mut Segment,
        counts: &mut Counts,
    ) {
        if self.live() >= GRAINS {
            self.steal(seed.born, source, segment, counts);
        }
        if self.places.is_full() {
            self.close_holes();
        }
        let head = Head::new(seed);
        let first = rt.tailed(head, rung.tail, 0.0_f32);
        let grain = first.or_else(|refused| {
            counts.refusals += 1;
            self.steal(seed.born, source, segment, counts);
            rt.tailed(refused.value, rung.tail, 0.0_f32)
        });
        let pushed = grain.map_err(|_| ()).and_then(|mut grain| {
            self.ramp.write(seed.window.segments, gain, window_of(&mut grain.tail, seed));
            self.places.try_push(Some(grain)).map_err(|_| ())
        });
        match pushed {
            Ok(()) => counts.spawned += 1,
            Err(()) => counts.refusals += 1,
        }
        counts.live_peak = counts.live_peak.max(self.live() as u64);
    }

    /// Takes the oldest grain away at frame `at`, and keeps what it sounds like while it fades.
    fn steal(&mut self, at: u64, source: &Source, segment: &mut Segment, counts: &mut Counts) {
        let Some(mut grain) = self.take_oldest() else { return };
        play(&mut grain, source, segment.from, at, &mut segment.mix);
        if grain.head.end() <= at {
            return;
        }
        counts.stolen += 1;
        self.keep_fading(&mut grain, at, source);
    }

    /// Lets all grains fade at frame `at`, and gives their memory back.
    pub(crate) fn steal_all(&mut self, at: u64, source: &Source) {
        while let Some(mut grain) = self.take_oldest() {
            self.keep_fading(&mut grain, at, source);
        }
        self.close_holes();
    }

    fn take_oldest(&mut self) -> Option<Grain> {
        while let Some(place) = self.places.get_mut(self.oldest) {
            self.oldest += 1;
            if let Some(grain) = place.take() {
                self.holes += 1;
                return Some(grain);
            }
        }
        None
    }

    fn keep_fading(&mut self, grain: &mut Grain, at: u64, source: &Source) {
        let mut last: Stereo = [[0.0; CELL]; 2];
        play(grain, source, at, at + FADE as u64, &mut last);
        for (fading, last) in self.fading.iter_mut().zip(&last) {
            for (frame, sample) in (0..).zip(last) {
                fading[place_of(at + frame)] += sample * fade_gain(frame);
            }
        }
    }

    /// Lets the grains of keys fade at frame `at`.
    ///
    /// # Time complexity
    /// Linear in the number of grains.
    pub(crate) fn choke(&mut self, at: u64, which: &Which) {
        for grain in self.places.iter_mut().flatten() {
            if grain.head.key.is_some_and(|key| which.means(key)) {
                grain.head.choked = grain.head.choked.min(at);
            }
        }
    }

    /// Plays all grains through a segment; at the end of a cell, those that have ended give their memory back.
    ///
    /// # Time complexity
    /// Linear in the number of grains times frames.
    pub(crate) fn play(&mut self, source: &Source, segment: &mut Segment) {
        let retire = segment.to.is_multiple_of(CELL as u64);
        for place in self.places.iter_mut().skip(self.oldest) {
            let Some(grain) = place else { continue };
            play(grain, source, segment.from, segment.to, &mut segment.mix);
            if retire && grain.head.ended() {
                *place = None;
                self.holes += 1;
            }
        }
        if retire {
            self.close_holes();
        }
        let frames = to_usize(segment.to - segment.from).min(CELL);
        for (mix, fading) in segment.mix.iter_mut().zip(&mut self.fading) {
            for (frame, sample) in (segment.from..).zip(&mut mix[..frames]) {
                *sample += std::mem::take(&mut fading[place_of(frame)]);
            }
        }
    }

    fn close_holes(&mut self) {
        if self.holes > 0 {
            self.places.retain_mut(|place| place.is_some());
            self.holes = 0;
        }
        self.oldest = 0;
    }
}

/// The part of a grain's tail that holds its window.
fn window_of<'t>(tail: &'t mut [f32], seed: &Seed) -> &'t mut [f32] {
    let knots = (seed.window.segments as usize + 1).min(tail.len());
    &mut tail[..knots]
}

/// Where a frame of the clock lies among the fading samples.
fn place_of(frame: u64) -> usize {
    to_usize(frame % (2 * CELL as u64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{
        grain::{FRACTION_BITS, UNITY},
        limits::LADDER,
        source::{Channel, LEAD, Material, Recording},
        window::Window,
    };
    use detalloc_audio::{AudioBudget, RtHeap};

    const LENGTH: u32 = 4_800;

    /// Room for a window of 64 segments, and a small slice.
    fn rung() -> Rung {
        let mut rung = LADDER[0];
        rung.tail = 65 + 60;
        rung
    }

    fn seed(born: u64) -> Seed {
        Seed {
            position: LEAD << FRACTION_BITS,
            step: UNITY,
            born,
            key: None,
            channel: Channel::Left,
            window: Window::new(LENGTH, 64, 0.0, 48_000.0),
            gains: [1.0, 0.5],
        }
    }

    /// Pools with room for one grain, and a recording that is 1 throughout, so that a grain's window can be seen.
    fn stage() -> (RtHeap, Cloud, Source) {
        let mut heap = RtHeap::new();
        let budget = AudioBudget::new(48_000.0, 64)
            .slices::<Option<Grain>>(PLACES, 1)
            .tailed::<Head, f32>(rung().tail, 1);
        heap.reconfigure(&budget).unwrap();
        let mut cloud = Cloud::new();
        // The list of grains takes the larger block; what is left is one grain's.
        heap.enter(|rt| cloud.prepare(rt)).unwrap();
        let mut source = Source::new(0);
        source.replace(Box::new(Material::Recording(Recording::new(vec![1.0; 10_000], vec![1.0; 10_000]))));
        (heap, cloud, source)
    }

    #[test]
    fn a_stolen_grain_fades_without_a_step_and_makes_room() {
        let rung = rung();
        for theft in [1_234_u64, 2_400, 2_431, 4_790] {
            let (mut heap, mut cloud, source) = stage();
            let mut counts = Counts::default();
            let mut heard = Vec::new();
            for from in (0..9_600).step_by(CELL) {
                let mut segment = Segment { from, to: from + CELL as u64, mix: [[0.0; CELL]; 2] };
                for born in [0, theft] {
                    if (from..segment.to).contains(&born) {
                        heap.enter(|rt| {
                            cloud.spawn(rt, &seed(born), (&rung, 1.0), &source, &mut segment, &mut counts)
                        });
                    }
                }
                heap.enter(|_| cloud.play(&source, &mut segment));
                assert!(segment.mix[0].iter().zip(&segment.mix[1]).all(|(left, right)| *right == 0.5 * left));
                heard.extend(segment.mix[0]);
            }
            assert_eq!((counts.spawned, counts.stolen, counts.refusals), (2, 1, 1), "at {theft}");
            let step = heard.windows(2).fold(0.0_f32, |step, pair| step.max((pair[1] - pair[0]).abs()));
            assert!(step < 1.1 / 65.0, "at {theft}: {step}");
            let peak = heard.iter().fold(0.0_f32, |peak, sample| peak.max(*sample));
            assert!((0.99..1.1).contains(&peak), "{peak}");
            assert_eq!(cloud.live(), 0, "the new grain has ended, too");
        }
    }

    #[test]
    fn a_grain_that_has_ended_is_no_theft() {
        let rung = rung();
        let (mut heap, mut cloud, source) = stage();
        let mut counts = Counts::default();
        // 4,800 is the end of a cell; one frame earlier the grain has ended, but keeps its memory until then.
        let short = Seed { window: Window::new(LENGTH - 10, 64, 0.0, 48_000.0), ..seed(0) };
        for from in (0..4_864).step_by(CELL) {
            let mut segment = Segment { from, to: from + CELL as u64, mix: [[0.0; CELL]; 2] };
            for (born, seed) in [(0, short), (4_795, seed(4_795))] {
                if (from..segment.to).contains(&born) {
                    heap.enter(|rt| cloud.spawn(rt, &seed, (&rung, 1.0), &source, &mut segment, &mut counts));
                }
            }
            heap.enter(|_| cloud.play(&source, &mut segment));
        }
        assert_eq!((counts.spawned, counts.stolen, counts.refusals, cloud.live()), (2, 0, 1, 1));
    }

    #[test]
    fn without_pools_there_are_no_grains_and_no_harm() {
        let (mut cloud, source, mut counts) = (Cloud::new(), Source::new(0), Counts::default());
        let mut segment = Segment { from: 0, to: CELL as u64, mix: [[0.0; CELL]; 2] };
        RtHeap::new()
            .enter(|rt| cloud.spawn(rt, &seed(0), (&LADDER[0], 1.0), &source, &mut segment, &mut counts));
        cloud.play(&source, &mut segment);
        assert_eq!((counts.spawned, cloud.live()), (0, 0));
        assert!(counts.refusals > 0);
    }
}
