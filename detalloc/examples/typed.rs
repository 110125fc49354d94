//! Voices of a synthesiser in a static typed pool: no region, no configuration, and a note that finds no voice comes back.
//!
//! `cargo run -p detalloc --example typed`

use detalloc::{PoolBox, static_pool};

struct Voice {
    note: u8,
    gain: f32,
}

static_pool! {
    /// As many voices as there will ever be.
    static VOICES: [Voice; 4];
}

fn main() {
    let pool = VOICES.claim().expect("nobody else has claimed the voices");
    let mut playing: Vec<PoolBox<'_, Voice, 4>> = Vec::with_capacity(4);
    for note in [60, 64, 67, 72, 76] {
        match pool.insert(Voice { note, gain: 1.0 }) {
            Ok(voice) => playing.push(voice),
            Err(full) => {
                // Steals the quietest voice, whose slot the new one gets.
                let new = full.into_value();
                let gain = |voice: &PoolBox<'_, Voice, 4>| voice.gain;
                let quietest =
                    (0..playing.len()).min_by(|&a, &b| gain(&playing[a]).total_cmp(&gain(&playing[b])));
                if let Some(quietest) = quietest {
                    let stolen = playing.swap_remove(quietest).into_value();
                    println!("note {} is stolen for note {}", stolen.note, new.note);
                    playing.extend(pool.insert(new).ok());
                }
            }
        }
        for voice in &mut playing {
            voice.gain *= 0.7;
        }
    }
    println!("playing: {:?}", playing.iter().map(|voice| voice.note).collect::<Vec<_>>());
    println!("{} of 4 voices in use, at most {}", pool.used(), pool.high_water());
}
