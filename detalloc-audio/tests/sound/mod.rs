//! A cpal output stream whose callbacks are proved, from their first to their last instruction.

use cpal::{
    BufferSize, Device, OutputCallbackInfo, SampleFormat, StreamConfig,
    traits::{DeviceTrait, StreamTrait},
};
use detalloc_audio::{
    AudioBudget, Rt, RtBox, RtHeap, RtVec,
    adapter::{Watch, guarded},
    prove::{Proof, Report},
};
use std::{sync::mpsc, time::Duration};

/// The first callbacks meet code and stack for the first time.
const WARM_UP: usize = 16;

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

/// Plays so many callbacks of at most so many frames, and gives the report, how the stream fared, and how many
/// frames the last callback had.
pub fn play(
    device: &Device,
    frames: u32,
    callbacks: usize,
    mut render: impl FnMut(&Rt<'_>, &mut [f32]) + Send + 'static,
) -> (Report, Watch, usize) {
    let config = device.default_output_config().unwrap();
    assert_eq!(config.sample_format(), SampleFormat::F32);
    let config = StreamConfig { buffer_size: BufferSize::Fixed(frames), ..config.config() };
    let channels = usize::from(config.channels);

    let mut heap = RtHeap::new();
    let samples = channels * frames as usize;
    // A device without a clock hurries on however long the reaper is stalled: so a value a callback, and then no more.
    let budget = AudioBudget::new(config.sample_rate.into(), frames)
        .objects::<Dropped>(WARM_UP + callbacks)
        .slices::<f32>(samples, 2);
    heap.reconfigure(&budget).unwrap();
    let mut proof = Some(Proof::new().warm_up(WARM_UP).heap(&heap));
    let stream = guarded(heap).in_chunks(channels, frames as usize);
    let watch = stream.watch();
    let mut callback =
        stream.output(move |rt, output: &mut [f32], _: &OutputCallbackInfo| render(rt, output));

    let mut left = WARM_UP + callbacks;
    let (done, reports) = mpsc::channel();
    let stream = device
        .build_output_stream(
            config,
            move |output: &mut [f32], info: &OutputCallbackInfo| {
                if let Some(proof) = &mut proof {
                    proof.callback(|| callback(output, info));
                    left -= 1;
                }
                if left == 0
                    && let Some(proof) = proof.take()
                {
                    let _ = done.send((proof.report(), output.len() / channels));
                }
            },
            |error| eprintln!("{error}"),
            None,
        )
        .unwrap();
    stream.play().unwrap();
    let (report, frames) = reports.recv_timeout(Duration::from_secs(300)).expect("the device calls back");
    drop(stream);
    (report, watch, frames)
}
