//! One plugin as VST3, through vst3-host. Its plugin object is both sides in one, so it moves to the processor while
//! the plugin is active.
//!
//! vst3-host's `process_audio` copies samples and queues around the plugin's `process`; that work lies inside the
//! measured section and does not allocate once each queue has seen its largest block.

use std::path::Path;

use vst3_host::{AudioBuffers, MidiChannel, MidiEvent, Plugin, Vst3Host};

use super::{Action, Block, Config, HostError, Parameter, Probe};

/// The header vst3-host puts before the component's state: magic, version and two lengths.
const ENVELOPE_BYTES: usize = 28;

/// Where the component's length lies in that header.
const COMPONENT_LENGTH: std::ops::Range<usize> = 20..24;

/// A plugin loaded as VST3.
pub struct Vst3Instance {
    plugin: Option<Plugin>,
    config: Config,
}

impl Vst3Instance {
    pub(super) fn load(bundle: &Path, config: Config) -> Result<Self, HostError> {
        let failed = |error: vst3_host::Error| HostError::Load {
            path: bundle.to_path_buf(),
            reason: error.to_string(),
        };
        let mut host = Vst3Host::builder()
            .sample_rate(f64::from(config.rate_hz))
            .block_size(crate::number::index(u64::from(config.max_block)))
            .build()
            .map_err(failed)?;
        let mut plugin = host.load_plugin(bundle).map_err(failed)?;
        // Loading leaves it active; this host's instances start inactive in both formats.
        plugin.start_processing().map_err(failed)?;
        plugin.stop_processing().map_err(failed)?;
        Ok(Vst3Instance { plugin: Some(plugin), config })
    }

    fn plugin(&mut self, operation: &'static str) -> Result<&mut Plugin, HostError> {
        self.plugin.as_mut().ok_or_else(|| HostError::refused(operation)("the plugin is active".to_owned()))
    }

    pub(super) fn parameters(&mut self) -> Result<Vec<Parameter>, HostError> {
        let parameters = self.plugin("parameters")?.get_parameters().map_err(refused("parameters"))?;
        Ok(parameters
            .into_iter()
            .map(|parameter| Parameter {
                id: parameter.id,
                name: parameter.name,
                automatable: parameter.can_automate,
                max: 1.0,
            })
            .collect())
    }

    pub(super) fn parameter_text(&mut self, id: u32, normalised: f64) -> Result<String, HostError> {
        self.plugin("parameter text")?.format_parameter(id, normalised).map_err(refused("parameter text"))
    }

    pub(super) fn parameter(&mut self, id: u32) -> Result<f64, HostError> {
        self.plugin("parameter value")?.get_parameter(id).map_err(refused("parameter value"))
    }

    pub(super) fn save_state(&mut self) -> Result<Vec<u8>, HostError> {
        let envelope = self.plugin("save state")?.save_state().map_err(refused("save state"))?;
        let component = envelope.get(COMPONENT_LENGTH).and_then(|bytes| {
            let length = u32::from_le_bytes(bytes.try_into().ok()?);
            envelope.get(ENVELOPE_BYTES..)?.get(..usize::try_from(length).ok()?)
        });
        component.map(<[u8]>::to_vec).ok_or_else(|| {
            HostError::refused("save state")("vst3-host's envelope has another shape".to_owned())
        })
    }

    pub(super) fn load_state(&mut self, bytes: &[u8]) -> Result<(), HostError> {
        // Bytes without an envelope are taken as the component's own.
        self.plugin("load state")?.load_state(bytes).map_err(refused("load state"))
    }

    pub(super) fn reconfigure(&mut self, config: Config) -> Result<(), HostError> {
        let block = crate::number::index(u64::from(config.max_block));
        self.plugin("reconfigure")?
            .reconfigure(f64::from(config.rate_hz), block)
            .map_err(refused("reconfigure"))?;
        self.config = config;
        Ok(())
    }

    pub(super) fn activate(&mut self) -> Result<Vst3Processor, HostError> {
        self.plugin("activate")?.start_processing().map_err(refused("activate"))?;
        let block = crate::number::index(u64::from(self.config.max_block));
        match self.plugin.take() {
            Some(plugin) => Ok(Vst3Processor {
                plugin,
                buffers: AudioBuffers::new(2, 2, block, f64::from(self.config.rate_hz)),
            }),
            None => Err(HostError::refused("activate")("the plugin is active".to_owned())),
        }
    }

    pub(super) fn deactivate(&mut self, processor: Vst3Processor) -> Result<(), HostError> {
        if self.plugin.is_some() {
            return Err(HostError::refused("deactivate")("the processor is another instance's".to_owned()));
        }
        let mut plugin = processor.plugin;
        let stopped = plugin.stop_processing().map_err(refused("deactivate"));
        self.plugin = Some(plugin);
        stopped
    }
}

/// The audio side of a plugin loaded as VST3.
pub struct Vst3Processor {
    plugin: Plugin,
    buffers: AudioBuffers,
}

impl Vst3Processor {
    pub(super) fn process(&mut self, block: Block<'_>, probe: &mut Probe) -> Result<(), HostError> {
        let frames = block.frames();
        for (own, given) in self.buffers.inputs.iter_mut().zip(block.input) {
            own.clear();
            own.extend_from_slice(given);
        }
        for own in &mut self.buffers.outputs {
            own.resize(frames, 0.0);
        }
        for event in block.events {
            let offset = i32::try_from(block.offset(event)).unwrap_or(i32::MAX);
            self.queue(event.action, offset)?;
        }

        let Vst3Processor { plugin, buffers } = self;
        probe.call(|| plugin.process_audio(buffers)).map_err(refused("process"))?;

        for (given, own) in block.output.into_iter().zip(&self.buffers.outputs) {
            given.copy_from_slice(own);
        }
        Ok(())
    }

    fn queue(&mut self, action: Action, offset: i32) -> Result<(), HostError> {
        let channel = |index| MidiChannel::from_index(index).unwrap_or(MidiChannel::Ch1);
        match action {
            Action::NoteOn { channel: at, key: note, velocity } => {
                let event = MidiEvent::NoteOn { channel: channel(at), note, velocity };
                self.plugin.send_midi_event_at(event, offset).map_err(refused("note on"))
            }
            Action::NoteOff { channel: at, key: note } => {
                let event = MidiEvent::NoteOff { channel: channel(at), note, velocity: 0 };
                self.plugin.send_midi_event_at(event, offset).map_err(refused("note off"))
            }
            Action::Parameter { id, normalised } => {
                self.plugin.set_parameter_at(id, normalised, offset).map_err(refused("parameter change"))
            }
        }
    }
}

fn refused(operation: &'static str) -> impl Fn(vst3_host::Error) -> HostError {
    move |error| HostError::Refused { operation, reason: error.to_string() }
}
