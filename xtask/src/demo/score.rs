//! What is played: notes at frames. Read from a standard MIDI file, or the built-in piece.
//!
//! All tracks are merged, tempo changes of any track hold for all of them, time codes are understood, a note-on of
//! velocity 0 is a note-off, and a note that the file never releases is released at its end. Controllers, bends and
//! programs are left out: the plugin takes notes only.

use std::collections::HashSet;
use std::path::Path;

use midly::{Format, Fps, MetaMessage, MidiMessage, Smf, Timing, TrackEventKind};
use thiserror::Error;

use crate::host::{Action, Event};
use crate::number;

/// Notes and the frame at which the last one ends.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Score {
    /// The notes, in order.
    pub events: Vec<Event>,
    /// Where the performance ends, in frames.
    pub frames: u64,
}

/// Why a MIDI file cannot be played.
#[derive(Debug, Error)]
pub enum ScoreError {
    /// It cannot be read at all.
    #[error("{0}")]
    Read(#[from] std::io::Error),
    /// It has no bytes.
    #[error("empty file")]
    Empty,
    /// It is not a standard MIDI file, or a broken or truncated one.
    #[error("not a playable MIDI file: {0}")]
    Broken(String),
    /// It has no clock: zero ticks per quarter note or per frame.
    #[error("not a playable MIDI file: its header gives no time base")]
    NoTimeBase,
    /// It has no note.
    #[error("holds no notes")]
    NoNotes,
}

/// Reads a MIDI file for a performance at `rate_hz`.
///
/// # Errors
///
/// Each variant of [`ScoreError`] if and only if what it says.
pub fn load(path: &Path, rate_hz: u32) -> Result<Score, ScoreError> {
    let bytes = std::fs::read(path)?;
    if bytes.is_empty() {
        return Err(ScoreError::Empty);
    }
    parse(&bytes, rate_hz)
}

fn parse(bytes: &[u8], rate_hz: u32) -> Result<Score, ScoreError> {
    let file = Smf::parse(bytes).map_err(|error| ScoreError::Broken(error.to_string()))?;
    let mut clock = Clock::new(file.header.timing)?;
    let mut held = HashSet::new();
    let mut events = Vec::new();
    let mut last_frame = 0;
    for (tick, kind) in merge(&file) {
        let frame = number::count(clock.seconds_at(tick) * f64::from(rate_hz));
        last_frame = frame;
        match kind {
            TrackEventKind::Meta(MetaMessage::Tempo(tempo)) => clock.set_tempo(tempo.as_int()),
            TrackEventKind::Midi { channel, message } => {
                if let Some(action) = note(channel.as_int(), message) {
                    match action {
                        Action::NoteOn { channel, key, .. } => held.insert((channel, key)),
                        Action::NoteOff { channel, key } => held.remove(&(channel, key)),
                        Action::Parameter { .. } => false,
                    };
                    events.push(Event { frame, action });
                }
            }
            _ => {}
        }
    }
    if !events.iter().any(|event| matches!(event.action, Action::NoteOn { .. })) {
        return Err(ScoreError::NoNotes);
    }
    let mut held: Vec<_> = held.into_iter().collect();
    held.sort_unstable();
    let releases = held.into_iter().map(|(channel, key)| Action::NoteOff { channel, key });
    events.extend(releases.map(|action| Event { frame: last_frame, action }));
    let frames = events.last().map_or(0, |event| event.frame);
    Ok(Score { events, frames })
}

/// All tracks' events by tick; in a file of consecutive pieces one after the other, otherwise side by side.
fn merge<'a>(file: &Smf<'a>) -> Vec<(u64, TrackEventKind<'a>)> {
    let mut merged = Vec::new();
    let mut start = 0_u64;
    for track in &file.tracks {
        let mut tick = start;
        for event in track {
            tick += u64::from(event.delta.as_int());
            merged.push((tick, event.kind));
        }
        if file.header.format == Format::Sequential {
            start = tick;
        }
    }
    merged.sort_by_key(|&(tick, _)| tick);
    merged
}

fn note(channel: u8, message: MidiMessage) -> Option<Action> {
    match message {
        MidiMessage::NoteOn { key, vel } if vel.as_int() > 0 => {
            Some(Action::NoteOn { channel, key: key.as_int(), velocity: vel.as_int() })
        }
        MidiMessage::NoteOn { key, .. } | MidiMessage::NoteOff { key, .. } => {
            Some(Action::NoteOff { channel, key: key.as_int() })
        }
        _ => None,
    }
}

/// Turns ticks into seconds, tick by rising tick.
struct Clock {
    tick: u64,
    seconds: f64,
    seconds_per_tick: f64,
    ticks_per_quarter: Option<f64>,
}

impl Clock {
    /// The tempo of a file that names none: 120 quarters a minute.
    const DEFAULT_TEMPO_US: u32 = 500_000;

    fn new(timing: Timing) -> Result<Self, ScoreError> {
        let mut clock = Clock { tick: 0, seconds: 0.0, seconds_per_tick: 0.0, ticks_per_quarter: None };
        match timing {
            Timing::Metrical(ticks) if ticks.as_int() > 0 => {
                clock.ticks_per_quarter = Some(f64::from(ticks.as_int()));
                clock.set_tempo(Self::DEFAULT_TEMPO_US);
            }
            Timing::Timecode(fps, subframes) if subframes > 0 => {
                let frames_per_second = match fps {
                    Fps::Fps24 => 24.0,
                    Fps::Fps25 => 25.0,
                    Fps::Fps29 => 30_000.0 / 1001.0,
                    Fps::Fps30 => 30.0,
                };
                clock.seconds_per_tick = 1.0 / (frames_per_second * f64::from(subframes));
            }
            _ => return Err(ScoreError::NoTimeBase),
        }
        Ok(clock)
    }

    /// Sets the tempo from the last tick asked for on; has no meaning and no effect with time codes.
    fn set_tempo(&mut self, us_per_quarter: u32) {
        if let Some(ticks) = self.ticks_per_quarter {
            self.seconds_per_tick = f64::from(us_per_quarter) / 1e6 / ticks;
        }
    }

    fn seconds_at(&mut self, tick: u64) -> f64 {
        self.seconds += number::real(tick - self.tick) * self.seconds_per_tick;
        self.tick = tick;
        self.seconds
    }
}

/// Keys of the built-in piece's chords, lowest first: a slow turn around D minor, three seconds each.
const CHORDS: [[u8; 5]; 8] = [
    [38, 57, 60, 64, 65],
    [34, 57, 60, 62, 65],
    [41, 55, 57, 60, 64],
    [36, 55, 59, 62, 64],
    [43, 58, 62, 65, 69],
    [38, 57, 60, 64, 72],
    [34, 58, 62, 65, 69],
    [45, 57, 59, 64, 69],
];

/// The order in which a chord's upper keys are struck, eight times in a chord.
const PATTERN: [usize; 8] = [1, 2, 3, 4, 3, 2, 4, 3];

/// Seconds of a chord.
const CHORD_SECONDS: f64 = 3.0;

/// The built-in piece: eight chords, each a held bass under an arpeggio that swells towards its middle.
pub fn built_in(rate_hz: u32) -> Score {
    let at = |seconds: f64| number::count(seconds * f64::from(rate_hz));
    let mut events = Vec::new();
    let mut play = |start: f64, seconds: f64, key: u8, velocity: u8| {
        events.push(Event { frame: at(start), action: Action::NoteOn { channel: 0, key, velocity } });
        events.push(Event { frame: at(start + seconds), action: Action::NoteOff { channel: 0, key } });
    };
    let mut start = 0.0;
    for chord in CHORDS {
        // Ends just before the next chord, which may strike the same key.
        play(start, CHORD_SECONDS * 0.98, chord[0], 84);
        let step = CHORD_SECONDS / 8.0;
        let mut strike = start;
        for (place, &tone) in (0_u8..).zip(&PATTERN) {
            let swell = 4 - place.abs_diff(4);
            play(strike, step * 1.8, chord[tone], 56 + swell * 10);
            strike += step;
        }
        start += CHORD_SECONDS;
    }
    events.sort_by_key(|event| event.frame);
    let frames = events.last().map_or(0, |event| event.frame);
    Score { events, frames }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u32 = 48_000;

    fn file(format: u16, division: u16, tracks: &[&[u8]]) -> Vec<u8> {
        let mut bytes = b"MThd\0\0\0\x06".to_vec();
        bytes.extend(format.to_be_bytes());
        bytes.extend(u16::try_from(tracks.len()).expect("few tracks").to_be_bytes());
        bytes.extend(division.to_be_bytes());
        for track in tracks {
            bytes.extend(b"MTrk");
            bytes.extend(u32::try_from(track.len()).expect("a short track").to_be_bytes());
            bytes.extend(*track);
        }
        bytes
    }

    fn on(frame: u64, key: u8) -> Event {
        Event { frame, action: Action::NoteOn { channel: 0, key, velocity: 100 } }
    }

    fn off(frame: u64, key: u8) -> Event {
        Event { frame, action: Action::NoteOff { channel: 0, key } }
    }

    const END: [u8; 4] = [0, 0xFF, 0x2F, 0];

    #[test]
    fn running_status_and_velocity_zero_are_understood() {
        // Quarter = 96 ticks at 120 a minute: half a second.
        let track = [&[0, 0x90, 60, 100, 96, 60, 0, 96, 64, 100, 96, 0x80, 64, 0][..], &END].concat();
        let score = parse(&file(0, 96, &[&track]), RATE).expect("a good file");
        assert_eq!(score.events, [on(0, 60), off(24_000, 60), on(48_000, 64), off(72_000, 64)]);
        assert_eq!(score.frames, 72_000);
    }

    #[test]
    fn a_tempo_change_in_one_track_holds_for_the_others() {
        let tempo = [&[96, 0xFF, 0x51, 3, 0x0F, 0x42, 0x40][..], &END].concat(); // 1,000,000 us at tick 96
        let notes = [&[0, 0x90, 60, 100, 0x81, 0x40, 0x80, 60, 0][..], &END].concat(); // 192 ticks
        let score = parse(&file(1, 96, &[&tempo, &notes]), RATE).expect("a good file");
        assert_eq!(score.events, [on(0, 60), off(24_000 + 48_000, 60)]);
    }

    #[test]
    fn time_codes_are_understood() {
        let division = u16::from_be_bytes([0xE7, 40]); // -25 frames a second, 40 ticks each: a millisecond a tick
        let track = [&[0, 0x90, 60, 100, 100, 0x80, 60, 0][..], &END].concat();
        let score = parse(&file(0, division, &[&track]), RATE).expect("a good file");
        assert_eq!(score.events, [on(0, 60), off(4_800, 60)]);
    }

    #[test]
    fn pieces_of_a_sequential_file_follow_each_other() {
        let track = [&[0, 0x90, 60, 100, 96, 0x80, 60, 0][..], &END].concat();
        let score = parse(&file(2, 96, &[&track, &track]), RATE).expect("a good file");
        assert_eq!(score.events, [on(0, 60), off(24_000, 60), on(24_000, 60), off(48_000, 60)]);
    }

    #[test]
    fn what_is_never_released_is_released_at_the_end() {
        let track = [&[0, 0x90, 60, 100, 96, 0xFF, 0x2F, 0][..]].concat();
        let score = parse(&file(0, 96, &[&track]), RATE).expect("a good file");
        assert_eq!(score.events, [on(0, 60), off(24_000, 60)]);
    }

    #[test]
    fn broken_files_say_what_is_wrong() {
        let good = file(0, 96, &[&[&[0, 0x90, 60, 100, 96, 60, 0][..], &END].concat()]);
        assert!(parse(&good, RATE).is_ok());
        for end in 0..good.len() {
            assert!(parse(&good[..end], RATE).is_err(), "truncated to {end} bytes");
        }
        assert!(matches!(parse(b"RIFF0000WAVEfmt ", RATE), Err(ScoreError::Broken(_))));
        assert!(matches!(parse(&file(0, 96, &[&END]), RATE), Err(ScoreError::NoNotes)));
        let clockless = file(0, 0, &[&[&[0, 0x90, 60, 100][..], &END].concat()]);
        assert!(matches!(parse(&clockless, RATE), Err(ScoreError::NoTimeBase | ScoreError::Broken(_))));
    }

    #[test]
    fn the_built_in_piece_is_24_seconds_at_any_rate_and_releases_every_key() {
        for rate in [8_000, 44_100, 48_000, 384_000] {
            let score = built_in(rate);
            assert!(score.events.is_sorted_by_key(|event| event.frame));
            let seconds = number::real(score.frames) / f64::from(rate);
            assert!((23.0..25.0).contains(&seconds), "{seconds} s at {rate} Hz");
            let mut held = HashSet::new();
            for event in &score.events {
                match event.action {
                    Action::NoteOn { key, .. } => assert!(held.insert(key), "{key} struck while held"),
                    Action::NoteOff { key, .. } => assert!(held.remove(&key), "{key} released twice"),
                    Action::Parameter { .. } => {}
                }
            }
            assert!(held.is_empty());
        }
    }
}
