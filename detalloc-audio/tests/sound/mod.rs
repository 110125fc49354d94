//! A cpal output stream whose callbacks are watched from inside: what its thread does to the system heap, its page faults
//! and its voluntary context switches count only between the first and the last instruction of our callback.

use cpal::{
    BufferSize, Device, OutputCallbackInfo, SampleFormat, StreamConfig,
    traits::{DeviceTrait, StreamTrait},
};
use detalloc_audio::{
    AudioBudget, Rt, RtBox, RtHeap, RtVec,
    adapter::{Watch, guarded},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

/// The first callbacks meet code and stack for the first time.
const WARM_UP: u64 = 16;

/// What was seen, in all callbacks together but the first few.
#[derive(Debug, Default, PartialEq)]
pub struct Seen {
    pub heap_calls: u64,
    pub page_faults: u64,
    pub voluntary_switches: u64,
    pub refusals: usize,
}

#[derive(Default)]
struct Counts {
    callbacks: AtomicU64,
    heap_calls: AtomicU64,
    page_faults: AtomicU64,
    voluntary_switches: AtomicU64,
    /// Of the last callback.
    frames: AtomicU64,
}

/// What plays: a value with a destructor and a buffer in every callback, the value dropped in the next one.
pub struct Busy {
    kept: Option<RtBox<Dropped>>,
    level: f32,
}

pub struct Dropped {
    level: f32,
}

impl Drop for Dropped {
    fn drop(&mut self) {
        // A destructor that would be noticed on the audio thread.
        drop(std::hint::black_box(Box::new(self.level)));
    }
}

impl Busy {
    pub fn new() -> Self {
        Self { kept: None, level: 0.0 }
    }

    pub fn render(&mut self, rt: &Rt<'_>, output: &mut [f32]) {
        self.level = (self.level + 0.001).fract();
        let mut buffer: RtVec<f32> = rt.vec(output.len()).unwrap_or_default();
        for sample in output {
            let _ = buffer.try_push(self.level);
            *sample = self.level;
        }
        self.kept = rt.boxed(Dropped { level: self.level }).ok();
    }
}

/// Plays so many callbacks of at most so many frames, and says what was seen, how the stream fared, and how many
/// frames the last callback had.
pub fn play(
    device: &Device,
    frames: u32,
    callbacks: u64,
    mut render: impl FnMut(&Rt<'_>, &mut [f32]) + Send + 'static,
) -> (Seen, Watch, u64) {
    let config = device.default_output_config().unwrap();
    assert_eq!(config.sample_format(), SampleFormat::F32);
    let config = StreamConfig { buffer_size: BufferSize::Fixed(frames), ..config.config() };
    let channels = usize::from(config.channels);

    let mut heap = RtHeap::new();
    let samples = channels * frames as usize;
    // A device without a clock hurries on however long the reaper is stalled: so a value a callback, and then no more.
    let budget = AudioBudget::new(config.sample_rate.into(), frames)
        .objects::<Dropped>(usize::try_from(WARM_UP + callbacks).unwrap())
        .slices::<f32>(samples, 2);
    heap.reconfigure(&budget).unwrap();
    let meter = heap.meter().unwrap();
    let stream = guarded(heap).in_chunks(channels, frames as usize);
    let watch = stream.watch();
    let mut callback =
        stream.output(move |rt, output: &mut [f32], _: &OutputCallbackInfo| render(rt, output));

    let counts = Arc::<Counts>::default();
    let theirs = Arc::clone(&counts);
    let stream = device
        .build_output_stream(
            config,
            move |output: &mut [f32], info: &OutputCallbackInfo| {
                let played = theirs.callbacks.load(SeqCst);
                if played == WARM_UP + callbacks {
                    return;
                }
                if played == 0 {
                    heap_watch::prepare();
                }
                theirs.frames.store((output.len() / channels) as u64, SeqCst);
                let before = usage();
                let (_, heap) = heap_watch::watch(|| callback(output, info));
                let after = usage();
                if played >= WARM_UP {
                    theirs.heap_calls.fetch_add(heap.map_or(0, |heap| heap.allocs + heap.frees), SeqCst);
                    theirs.page_faults.fetch_add(after.0 - before.0, SeqCst);
                    theirs.voluntary_switches.fetch_add(after.1 - before.1, SeqCst);
                }
                theirs.callbacks.store(played + 1, SeqCst);
            },
            |error| eprintln!("{error}"),
            None,
        )
        .unwrap();
    stream.play().unwrap();
    let start = Instant::now();
    while counts.callbacks.load(SeqCst) < WARM_UP + callbacks {
        assert!(start.elapsed() < Duration::from_secs(300), "the device does not call back");
        thread::sleep(Duration::from_millis(1));
    }
    drop(stream);
    let seen = Seen {
        heap_calls: counts.heap_calls.load(SeqCst),
        page_faults: counts.page_faults.load(SeqCst),
        voluntary_switches: counts.voluntary_switches.load(SeqCst),
        refusals: meter.snapshot().refused,
    };
    (seen, watch, counts.frames.load(SeqCst))
}

/// Minor page faults and voluntary context switches of this thread so far.
fn usage() -> (u64, u64) {
    // SAFETY: all zeroes is a valid `rusage`, which the call fills.
    let usage = unsafe {
        let mut usage: libc::rusage = core::mem::zeroed();
        assert_eq!(libc::getrusage(libc::RUSAGE_THREAD, &raw mut usage), 0);
        usage
    };
    (usage.ru_minflt.cast_unsigned(), usage.ru_nvcsw.cast_unsigned())
}
