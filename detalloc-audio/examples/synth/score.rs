//! What to play.

use crate::engine::Note;
use midly::{MetaMessage, MidiMessage, Smf, Timing, TrackEventKind};
use std::path::Path;

/// The notes of a standard MIDI file with their times in seconds, all tracks and channels together.
pub fn from_midi(path: &Path) -> Result<Vec<(f64, Note)>, String> {
    let said = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let bytes = std::fs::read(path).map_err(|error| said(&error))?;
    let midi = Smf::parse(&bytes).map_err(|error| said(&error))?;
    let Timing::Metrical(ticks_a_quarter) = midi.header.timing else {
        return Err(said(&"its times are in film frames, not in beats"));
    };
    let mut events = Vec::new();
    for track in &midi.tracks {
        let mut at = 0_u64;
        for event in track {
            at += u64::from(event.delta.as_int());
            events.push((at, event.kind));
        }
    }
    // Stable: what happens at once keeps its order.
    events.sort_by_key(|&(at, _)| at);

    let ticks_a_quarter = f64::from(ticks_a_quarter.as_int()).max(1.0);
    let mut seconds_a_tick = 0.5 / ticks_a_quarter;
    let (mut seconds, mut before) = (0.0, 0);
    let mut notes = Vec::new();
    for (at, kind) in events {
        #[expect(clippy::cast_precision_loss, reason = "to within a part in 2^52")]
        let passed = (at - before) as f64;
        seconds += passed * seconds_a_tick;
        before = at;
        match kind {
            TrackEventKind::Meta(MetaMessage::Tempo(microseconds_a_quarter)) => {
                seconds_a_tick = f64::from(microseconds_a_quarter.as_int()) / 1e6 / ticks_a_quarter;
            }
            TrackEventKind::Midi { message: MidiMessage::NoteOn { key, vel }, .. } if vel > 0 => {
                let velocity = f32::from(vel.as_int()) / 127.0;
                notes.push((seconds, Note::On { key: key.as_int(), velocity }));
            }
            TrackEventKind::Midi {
                message: MidiMessage::NoteOff { key, .. } | MidiMessage::NoteOn { key, .. },
                ..
            } => notes.push((seconds, Note::Off { key: key.as_int() })),
            _ => {}
        }
    }
    if notes.is_empty() { Err(said(&"there are no notes in it")) } else { Ok(notes) }
}

/// Four chords, a second each, broken from the bottom.
pub fn chords() -> Vec<(f64, Note)> {
    let mut notes = Vec::new();
    for (bar, keys) in (0_u8..).zip([[45, 57, 60, 64], [41, 53, 60, 69], [48, 55, 64, 67], [43, 55, 59, 62]])
    {
        for (position, key) in (0_u8..).zip(keys) {
            let at = f64::from(bar) + 0.125 * f64::from(position);
            notes.push((at, Note::On { key, velocity: 0.8 }));
            notes.push((f64::from(bar) + 0.95, Note::Off { key }));
        }
    }
    notes.sort_by(|one, other| one.0.total_cmp(&other.0));
    notes
}
