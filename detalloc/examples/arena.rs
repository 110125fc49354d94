//! Temporary buffers of a callback in an arena: aligned for vector instructions, gone at its end, and those of a part of
//! it gone earlier.
//!
//! `cargo run -p detalloc --example arena`

use core::mem::MaybeUninit;
use detalloc::{Arena, ArenaFull};

const FRAMES: usize = 64;

/// Mixes two delayed copies of the input, whose buffers are needed nowhere else.
fn chorus(arena: &mut Arena<'_>, input: &[f32; FRAMES], delays: [usize; 2]) -> Result<f32, ArenaFull> {
    arena.scope(|scope| {
        let mut peak = 0.0_f32;
        for delay in delays {
            let copy = scope.slice(FRAMES, 64, 0.0_f32)?;
            copy[delay..].copy_from_slice(&input[..FRAMES - delay]);
            peak = copy.iter().fold(peak, |peak, frame| peak.max(frame.abs()));
        }
        Ok(peak)
    })
}

fn main() -> Result<(), ArenaFull> {
    let mut region = [MaybeUninit::uninit(); 1024];
    let mut arena = Arena::new(&mut region);
    let mut input = [0.0; FRAMES];
    input[10] = 0.5;
    for callback in 1..=3 {
        arena.reset();
        let before = arena.slice(FRAMES, 64, 0.0_f32)?.len();
        let peak = chorus(&mut arena, &input, [3, 7])?;
        println!(
            "callback {callback}: {before} frames of scratch, peak {peak}, {} bytes in use",
            arena.used_bytes()
        );
    }
    println!("at most {} of {} bytes", arena.high_water_bytes(), arena.capacity_bytes());
    // Too much is an error that says how much is missing.
    let error = arena.slice(1000, 64, 0.0_f32).map(|_| ()).unwrap_err();
    println!("1000 frames: {error}");
    Ok(())
}
