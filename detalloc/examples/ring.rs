//! Events from a control thread to an audio callback and levels back, over two rings without a lock or a copy.
//!
//! `cargo run -p detalloc --example ring`

use core::mem::MaybeUninit;
use detalloc::{RingConsumer, RingProducer, ring, ring_bytes_needed};
use std::{error::Error, thread};

const FRAMES: usize = 64;

/// What a callback does: takes every gain change that has come, plays, and reports its level.
fn callback(
    gains: &mut RingConsumer<'_>,
    levels: &mut RingProducer<'_>,
    gain: &mut f32,
    frames: &mut [f32; FRAMES],
) {
    while let Some(message) = gains.read() {
        if let Ok(bytes) = message[..].try_into() {
            *gain = f32::from_le_bytes(bytes);
        }
    }
    frames.fill(*gain);
    let level = frames.iter().fold(0.0_f32, |level, frame| level.max(frame.abs()));
    // When nobody reads, the level is lost, and the callback goes on.
    if let Ok(mut grant) = levels.grant(4) {
        grant.copy_from_slice(&level.to_le_bytes());
        grant.commit(4);
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut to_audio = [MaybeUninit::uninit(); ring_bytes_needed(32, 4)];
    let mut from_audio = [MaybeUninit::uninit(); ring_bytes_needed(32, 4)];
    let (mut gains, mut gains_in) = ring(&mut to_audio)?;
    let (mut levels_out, mut levels) = ring(&mut from_audio)?;
    for gain in [0.25_f32, 0.5] {
        let mut grant = gains.grant(4)?;
        grant.copy_from_slice(&gain.to_le_bytes());
        grant.commit(4);
    }
    thread::scope(|scope| {
        scope.spawn(move || {
            let (mut gain, mut frames) = (0.0, [0.0; FRAMES]);
            for _ in 0..10 {
                callback(&mut gains_in, &mut levels_out, &mut gain, &mut frames);
            }
        });
    });
    let mut count = 0;
    while let Some(level) = levels.read() {
        count += 1;
        println!("callback {count}: level {}", f32::from_le_bytes(level[..].try_into()?));
    }
    Ok(())
}
