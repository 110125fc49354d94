//! The promises of the layer over nice-plug, with the host and the framework played by the test. `AllocDisabler` is the
//! global allocator, so that any use of the system heap inside a callback aborts these tests.
#![cfg(feature = "nice-plug")]

use detalloc_audio::{
    AllocDisabler, BudgetError, RtBox,
    adapter::nice_plug::{Block, NiceHeap},
};
use nice_plug_core::{
    audio_setup::{AudioIOLayout, BufferConfig, ProcessMode},
    buffer::Buffer,
    context::{
        PluginApi,
        process::{ProcessContext, SendEventError, Transport},
    },
    midi::{Channel, Key, NoteEvent, PluginNoteEvent, VoiceID},
    params::Params,
    plugin::{Plugin, ProcessStatus},
};
use std::{collections::VecDeque, sync::Arc};

#[cfg(debug_assertions)]
#[global_allocator]
static GLOBAL: AllocDisabler = AllocDisabler;

/// A plugin, for its types only.
#[derive(Default)]
struct Synth;

impl Plugin for Synth {
    const NAME: &'static str = "Synth";
    const VENDOR: &'static str = "";
    const URL: &'static str = "";
    const EMAIL: &'static str = "";
    const VERSION: &'static str = "1";
    const AUDIO_IO_LAYOUTS: &'static [AudioIOLayout] = &[];
    type Editor = ();
    type SysExMessage = ();
    type BackgroundTask = ();

    fn params(&self) -> Arc<dyn Params> {
        unimplemented!("nobody asks")
    }

    fn process(
        &mut self,
        _: &mut Buffer<'_>,
        _: &mut nice_plug_core::audio_setup::AuxiliaryBuffers<'_>,
        _: &mut impl ProcessContext<Self>,
    ) -> ProcessStatus {
        ProcessStatus::Normal
    }
}

/// A host that sends notes.
struct Host {
    events: VecDeque<PluginNoteEvent<Synth>>,
    transport: Transport,
}

impl Host {
    fn sending(timings: &[u32]) -> Self {
        let note = |(key, &timing): (usize, &u32)| NoteEvent::NoteOn {
            timing,
            voice_id: VoiceID::Wildcard,
            channel: Channel::Number(0),
            key: Key::Number(u8::try_from(key).unwrap()),
            velocity: 1.0,
        };
        Self { events: timings.iter().enumerate().map(note).collect(), transport: Transport::new(48_000.0) }
    }
}

impl ProcessContext<Synth> for Host {
    fn plugin_api(&self) -> PluginApi {
        PluginApi::Clap
    }
    fn execute_background(&self, (): ()) {}
    fn execute_gui(&self, (): ()) {}
    fn transport(&self) -> &Transport {
        &self.transport
    }
    fn next_event(&mut self) -> Option<PluginNoteEvent<Synth>> {
        self.events.pop_front()
    }
    fn try_send_event(
        &mut self,
        event: PluginNoteEvent<Synth>,
    ) -> Result<(), (PluginNoteEvent<Synth>, SendEventError)> {
        Err((event, SendEventError::NoOutputBuffer))
    }
    fn set_latency_samples(&self, _: u32) {}
    fn request_restart(&self) {}
    fn set_current_voice_capacity(&self, _: u32) {}
}

fn announcing(max_buffer_size: u32) -> BufferConfig {
    BufferConfig {
        sample_rate: 48_000.0,
        min_buffer_size: None,
        max_buffer_size,
        process_mode: ProcessMode::Realtime,
    }
}

fn heap(max_frames: u32) -> NiceHeap {
    let mut heap = NiceHeap::new();
    heap.activate(&announcing(max_frames), |budget| budget.objects::<u64>(2)).unwrap();
    heap
}

/// A host's buffer over these channels.
fn buffer<'a>(frames: usize, channels: &'a mut [Vec<f32>]) -> Buffer<'a> {
    let mut buffer = Buffer::default();
    // SAFETY: the slices live as long as the buffer that is given out.
    unsafe {
        buffer.set_slices(frames, |slices| {
            slices.extend(channels.iter_mut().map(Vec::as_mut_slice));
        });
    }
    buffer
}

/// A block's start and frames, and the key and timing of each of its events.
type Seen = (usize, usize, Vec<(u8, u32)>);

/// What the blocks of one `process` call look like, when every event is taken.
fn blocks(max_frames: u32, frames: usize, timings: &[u32]) -> Vec<Seen> {
    let mut heap = heap(max_frames);
    let mut channels = vec![vec![0.0; frames]; 2];
    let mut seen: Vec<Seen> = Vec::with_capacity(100);
    // Not asserted in the callback, where a message would be a use of the system heap.
    let mut more_after_none = false;
    let mut host = Host::sending(timings);
    heap.process(&mut buffer(frames, &mut channels), &mut host, |_, block, events| {
        let mut taken = assert_no_alloc::permit_alloc(|| Vec::with_capacity(100));
        for event in events.by_ref() {
            let NoteEvent::NoteOn { key, timing, .. } = event else { unreachable!() };
            taken.push((key.number_or_middle_c(), timing));
        }
        more_after_none |= events.next().is_some();
        seen.push((block.start(), block.frames(), taken));
        ProcessStatus::Normal
    });
    assert!(!more_after_none, "once a block has no more events, it has none");
    seen
}

mod a_buffer {
    use super::*;

    #[test]
    fn of_what_was_announced_is_one_block() {
        assert_eq!(blocks(64, 64, &[]), [(0, 64, vec![])]);
        assert_eq!(blocks(64, 63, &[]), [(0, 63, vec![])]);
    }

    #[test]
    fn of_more_is_cut_into_blocks_of_what_was_announced() {
        assert_eq!(blocks(64, 150, &[]), [(0, 64, vec![]), (64, 64, vec![]), (128, 22, vec![])]);
        assert_eq!(blocks(64, 128, &[]), [(0, 64, vec![]), (64, 64, vec![])]);
    }

    #[test]
    fn of_nothing_is_one_empty_block_with_its_events() {
        assert_eq!(blocks(64, 0, &[0, 9]), [(0, 0, vec![(0, 0), (1, 0)])]);
    }

    #[test]
    fn is_written_to_where_it_lies() {
        let mut channels = vec![vec![0.0; 150]; 2];
        heap(64).process(&mut buffer(150, &mut channels), &mut Host::sending(&[]), |_, block, _| {
            let start = u16::try_from(block.start()).unwrap();
            let [left, right] = block.first().unwrap();
            for ((frame, left), right) in (start..).zip(left).zip(right) {
                (*left, *right) = (f32::from(frame), -f32::from(frame));
            }
            ProcessStatus::Normal
        });
        let expected: Vec<f32> = (0_u16..150).map(f32::from).collect();
        assert_eq!(channels[0], expected);
        assert!(channels[1].iter().zip(&expected).all(|(right, left)| *right == -left));
    }

    #[test]
    fn before_the_first_activation_stays_whole_and_refuses_allocations() {
        let mut channels = vec![vec![0.0; 500]; 1];
        let mut frames = Vec::with_capacity(9);
        NiceHeap::new().process(&mut buffer(500, &mut channels), &mut Host::sending(&[]), |rt, block, _| {
            frames.push(block.frames());
            assert!(rt.boxed(1_u64).is_err());
            ProcessStatus::Normal
        });
        assert_eq!(frames, [500]);
    }

    #[test]
    fn with_channels_shorter_than_the_host_said_has_none_of_their_samples() {
        let mut storage = [1.0_f32; 10];
        let short = storage.as_mut_slice();
        let mut host_buffer = Buffer::default();
        // SAFETY: the slice lives longer than the buffer. That it is too short is only logged, in debug builds.
        unsafe { host_buffer.set_slices(100, move |slices| slices.push(short)) };
        let mut samples = 0;
        heap(64).process(&mut host_buffer, &mut Host::sending(&[]), |_, block: &mut Block<'_, '_>, _| {
            assert!(block.channel(0).is_none());
            samples += block.iter_mut().map(|channel| channel.len()).sum::<usize>();
            ProcessStatus::Normal
        });
        assert_eq!(samples, 0);
    }
}

mod channels {
    use super::*;

    #[test]
    fn that_are_not_there_are_none() {
        let mut channels = vec![vec![1.0; 8]; 2];
        heap(64).process(&mut buffer(8, &mut channels), &mut Host::sending(&[]), |_, block, _| {
            assert_eq!(block.channels(), 2);
            assert!(block.first::<3>().is_none() && block.channel(2).is_none());
            assert!(block.first::<0>().is_some_and(|none| none.is_empty()));
            assert_eq!(block.first::<1>().map(|[only]| only.len()), Some(8));
            assert_eq!(block.channel(1).map(|channel| channel.len()), Some(8));
            assert_eq!(block.iter_mut().len(), 2);
            ProcessStatus::Normal
        });
    }
}

mod events {
    use super::*;

    #[test]
    fn go_to_the_block_they_belong_to_with_their_timing_corrected() {
        assert_eq!(
            blocks(64, 150, &[0, 63, 64, 64, 127, 149]),
            [
                (0, 64, vec![(0, 0), (1, 63)]),
                (64, 64, vec![(2, 0), (3, 0), (4, 63)]),
                (128, 22, vec![(5, 21)])
            ]
        );
    }

    #[test]
    fn skip_blocks_without_any() {
        assert_eq!(blocks(10, 30, &[25]), [(0, 10, vec![]), (10, 10, vec![]), (20, 10, vec![(0, 5)])]);
    }

    #[test]
    fn behind_the_hosts_own_end_come_on_the_last_frame() {
        assert_eq!(blocks(10, 15, &[15, u32::MAX]), [(0, 10, vec![]), (10, 5, vec![(0, 4), (1, 4)])]);
    }

    #[test]
    fn out_of_order_come_late_but_come() {
        assert_eq!(blocks(10, 20, &[12, 3]), [(0, 10, vec![]), (10, 10, vec![(0, 2), (1, 0)])]);
    }

    #[test]
    fn left_untaken_come_first_in_the_next_block() {
        let mut channels = vec![vec![0.0; 20]; 1];
        let mut timings = Vec::with_capacity(9);
        let mut host = Host::sending(&[1, 2, 15]);
        heap(10).process(&mut buffer(20, &mut channels), &mut host, |_, block, events| {
            if block.start() > 0 {
                timings.extend(events.map(|event| event.timing()));
            }
            ProcessStatus::Normal
        });
        assert_eq!(timings, [0, 0, 5]);
    }

    #[test]
    fn leave_the_context_at_hand() {
        let mut channels = vec![vec![0.0; 20]; 1];
        heap(10).process(&mut buffer(20, &mut channels), &mut Host::sending(&[]), |_, _, events| {
            assert_eq!(events.context().transport().sample_rate, 48_000.0);
            ProcessStatus::Normal
        });
    }
}

mod the_status {
    use super::*;

    fn status_of(answers: [ProcessStatus; 2]) -> (ProcessStatus, usize) {
        let mut channels = vec![vec![0.0; 20]; 1];
        let mut calls = 0;
        let status = heap(10).process(&mut buffer(20, &mut channels), &mut Host::sending(&[]), |_, _, _| {
            calls += 1;
            answers[calls - 1]
        });
        (status, calls)
    }

    #[test]
    fn is_that_of_the_last_block() {
        assert_eq!(status_of([ProcessStatus::Normal, ProcessStatus::Tail(7)]), (ProcessStatus::Tail(7), 2));
    }

    #[test]
    fn is_an_error_as_soon_as_there_is_one() {
        let error = ProcessStatus::Error("on purpose");
        assert_eq!(status_of([error, ProcessStatus::Normal]), (error, 1));
    }
}

mod activation {
    use super::*;

    #[test]
    fn with_absurd_figures_says_why_and_changes_nothing() {
        let mut heap = heap(64);
        for rate in [0.0, -1.0, f32::NAN, f32::INFINITY] {
            let config = BufferConfig { sample_rate: rate, ..announcing(128) };
            let refused = heap.activate(&config, |budget| budget.objects::<u64>(2)).unwrap_err();
            assert!(matches!(refused, BudgetError::SampleRate { .. }), "{rate}");
        }
        let mut channels = vec![vec![0.0; 128]; 1];
        let mut calls = 0;
        heap.process(&mut buffer(128, &mut channels), &mut Host::sending(&[]), |_, _, _| {
            calls += 1;
            ProcessStatus::Normal
        });
        assert_eq!(calls, 2, "blocks are still of 64 frames");
    }

    #[test]
    fn with_blocks_of_no_frames_gives_blocks_of_one() {
        let mut heap = heap(0);
        let mut channels = vec![vec![0.0; 3]; 1];
        let mut calls = 0;
        heap.process(&mut buffer(3, &mut channels), &mut Host::sending(&[]), |_, block, _| {
            assert_eq!(block.frames(), 1);
            calls += 1;
            ProcessStatus::Normal
        });
        assert_eq!(calls, 3);
    }

    #[test]
    fn again_and_again_keeps_what_is_alive() {
        let mut heap = heap(64);
        let kept: RtBox<u64> = heap.heap_mut().enter(|rt| rt.boxed(7)).unwrap();
        heap.activate(&announcing(256), |budget| budget.objects::<u64>(2)).unwrap();
        assert_eq!(heap.heap().meter().unwrap().snapshot().pools()[0].used, 1);
        assert_eq!(*kept, 7);
    }
}
