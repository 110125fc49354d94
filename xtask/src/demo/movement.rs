//! How the demo moves the plugin's parameters: slowly, all the time, at frames that fall anywhere in a block. The same
//! movement goes to both formats.

use std::f64::consts::TAU;

use crate::host::{Action, Event, parameter_id};
use crate::number;

/// Changes a second. Their spacing is no multiple of a common block size.
const CHANGES_PER_SECOND: u32 = 90;

/// A parameter that swings around a value: its id, the middle, the swing, and the seconds of a full swing.
struct Swing {
    parameter: &'static str,
    middle: f64,
    depth: f64,
    seconds: f64,
}

/// Normalised to each parameter's range.
const SWINGS: [Swing; 4] = [
    Swing { parameter: "density", middle: 0.76, depth: 0.14, seconds: 11.0 },
    Swing { parameter: "size", middle: 0.62, depth: 0.2, seconds: 17.0 },
    Swing { parameter: "spray", middle: 0.3, depth: 0.2, seconds: 7.0 },
    Swing { parameter: "pan_spread", middle: 0.6, depth: 0.3, seconds: 5.0 },
];

/// What stays as it is set at the start.
const SETTINGS: [(&str, f64); 4] = [("pitch", 0.5), ("shape", 0.3), ("feedback", 0.15), ("mix", 0.85)];

/// The parameter changes of a performance of `frames` frames, in order.
pub fn movement(rate_hz: u32, frames: u64) -> Vec<Event> {
    let change = |frame: u64, parameter: &str, normalised: f64| Event {
        frame,
        action: Action::Parameter { id: parameter_id(parameter), normalised },
    };
    let mut events: Vec<Event> =
        SETTINGS.iter().map(|&(parameter, normalised)| change(0, parameter, normalised)).collect();
    let step = u64::from(rate_hz / CHANGES_PER_SECOND);
    let mut frame = 0;
    while frame < frames {
        let seconds = number::real(frame) / f64::from(rate_hz);
        for swing in &SWINGS {
            let value = swing.middle + swing.depth * (TAU * seconds / swing.seconds).sin();
            events.push(change(frame, swing.parameter, value.clamp(0.0, 1.0)));
        }
        frame += step;
    }
    events
}

/// Joins notes with parameter changes; at equal frames parameters come first, as VST3 delivers them.
pub fn join(movement: Vec<Event>, notes: &[Event]) -> Vec<Event> {
    let mut events = movement;
    events.extend_from_slice(notes);
    // Stable, so that parameters stay before notes and notes in their order.
    events.sort_by_key(|event| event.frame);
    events
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_automatable_parameter_is_set_at_the_start() {
        let mut set: Vec<u32> = movement(48_000, 1)
            .iter()
            .filter_map(|event| match event.action {
                Action::Parameter { id, .. } if event.frame == 0 => Some(id),
                _ => None,
            })
            .collect();
        set.sort_unstable();
        set.dedup();
        assert_eq!(set.len(), 8);
    }

    #[test]
    fn parameters_come_before_notes_of_the_same_frame() {
        let note = Event { frame: 0, action: Action::NoteOn { channel: 0, key: 60, velocity: 1 } };
        let joined = join(movement(48_000, 100), &[note]);
        assert_eq!(joined.last(), Some(&note));
        assert!(joined.is_sorted_by_key(|event| event.frame));
    }
}
