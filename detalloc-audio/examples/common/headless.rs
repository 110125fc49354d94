//! A stage without a device: an audio thread that is called back as fast as it goes, or by the clock.

use super::{CHANNELS, Stage, Tally};
use detalloc_audio::{
    Rt, RtHeap,
    adapter::{Watch, guarded},
};
use std::{
    sync::mpsc::sync_channel,
    thread,
    time::{Duration, Instant},
};
use thread_watch::Silence;

/// How often `control` runs, a second of audio.
const TICKS_HZ: u32 = 100;

/// Plays, and gives back all of it.
pub fn play(
    stage: &Stage,
    heap: RtHeap,
    seconds: f64,
    tally: &Tally,
    paced: bool,
    mut render: impl FnMut(&Rt<'_>, &[f32], &mut [f32]) + Send,
    mut control: impl FnMut(f64) -> bool,
) -> Result<(Watch, Vec<f32>), String> {
    let (rate_hz, block) = (f64::from(stage.rate_hz), stage.max_frames as usize);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "ten minutes at most")]
    let frames = (seconds * rate_hz).round().max(1.0) as usize;
    // Filled, so that every page of it is there before the first callback.
    let mut played = vec![f32::NAN; frames * CHANNELS];
    let silence = vec![0.0; block * CHANNELS];
    let stream = guarded(heap).in_chunks(CHANNELS, block);
    let watch = stream.watch();
    let mut callback = stream.output(move |rt, output: &mut [f32], (): &()| {
        render(rt, &silence[..output.len()], output);
    });

    // The two threads take turns, so that the same options give the same sound.
    let (tick, ticks) = sync_channel(0);
    let (go_on, went_on) = sync_channel::<()>(0);
    let blocks_a_tick = (stage.rate_hz / TICKS_HZ / stage.max_frames).max(1) as usize;
    let blocks = played.chunks_mut(block * CHANNELS).enumerate();
    let done = thread::scope(|scope| {
        let audio = thread::Builder::new().name("audio".into()).spawn_scoped(scope, move || {
            let (start, mut done) = (Instant::now(), 0);
            for (index, output) in blocks {
                #[expect(clippy::cast_precision_loss, reason = "ten minutes at most")]
                let now = done as f64 / rate_hz;
                if index % blocks_a_tick == 0 && (tick.send(now).is_err() || went_on.recv().is_err()) {
                    break;
                }
                if paced {
                    let at = start + Duration::from_secs_f64(now);
                    thread::sleep(at.saturating_duration_since(Instant::now()));
                }
                output.fill(0.0);
                tally.callback(|| callback(output, &()));
                done += output.len() / CHANNELS;
            }
            done
        });
        let audio = audio.map_err(|error| format!("no thread for the audio: {error}"))?;
        while let Ok(now) = ticks.recv() {
            if !control(now) || go_on.send(()).is_err() {
                break;
            }
        }
        drop((ticks, go_on));
        audio.join().map_err(|_| "the audio thread panicked".to_owned())
    })?;
    played.truncate(done * CHANNELS);
    Ok((watch, played))
}

/// Callbacks that meet code and stack for the first time.
const WARM_UP: usize = 64;

/// Plays so many callbacks on a thread that may make no system call, and ends the program. What comes back is why it could not.
pub fn silent(
    stage: &Stage,
    mut heap: RtHeap,
    callbacks: usize,
    mut render: impl FnMut(&Rt<'_>, &[f32], &mut [f32]) + Send,
    mut control: impl FnMut(f64) -> bool,
) -> String {
    let samples = stage.max_frames as usize * CHANNELS;
    let (input, mut output) = (vec![0.0; samples], vec![0.0; samples]);
    println!("{callbacks} callbacks without a system call");
    thread::scope(|scope| {
        let audio = scope.spawn(move || {
            let mut callback = || {
                output.fill(0.0);
                heap.enter(|rt| render(rt, &input, &mut output));
            };
            (0..WARM_UP).for_each(|_| callback());
            match Silence::begin() {
                Ok(silence) => {
                    (0..callbacks).for_each(|_| callback());
                    silence.end()
                }
                Err(error) => error.to_string(),
            }
        });
        let start = Instant::now();
        while !audio.is_finished() {
            control(start.elapsed().as_secs_f64());
            thread::sleep(Duration::from_millis(1));
        }
        audio.join().unwrap_or_else(|_| "the audio thread panicked".to_owned())
    })
}
