//! How long callbacks take, against their deadline.
//!
//! Two reads of the processor's counter a callback, one multiplication, and a few plain stores; no system call. The counter
//! advances at a constant rate, which is measured once, for two milliseconds, when the first heap gets memory. It does not
//! tell a callback that computes from one that was preempted: both are late.

mod longest;

use crate::counts::Count;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};
use longest::Longest;
use std::{
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

/// How many steps of the histogram make up the deadline.
pub(crate) const STEPS_PER_DEADLINE: usize = 32;

#[expect(clippy::cast_precision_loss, reason = "a small number")]
const STEPS_PER_DEADLINE_F64: f64 = STEPS_PER_DEADLINE as f64;

/// Up to twice the deadline; the last one has all that is later.
pub(crate) const STEPS: usize = 2 * STEPS_PER_DEADLINE;

/// A fixed point with this many bits behind it.
const FRACTION_BITS: u32 = 32;

/// When a callback began, and for how many frames if not the most there can be.
#[derive(Clone, Copy)]
pub(crate) struct Started {
    at: u64,
    frames: Option<u32>,
}

impl Started {
    #[inline]
    pub(crate) fn now(frames: Option<u32>) -> Self {
        Self { at: ticks(), frames }
    }
}

/// Written by the owner, but for what [`Timing::expect`] writes beside no callback, and read by anyone. Relaxed: the numbers say
/// nothing about each other, except the longest, which sees to itself.
#[derive(Debug)]
pub(crate) struct Timing {
    /// The deadline of the largest block, in ticks; 0 where there is no clock.
    deadline: AtomicUsize,
    /// What a frame adds to the deadline, in ticks, with `FRACTION_BITS` behind the point.
    frame: AtomicUsize,
    /// Steps of the histogram a tick, with `FRACTION_BITS` behind the point.
    steps_a_tick: AtomicUsize,
    /// Callbacks for fewer frames that were late, but would not have been for the most.
    short_missed: Count,
    /// Begun anew with every callback that is made notable.
    longest: Longest,
    histogram: [AtomicU32; STEPS],
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            deadline: AtomicUsize::new(0),
            frame: AtomicUsize::new(0),
            steps_a_tick: AtomicUsize::new(0),
            short_missed: Count::default(),
            longest: Longest::default(),
            histogram: [const { AtomicU32::new(0) }; STEPS],
        }
    }
}

impl Timing {
    /// What the largest block is from now on. Not beside a callback.
    pub(crate) fn expect(&self, sample_rate_hz: f64, max_frames: u32) {
        let frame = ticks_a_second() / sample_rate_hz;
        let whole = frame * f64::from(max_frames);
        self.deadline.store(fixed(whole, 0), Relaxed);
        self.frame.store(fixed(frame, FRACTION_BITS), Relaxed);
        let steps_a_tick = STEPS_PER_DEADLINE_F64 / whole.max(1.0);
        self.steps_a_tick.store(fixed(steps_a_tick, FRACTION_BITS), Relaxed);
    }

    /// A callback ends. Whether it is a notable one: as long as the longest so far, or one that
    /// [`Timing::make_notable`] made so.
    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "no callback takes 2^64 ticks, nor one where words are shorter"
    )]
    pub(crate) fn end(&self, started: Started) -> bool {
        let took = ticks().wrapping_sub(started.at);
        // With 64 bits more, so that nothing is too long.
        let step = (u128::from(took) * self.steps_a_tick.load(Relaxed) as u128) >> FRACTION_BITS;
        let step = (step as u64).min(STEPS as u64 - 1) as usize;
        let count = &self.histogram[step];
        count.store(count.load(Relaxed).wrapping_add(1), Relaxed);
        if let Some(frames) = started.frames {
            let deadline = (self.frame.load(Relaxed) as u128 * u128::from(frames)) >> FRACTION_BITS;
            if u128::from(took) > deadline && step < STEPS_PER_DEADLINE {
                self.short_missed.up();
            }
        }
        self.longest.took(took as usize)
    }

    /// The next callback is notable, however short.
    #[cold]
    pub(crate) fn make_notable(&self) {
        self.longest.begin_anew();
    }

    /// How many callbacks took longer than their deadline.
    pub(crate) fn missed(&self) -> usize {
        let late = self.histogram.iter().skip(STEPS_PER_DEADLINE).map(|count| count.load(Relaxed) as usize);
        late.sum::<usize>() + self.short_missed.get()
    }

    /// How many callbacks ended, modulo 2^32 in each step.
    pub(crate) fn callbacks(&self) -> usize {
        self.histogram().iter().map(|&count| count as usize).sum()
    }

    /// How many callbacks ended in each step.
    pub(crate) fn histogram(&self) -> [u32; STEPS] {
        core::array::from_fn(|step| self.histogram[step].load(Relaxed))
    }

    /// The longest callback. `None`: no clock.
    pub(crate) fn longest(&self) -> Option<Duration> {
        duration(self.longest.get() as u64)
    }

    /// The deadline of the largest block. `None`: no clock.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        duration(self.deadline.load(Relaxed) as u64)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a length of time to within a part in 2^52")]
fn duration(ticks: u64) -> Option<Duration> {
    let rate = ticks_a_second();
    (rate > 0.0).then(|| Duration::from_secs_f64(ticks as f64 / rate))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates, and is never negative"
)]
fn fixed(value: f64, fraction_bits: u32) -> usize {
    (value * 2_f64.powi(fraction_bits.cast_signed())) as usize
}

/// 0 where there is no clock.
fn ticks_a_second() -> f64 {
    static RATE: OnceLock<f64> = OnceLock::new();
    *RATE.get_or_init(|| {
        let (begin, first) = (Instant::now(), ticks());
        thread::sleep(Duration::from_millis(2));
        let (took, last) = (begin.elapsed(), ticks());
        #[expect(clippy::cast_precision_loss, reason = "a few million ticks")]
        let passed = last.wrapping_sub(first) as f64;
        passed / took.as_secs_f64()
    })
}

/// What the processor's counter says now; 0 where every program may not read it.
#[inline]
fn ticks() -> u64 {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: every x86-64 processor has the instruction. Without a fence, for a few dozen cycles do not matter here.
    return unsafe { core::arch::x86_64::_rdtsc() };
    #[cfg(all(target_arch = "aarch64", not(miri)))]
    {
        let count;
        // SAFETY: reads a counter.
        unsafe { core::arch::asm!("mrs {}, cntvct_el0", out(reg) count, options(nomem, nostack)) };
        return count;
    }
    #[cfg(any(not(any(target_arch = "x86_64", target_arch = "aarch64")), miri))]
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callback_is_late_if_and_only_if_it_takes_longer_than_its_frames() {
        let timing = Timing::default();
        // Ten seconds, so that no pause of the machine makes a difference.
        timing.expect(48_000.0, 480_000);
        if timing.deadline().is_none() {
            return;
        }
        timing.end(Started::now(None));
        assert_eq!((timing.callbacks(), timing.missed(), timing.histogram()[0]), (1, 0, 1));
        let late = Started { at: ticks().wrapping_sub(3 * deadline(&timing)), frames: None };
        assert!(timing.end(late), "the longest so far is notable");
        assert_eq!((timing.callbacks(), timing.missed(), timing.histogram()[STEPS - 1]), (2, 1, 1));
        assert!(timing.longest() > timing.deadline());
        assert!(!timing.end(Started::now(None)));
        timing.make_notable();
        assert!(timing.end(Started::now(None)), "however short");
        assert!(timing.longest() > timing.deadline(), "what was the longest still is");
    }

    #[test]
    fn fewer_frames_have_an_earlier_deadline() {
        let timing = Timing::default();
        timing.expect(48_000.0, 480_000);
        if timing.deadline().is_none() {
            return;
        }
        let half = ticks().wrapping_sub(deadline(&timing) / 2);
        timing.end(Started { at: half, frames: Some(480_000) });
        assert_eq!(timing.missed(), 0);
        timing.end(Started { at: half, frames: Some(24_000) });
        assert_eq!(timing.missed(), 1);
    }

    fn deadline(timing: &Timing) -> u64 {
        timing.deadline.load(Relaxed) as u64
    }
}
