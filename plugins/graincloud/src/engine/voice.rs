//! Which keys are held, and when each spawns its next grain.
//!
//! Times are counted in 2⁻¹⁶ frames, so that the mean rate is right although grains begin at whole frames. Of several
//! grains that are due, the earliest comes first and, at the same time, the one whose place is lower: an order that does
//! not depend on how far ahead one looks.

use super::{
    Which,
    limits::VOICES,
    num::{to_f64, to_u64},
};

const TIME_BITS: u32 = 16;

/// Never.
const NEVER: u64 = u64::MAX;

/// The place of the density control, behind those of the keys.
pub(crate) const FREE: usize = VOICES;

/// A key of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) channel: u8,
    pub(crate) key: u8,
}

impl Which {
    pub(crate) fn means(&self, Key { channel, key }: Key) -> bool {
        self.channel.is_none_or(|meant| meant == channel) && self.key.is_none_or(|meant| meant == key)
    }
}

/// A key that is held.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Voice {
    pub(crate) key: Key,
    /// What the host calls this note, if it does.
    id: Option<i32>,
    /// From the velocity.
    pub(crate) gain: f32,
    /// The frame at which it was pressed.
    pub(crate) since: u64,
    /// Counts up, so that the voice that has been held longest can be found.
    order: u64,
}

/// All keys that are held, and the density control.
#[derive(Clone, Debug)]
pub(crate) struct Voices {
    voices: [Option<Voice>; VOICES],
    /// When each spawns next; the last is the density control.
    next: [u64; VOICES + 1],
    held: usize,
    order: u64,
}

impl Voices {
    pub(crate) const fn new() -> Self {
        Self { voices: [None; VOICES], next: [NEVER; VOICES + 1], held: 0, order: 0 }
    }

    /// How many keys are held.
    pub(crate) fn held(&self) -> usize {
        self.held
    }

    /// Presses a key at frame `at`; it spawns at once. Says whether a voice was stolen for it.
    pub(crate) fn press(&mut self, at: u64, key: Key, id: Option<i32>, gain: f32) -> bool {
        let free = self.voices.iter().position(Option::is_none);
        let place = free.unwrap_or_else(|| self.longest_held());
        self.held += usize::from(free.is_some());
        self.order += 1;
        self.voices[place] = Some(Voice { key, id, gain, since: at, order: self.order });
        self.next[place] = at << TIME_BITS;
        free.is_none()
    }

    fn longest_held(&self) -> usize {
        let order = |place: &usize| self.voices[*place].map_or(0, |voice| voice.order);
        (0..VOICES).min_by_key(order).unwrap_or(0)
    }

    /// Releases keys. Where the host has given the note a name and a key is held under that name, only that one.
    pub(crate) fn release(&mut self, which: &Which) {
        let named = |voice: &Voice| which.means(voice.key) && which.id.is_some() && voice.id == which.id;
        let by_name = self.voices.iter().flatten().any(named);
        for (voice, next) in self.voices.iter_mut().zip(&mut self.next) {
            if voice.as_ref().is_some_and(|voice| if by_name { named(voice) } else { which.means(voice.key) })
            {
                *voice = None;
                *next = NEVER;
                self.held -= 1;
            }
        }
    }

    /// The voice at a place, or nothing for the density control.
    pub(crate) fn at(&self, place: usize) -> Option<&Voice> {
        self.voices.get(place).and_then(Option::as_ref)
    }

    /// Whether the density control spawns.
    pub(crate) fn runs_free(&self) -> bool {
        self.next[FREE] != NEVER
    }

    /// Starts the density control, `wait` frames from frame `at`, or stops it.
    pub(crate) fn run_free(&mut self, runs: bool, at: u64, wait: f64) {
        self.next[FREE] = if runs { (at << TIME_BITS) + duration(wait) } else { NEVER };
    }

    /// Who spawns next before frame `end`, and at which frame.
    ///
    /// # Time complexity
    /// Linear in [`VOICES`].
    pub(crate) fn due(&self, end: u64) -> Option<(usize, u64)> {
        let (place, next) = self.next.iter().enumerate().min_by_key(|(_, next)| **next)?;
        (*next < end << TIME_BITS).then_some((place, *next >> TIME_BITS))
    }

    /// Lets a place wait for so many frames, at least one, since it was due.
    pub(crate) fn wait(&mut self, place: usize, frames: f64) {
        if let Some(next) = self.next.get_mut(place).filter(|next| **next != NEVER) {
            *next += duration(frames.max(1.0));
        }
    }

    /// Stretches all waiting times that are left at frame `at`, because the density has changed.
    pub(crate) fn stretch(&mut self, at: u64, factor: f64) {
        let now = at << TIME_BITS;
        for next in self.next.iter_mut().filter(|next| **next != NEVER) {
            let left = to_f64(next.saturating_sub(now));
            *next = now + to_u64(left * factor);
        }
    }
}

fn duration(frames: f64) -> u64 {
    to_u64(frames * to_f64(1 << TIME_BITS))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn key(key: u8) -> Key {
        Key { channel: 0, key }
    }

    const fn which(key: u8, id: Option<i32>) -> Which {
        Which { channel: Some(0), key: Some(key), id }
    }

    #[test]
    fn the_sixty_fifth_key_takes_the_place_of_the_one_held_longest() {
        let mut voices = Voices::new();
        for number in 0..64 {
            assert!(!voices.press(100, key(number), None, 1.0));
        }
        assert!(voices.press(200, key(100), None, 1.0));
        assert_eq!(voices.held(), 64);
        assert!(!voices.voices.iter().flatten().any(|voice| voice.key == key(0)));
        voices.release(&which(0, None));
        assert_eq!(voices.held(), 64, "the stolen note's release is nobody's");
        voices.release(&Which { channel: None, key: None, id: None });
        assert_eq!((voices.held(), voices.due(u64::MAX >> TIME_BITS)), (0, None));
    }

    #[test]
    fn a_release_by_name_spares_the_same_key_under_another_name() {
        let mut voices = Voices::new();
        voices.press(0, key(60), Some(1), 1.0);
        voices.press(0, key(60), Some(2), 1.0);
        voices.release(&which(60, Some(1)));
        assert_eq!(voices.held(), 1);
        voices.release(&which(60, Some(9)));
        assert_eq!(voices.held(), 0, "a name that nobody has means the key");
    }

    #[test]
    fn grains_are_due_in_the_order_of_time() {
        let mut voices = Voices::new();
        voices.press(10, key(60), None, 1.0);
        voices.press(5, key(61), None, 1.0);
        assert_eq!(voices.due(5), None);
        assert_eq!(voices.due(6), Some((1, 5)));
        voices.wait(1, 5.5);
        assert_eq!(voices.due(100), Some((0, 10)));
        voices.wait(0, 0.0);
        assert_eq!(voices.due(100), Some((1, 10)));
        voices.wait(1, 5.5);
        voices.wait(0, 100.0);
        assert_eq!(voices.due(100), Some((1, 16)));
    }

    #[test]
    fn a_change_of_density_shortens_what_is_left_to_wait() {
        let mut voices = Voices::new();
        voices.run_free(true, 100, 1_000.0);
        voices.stretch(600, 0.1);
        assert_eq!(voices.due(10_000), Some((FREE, 650)));
    }
}
