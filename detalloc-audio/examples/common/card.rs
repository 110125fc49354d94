//! A stage with a sound card, through cpal.

use super::{CHANNELS, Options, Stage, Tally};
use cpal::{
    BufferSize, Device, FromSample, Host, InputCallbackInfo, OutputCallbackInfo, Sample as _, SampleFormat,
    SizedSample, Stream, StreamConfig, SupportedStreamConfig,
    traits::{DeviceTrait, HostTrait, StreamTrait},
};
use detalloc_audio::{
    Rt, RtHeap,
    adapter::{Sample, Watch, guarded},
};
use ringbuf::{
    HeapCons, HeapRb,
    traits::{Consumer, Producer, Split},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc,
    },
    thread,
    time::Duration,
};

/// A device to play on, and one to listen to.
pub struct Card {
    output: (Device, StreamConfig, SampleFormat),
    input: Option<(Device, StreamConfig, SampleFormat)>,
}

/// Runs something with the type that a device's samples have.
macro_rules! with_sample {
    ($format:expr, $sample:ident => $run:expr) => {
        match $format {
            SampleFormat::F32 => {
                type $sample = f32;
                $run
            }
            SampleFormat::F64 => {
                type $sample = f64;
                $run
            }
            SampleFormat::I8 => {
                type $sample = i8;
                $run
            }
            SampleFormat::I16 => {
                type $sample = i16;
                $run
            }
            SampleFormat::I24 => {
                type $sample = cpal::I24;
                $run
            }
            SampleFormat::I32 => {
                type $sample = i32;
                $run
            }
            SampleFormat::U8 => {
                type $sample = u8;
                $run
            }
            SampleFormat::U16 => {
                type $sample = u16;
                $run
            }
            SampleFormat::U32 => {
                type $sample = u32;
                $run
            }
            other => Err(format!("samples of the format {other} are not for these examples")),
        }
    };
}

impl Card {
    pub fn open(options: &Options, with_input: bool) -> Result<Self, String> {
        let host = host(options.host.as_deref())?;
        let output = match &options.device {
            Some(name) => named(&host, name)?,
            None => host.default_output_device().ok_or("there is no device to play on")?,
        };
        let config =
            output.default_output_config().map_err(|error| format!("{output} cannot play: {error}"))?;
        let output = (output, asked(&config, options), config.sample_format());
        let input = with_input.then(|| host.default_input_device()).flatten().and_then(|input| {
            let config = input.default_input_config().ok()?;
            let mut asked = asked(&config, options);
            asked.sample_rate = output.1.sample_rate;
            Some((input, asked, config.sample_format()))
        });
        Ok(Self { output, input })
    }

    pub fn rate_hz(&self) -> u32 {
        self.output.1.sample_rate
    }

    #[allow(dead_code, reason = "not every example asks")]
    pub fn listens(&self) -> bool {
        self.input.is_some()
    }

    pub fn play(
        &self,
        stage: &Stage,
        heap: RtHeap,
        seconds: f64,
        tally: &Tally,
        render: impl FnMut(&Rt<'_>, &[f32], &mut [f32]) + Send + 'static,
        mut control: impl FnMut(f64) -> bool,
    ) -> Result<Watch, String> {
        // Half a second: more than two callbacks are ever apart.
        let (producer, consumer) = HeapRb::<f32>::new(stage.rate_hz as usize).split();
        let _listening = match &self.input {
            Some((device, config, format)) => with_sample!(*format, S => {
                let channels = usize::from(config.channels);
                let mut producer = producer;
                start(device.build_input_stream(
                    *config,
                    move |samples: &[S], _: &InputCallbackInfo| {
                        for frame in samples.chunks_exact(channels) {
                            let right = frame.get(1).unwrap_or(&frame[0]);
                            // What is not fetched in half a second is late anyway.
                            producer.push_slice(&[f32::from_sample(frame[0]), f32::from_sample(*right)]);
                        }
                    },
                    |error| eprintln!("input: {error}"),
                    None,
                ))
                .map(Some)
            })?,
            None => None,
        };

        let (errors, failed) = mpsc::channel();
        let frames = Arc::new(AtomicU64::new(0));
        let (device, config, format) = &self.output;
        let stream = guarded(heap).in_chunks(usize::from(config.channels), stage.max_frames as usize);
        let watch = stream.watch();
        let playing = with_sample!(*format, S => {
            let mut callback = stream.output(on_card::<S>(stage.max_frames as usize, usize::from(config.channels), consumer, render));
            let (tally, frames, channels) = (tally.clone(), Arc::clone(&frames), usize::from(config.channels));
            start(device.build_output_stream(
                *config,
                move |samples: &mut [S], info: &OutputCallbackInfo| {
                    let count = samples.len() / channels;
                    tally.callback(|| callback(samples, info));
                    frames.fetch_add(count as u64, Relaxed);
                },
                move |error| drop(errors.send(error)),
                None,
            ))
        })?;
        println!("playing on {device}");

        loop {
            #[expect(clippy::cast_precision_loss, reason = "ten minutes at most")]
            let now = frames.load(Relaxed) as f64 / f64::from(stage.rate_hz);
            if now >= seconds || !control(now) {
                break;
            }
            match failed.try_recv() {
                Ok(error) if error.kind() == cpal::ErrorKind::DeviceNotAvailable => {
                    return Err(format!("{device}: {error}"));
                }
                Ok(error) => eprintln!("{device}: {error}"),
                Err(_) => thread::sleep(Duration::from_millis(10)),
            }
        }
        drop(playing);
        Ok(watch)
    }
}

/// Renders in stereo, and gives the card as many channels as it has.
fn on_card<S: Sample + SizedSample + FromSample<f32>>(
    max_frames: usize,
    channels: usize,
    mut input: HeapCons<f32>,
    mut render: impl FnMut(&Rt<'_>, &[f32], &mut [f32]),
) -> impl FnMut(&Rt<'_>, &mut [S], &OutputCallbackInfo) {
    let mut live = vec![0.0_f32; max_frames * CHANNELS];
    let mut mix = live.clone();
    move |rt, output, _| {
        let samples = output.len() / channels * CHANNELS;
        let (live, mix) = (&mut live[..samples], &mut mix[..samples]);
        let heard = input.pop_slice(live);
        live[heard..].fill(0.0);
        mix.fill(0.0);
        render(rt, live, mix);
        for (frame, mixed) in output.chunks_mut(channels).zip(mix.chunks_exact(CHANNELS)) {
            match frame {
                [mono] => *mono = S::from_sample((mixed[0] + mixed[1]) / 2.0),
                [left, right, rest @ ..] => {
                    (*left, *right) = (S::from_sample(mixed[0]), S::from_sample(mixed[1]));
                    rest.fill(<S as Sample>::SILENCE);
                }
                [] => {}
            }
        }
    }
}

fn start(stream: Result<Stream, cpal::Error>) -> Result<Stream, String> {
    let stream = stream.map_err(|error| format!("the device cannot do that: {error}"))?;
    stream.play().map_err(|error| format!("the device does not start: {error}"))?;
    Ok(stream)
}

fn asked(config: &SupportedStreamConfig, options: &Options) -> StreamConfig {
    StreamConfig {
        sample_rate: options.rate.unwrap_or(config.sample_rate()),
        buffer_size: BufferSize::Fixed(options.block),
        ..config.config()
    }
}

fn host(name: Option<&str>) -> Result<Host, String> {
    let Some(name) = name else { return Ok(cpal::default_host()) };
    let hosts = cpal::available_hosts();
    let names = || hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let id = name.parse().map_err(|_| format!("there is no host {name} here, but: {}", names()))?;
    cpal::host_from_id(id).map_err(|error| format!("host {name}: {error}"))
}

fn named(host: &Host, name: &str) -> Result<Device, String> {
    let devices = host.output_devices().map_err(|error| format!("no devices: {error}"))?;
    let mut others = Vec::new();
    for device in devices {
        let id = device.id().map(|id| id.id().to_owned()).unwrap_or_default();
        if id == name || device.to_string() == name {
            return Ok(device);
        }
        others.push(id);
    }
    Err(format!("there is no device {name} here, but: {}", others.join(", ")))
}
