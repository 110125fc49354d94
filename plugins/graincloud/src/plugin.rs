//! The engine as a plugin: parameters, notes, buses and the sample in the state, for CLAP and VST3 alike.

use crate::{
    engine::{Engine, Material, Note, TimedNote, Which},
    loader::Loader,
    params::GraincloudParams,
    report::{Instance, Registration},
};
use nice_plug::{
    midi::{Channel, Key, VoiceID},
    plugin::ParamValue,
    prelude::*,
};
use std::sync::Arc;

/// Graincloud in a host.
pub struct Graincloud {
    params: Arc<GraincloudParams>,
    loader: Arc<Loader>,
    engine: Engine,
    /// Material that the engine could not take yet.
    waiting: Option<Box<Material>>,
    /// The host gives one channel of input, for both of the output.
    mono: bool,
    instance: Arc<Instance>,
    registration: Option<Registration>,
}

impl Default for Graincloud {
    fn default() -> Self {
        let loader = Arc::new(Loader::new());
        let engine = Engine::new();
        let instance = Arc::new(Instance::new(Arc::clone(&loader), engine.telemetry()));
        Self {
            params: Arc::new(GraincloudParams::new(&loader)),
            loader,
            engine,
            waiting: None,
            mono: false,
            instance,
            registration: None,
        }
    }
}

impl Plugin for Graincloud {
    const NAME: &'static str = "Graincloud";
    const VENDOR: &'static str = "Detalloc";
    const URL: &'static str = env!("CARGO_PKG_REPOSITORY");
    const EMAIL: &'static str = "";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");

    const AUDIO_IO_LAYOUTS: &'static [AudioIOLayout] = &[
        AudioIOLayout {
            main_input_channels: Some(new_nonzero_u32(2)),
            main_output_channels: Some(new_nonzero_u32(2)),
            ..AudioIOLayout::const_default()
        },
        AudioIOLayout {
            main_input_channels: Some(new_nonzero_u32(1)),
            main_output_channels: Some(new_nonzero_u32(2)),
            ..AudioIOLayout::const_default()
        },
    ];

    const MIDI_INPUT: MidiConfig = MidiConfig::Basic;
    const SAMPLE_ACCURATE_AUTOMATION: bool = true;
    /// Beyond this many events in one block the framework's list of them would grow on the audio thread.
    const INPUT_EVENT_CAPACITY: usize = 8192;

    type Editor = ();
    type SysExMessage = ();
    type BackgroundTask = ();

    fn params(&self) -> Arc<dyn Params> {
        Arc::<GraincloudParams>::clone(&self.params)
    }

    /// An infinite number would be taken, and saved as none; and then nothing of that state could be loaded.
    fn filter_state(state: &mut PluginState) {
        let is_finite = |value: &ParamValue| !matches!(value, ParamValue::F32(number) if !number.is_finite());
        state.params.retain(|_, value| is_finite(value));
    }

    fn activate(
        &mut self,
        layout: &AudioIOLayout,
        config: &BufferConfig,
        _: &mut impl ActivateContext<Self>,
    ) -> bool {
        self.mono = layout.main_input_channels == Some(new_nonzero_u32(1));
        if let Err(error) = self.engine.prepare(f64::from(config.sample_rate), config.max_buffer_size.max(1))
        {
            nice_error!("Graincloud cannot be activated: {error}");
            return false;
        }
        self.waiting = None;
        if let Some(material) = self.loader.activate(rate(config.sample_rate)) {
            self.engine.load(material);
        }
        self.instance.set_meter(self.engine.meter());
        self.registration.get_or_insert_with(|| Registration::new(&self.instance));
        true
    }

    fn reset(&mut self) {
        self.engine.reset();
    }

    fn process(
        &mut self,
        buffer: &mut Buffer<'_>,
        _: &mut AuxiliaryBuffers<'_>,
        context: &mut impl ProcessContext<Self>,
    ) -> ProcessStatus {
        if let Some(material) = self.waiting.take().or_else(|| self.loader.fetch()) {
            self.waiting = self.engine.play_from(material).err();
        }
        let [left, right] = buffer.as_slice() else { return ProcessStatus::Normal };
        if self.mono {
            let frames = left.len().min(right.len());
            right[..frames].copy_from_slice(&left[..frames]);
        }
        let notes = std::iter::from_fn(|| context.next_event()).filter_map(|event| timed_note(&event));
        self.engine.process(notes, &self.params.controls(), left, right);
        // Held keys can be silent for a while; without them, silence at the output is the end.
        if self.engine.keys_held() > 0 { ProcessStatus::KeepAlive } else { ProcessStatus::Normal }
    }
}

/// Whole Hz, as files have them.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates; the loader refuses the rest"
)]
fn rate(sample_rate: f32) -> u32 {
    sample_rate.round() as u32
}

/// The notes among the events.
fn timed_note(event: &PluginNoteEvent<Graincloud>) -> Option<TimedNote> {
    let id = |voice: VoiceID| match voice {
        VoiceID::ID(id) => Some(id),
        VoiceID::Wildcard => None,
    };
    let which = |voice: VoiceID, channel: Channel, key: Key| Which {
        channel: channel.number(),
        key: key.number(),
        id: id(voice),
    };
    let note = match *event {
        NoteEvent::NoteOn { voice_id, channel, key, velocity, .. } => Note::On {
            channel: channel.number().unwrap_or(0),
            key: key.number_or_middle_c(),
            velocity,
            id: id(voice_id),
        },
        NoteEvent::NoteOff { voice_id, channel, key, .. } => Note::Off(which(voice_id, channel, key)),
        NoteEvent::Choke { voice_id, channel, key, .. } => Note::Choke(which(voice_id, channel, key)),
        _ => return None,
    };
    Some(TimedNote { offset: event.timing(), note })
}

impl ClapPlugin for Graincloud {
    const CLAP_ID: &'static str = "org.detalloc.graincloud";
    const CLAP_DESCRIPTION: Option<&'static str> =
        Some("A granular instrument and effect whose grains live in deterministic pools");
    const CLAP_MANUAL_URL: Option<&'static str> = None;
    const CLAP_SUPPORT_URL: Option<&'static str> = None;
    const CLAP_FEATURES: &'static [ClapFeature] = &[
        ClapFeature::Instrument,
        ClapFeature::AudioEffect,
        ClapFeature::Granular,
        ClapFeature::Sampler,
        ClapFeature::Stereo,
    ];
}

impl Vst3Plugin for Graincloud {
    const VST3_CLASS_ID: [u8; 16] = *b"DetallocGrainCld";
    const VST3_SUBCATEGORIES: &'static [Vst3SubCategory] = &[
        Vst3SubCategory::Fx,
        Vst3SubCategory::Instrument,
        Vst3SubCategory::Sampler,
        Vst3SubCategory::Stereo,
    ];
}
