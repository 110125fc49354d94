//! The computer's keyboard as a piano: two rows of keys, from C3 and from C4. A terminal says only when a key goes down, so
//! every note has the same length.

use crate::engine::Note;
use console::{Key, Term};
use ringbuf::{HeapProd, traits::Producer};
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

const LOWER: (u8, &str) = (48, "zsxdcvgbhnjm,");
const UPPER: (u8, &str) = (60, "q2w3er5t6y7ui9o0p");
const LENGTH: Duration = Duration::from_millis(400);

pub struct Keyboard {
    stop: Arc<AtomicBool>,
    _terminal: SavedTerminal,
}

impl Keyboard {
    pub fn wants_to_stop(&self) -> bool {
        self.stop.load(Relaxed)
    }
}

/// Hands notes over until somebody wants to stop.
pub fn listen(keys: HeapProd<Note>) -> Keyboard {
    println!("{} and {} are the keys of a piano; Escape stops", LOWER.1, UPPER.1);
    let saved = SavedTerminal::new();
    let stop = Arc::new(AtomicBool::new(false));
    let theirs = Arc::clone(&stop);
    let keys = Arc::new(Mutex::new(keys));
    let send = move |note| keys.lock().unwrap_or_else(PoisonError::into_inner).try_push(note).is_ok();
    thread::spawn(move || {
        let terminal = Term::stdout();
        while let Ok(pressed) = terminal.read_key() {
            match pressed {
                Key::Char(character) => {
                    let Some(key) = key_of(character) else { continue };
                    // A full queue is a note that nobody hears.
                    if send(Note::On { key, velocity: 0.7 }) {
                        let send = send.clone();
                        thread::spawn(move || {
                            thread::sleep(LENGTH);
                            send(Note::Off { key });
                        });
                    }
                }
                Key::Escape | Key::CtrlC => break,
                _ => {}
            }
        }
        theirs.store(true, Relaxed);
    });
    Keyboard { stop, _terminal: saved }
}

/// The terminal's mode, restored at the end: whoever waits for a key then leaves it as it is while waiting.
struct SavedTerminal {
    #[cfg(unix)]
    mode: Option<libc::termios>,
}

impl SavedTerminal {
    fn new() -> Self {
        Self {
            #[cfg(unix)]
            // SAFETY: all zeroes is a valid `termios`, which the call fills.
            mode: unsafe {
                let mut mode: libc::termios = core::mem::zeroed();
                (libc::tcgetattr(libc::STDIN_FILENO, &raw mut mode) == 0).then_some(mode)
            },
        }
    }
}

#[cfg(unix)]
impl Drop for SavedTerminal {
    fn drop(&mut self) {
        if let Some(mode) = &self.mode {
            // SAFETY: the mode is one that the terminal had.
            unsafe { libc::tcsetattr(libc::STDIN_FILENO, libc::TCSANOW, mode) };
        }
    }
}

fn key_of(character: char) -> Option<u8> {
    [LOWER, UPPER].into_iter().find_map(|(first, row)| {
        let above = row.find(character.to_ascii_lowercase())?;
        first.checked_add(u8::try_from(above).ok()?)
    })
}
