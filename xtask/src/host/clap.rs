//! One plugin as CLAP, through clack-host.

use std::io::Cursor;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use clack_extensions::params::{ParamInfoBuffer, ParamInfoFlags, PluginParams};
use clack_extensions::state::PluginState;
use clack_host::events::event_types::{NoteOffEvent, NoteOnEvent, ParamValueEvent};
use clack_host::prelude::*;
use clack_host::process::{PluginAudioProcessor, StartedPluginAudioProcessor};
use clack_host::utils::ClapId;

use super::{Action, Block, Config, HostError, Parameter, Probe};

/// Room for events of a block; more than this allocates, outside the measured section.
const EVENTS: usize = 2048;

struct Handlers;

impl HostHandlers for Handlers {
    type Shared<'a> = Shared;
    type MainThread<'a> = ();
    type AudioProcessor<'a> = ();
}

#[derive(Default)]
struct Shared {
    callback_requested: AtomicBool,
    params: OnceLock<Option<PluginParams>>,
    state: OnceLock<Option<PluginState>>,
}

impl<'a> SharedHandler<'a> for Shared {
    fn initializing(&self, instance: InitializingPluginHandle<'a>) {
        // Each plugin initialises once, so neither is set already.
        let _ = self.params.set(instance.get_extension());
        let _ = self.state.set(instance.get_extension());
    }

    fn request_restart(&self) {}

    fn request_process(&self) {}

    fn request_callback(&self) {
        self.callback_requested.store(true, Ordering::Release);
    }
}

/// A plugin loaded as CLAP.
pub struct ClapInstance {
    // Before the entry, which keeps the library loaded.
    plugin: PluginInstance<Handlers>,
    _entry: PluginEntry,
    config: Config,
}

impl ClapInstance {
    pub(super) fn load(bundle: &Path, config: Config) -> Result<Self, HostError> {
        let failed = |reason: String| HostError::Load { path: bundle.to_path_buf(), reason };
        // SAFETY: loading runs the library's initialisers and CLAP entry; it is a plugin of this workspace or one the
        // user chose to run.
        let entry = unsafe { PluginEntry::load(bundle) }.map_err(|error| failed(error.to_string()))?;
        let factory = entry.get_plugin_factory().ok_or_else(|| failed("no plugin factory".to_owned()))?;
        let id = factory
            .plugin_descriptors()
            .find_map(|descriptor| descriptor.id())
            .ok_or_else(|| failed("no plugin in it".to_owned()))?
            .to_owned();
        let host = HostInfo::new("xtask", "detalloc", "", env!("CARGO_PKG_VERSION"))
            .map_err(|error| failed(error.to_string()))?;
        let plugin = PluginInstance::<Handlers>::new(|()| Shared::default(), |_| (), &entry, &id, &host)
            .map_err(|error| failed(error.to_string()))?;
        Ok(ClapInstance { plugin, _entry: entry, config })
    }

    fn params_extension(&self) -> Option<PluginParams> {
        self.plugin.access_shared_handler(|shared| shared.params.get().copied().flatten())
    }

    fn state_extension(&self, operation: &'static str) -> Result<PluginState, HostError> {
        self.plugin
            .access_shared_handler(|shared| shared.state.get().copied().flatten())
            .ok_or_else(|| HostError::refused(operation)("the plugin keeps no state".to_owned()))
    }

    pub(super) fn parameters(&mut self) -> Vec<Parameter> {
        let Some(params) = self.params_extension() else { return Vec::new() };
        let handle = self.plugin.plugin_handle();
        let mut buffer = ParamInfoBuffer::new();
        (0..params.count(&handle))
            .filter_map(|index| {
                let info = params.get_info(&handle, index, &mut buffer)?;
                Some(Parameter {
                    id: info.id.get(),
                    name: String::from_utf8_lossy(info.name).into_owned(),
                    automatable: info.flags.contains(ParamInfoFlags::IS_AUTOMATABLE),
                    max: info.max_value,
                })
            })
            .collect()
    }

    fn find(&mut self, operation: &'static str, id: u32) -> Result<(PluginParams, ClapId, f64), HostError> {
        let max =
            self.parameters().iter().find(|parameter| parameter.id == id).map(|parameter| parameter.max);
        match (self.params_extension(), ClapId::from_raw(id), max) {
            (Some(params), Some(id), Some(max)) => Ok((params, id, max)),
            _ => Err(HostError::refused(operation)(format!("no parameter has the id {id}"))),
        }
    }

    pub(super) fn parameter_text(&mut self, id: u32, normalised: f64) -> Result<String, HostError> {
        let (params, id, max) = self.find("parameter text", id)?;
        let mut buffer = [0; 512];
        let text = params
            .value_to_text(&self.plugin.plugin_handle(), id, normalised * max, &mut buffer)
            .map_err(|error| HostError::refused("parameter text")(error.to_string()))?;
        Ok(String::from_utf8_lossy(text).into_owned())
    }

    pub(super) fn parameter(&mut self, id: u32) -> Result<f64, HostError> {
        let (params, id, max) = self.find("parameter value", id)?;
        params
            .get_value(&self.plugin.plugin_handle(), id)
            .map(|plain| plain / max)
            .ok_or_else(|| HostError::refused("parameter value")("the plugin does not answer".to_owned()))
    }

    pub(super) fn save_state(&mut self) -> Result<Vec<u8>, HostError> {
        let state = self.state_extension("save state")?;
        let mut bytes = Vec::new();
        state
            .save(&self.plugin.plugin_handle(), &mut bytes)
            .map_err(|error| HostError::refused("save state")(error.to_string()))?;
        // A CLAP stream does not say how long it is, so nice-plug writes the length before the state itself.
        bytes.drain(..bytes.len().min(size_of::<u64>()));
        Ok(bytes)
    }

    pub(super) fn load_state(&mut self, bytes: &[u8]) -> Result<(), HostError> {
        let state = self.state_extension("load state")?;
        let mut framed = crate::number::length(bytes.len()).to_le_bytes().to_vec();
        framed.extend_from_slice(bytes);
        state
            .load(&self.plugin.plugin_handle(), &mut Cursor::new(framed))
            .map_err(|error| HostError::refused("load state")(error.to_string()))
    }

    pub(super) fn reconfigure(&mut self, config: Config) -> Result<(), HostError> {
        if self.plugin.is_active() {
            return Err(HostError::refused("reconfigure")("the plugin is active".to_owned()));
        }
        self.config = config;
        Ok(())
    }

    pub(super) fn activate(&mut self) -> Result<ClapProcessor, HostError> {
        let configuration = PluginAudioConfiguration {
            sample_rate: f64::from(self.config.rate_hz),
            min_frames_count: 1,
            max_frames_count: self.config.max_block,
        };
        let stopped = self
            .plugin
            .activate(|_, _| (), configuration)
            .map_err(|error| HostError::refused("activate")(error.to_string()))?;
        let ranges = self
            .parameters()
            .into_iter()
            .filter_map(|parameter| Some((parameter.id, ClapId::from_raw(parameter.id)?, parameter.max)))
            .collect();
        let block = crate::number::index(u64::from(self.config.max_block));
        Ok(ClapProcessor {
            processor: PluginAudioProcessor::from(stopped),
            ranges,
            events: EventBuffer::with_capacity(EVENTS),
            plugin_events: EventBuffer::with_capacity(EVENTS),
            input: [vec![0.0; block], vec![0.0; block]],
            input_ports: AudioPorts::with_capacity(2, 1),
            output_ports: AudioPorts::with_capacity(2, 1),
        })
    }

    pub(super) fn deactivate(&mut self, mut processor: ClapProcessor) -> Result<(), HostError> {
        processor.stop();
        let PluginAudioProcessor::Stopped(stopped) = processor.processor else {
            return Err(HostError::refused("deactivate")("the plugin does not stop".to_owned()));
        };
        if !stopped.matches(&self.plugin) {
            return Err(HostError::refused("deactivate")("the processor is another instance's".to_owned()));
        }
        self.plugin.deactivate(stopped);
        Ok(())
    }

    pub(super) fn service(&mut self) {
        let requested = self
            .plugin
            .access_shared_handler(|shared| shared.callback_requested.swap(false, Ordering::AcqRel));
        if requested {
            self.plugin.call_on_main_thread_callback();
        }
    }

    /// Calls the plugin's `activate` as it is, whether or not it is active: what no well-behaved host does.
    ///
    /// Must not run while another thread processes.
    pub fn activate_again(&mut self, config: Config) -> bool {
        let raw = self.plugin.raw_instance();
        // SAFETY: the function belongs to this live instance and is called on its main thread. That it may be active
        // already is the point: the plugin must survive it.
        raw.activate
            .is_some_and(|activate| unsafe { activate(raw, f64::from(config.rate_hz), 1, config.max_block) })
    }
}

/// The audio side of a plugin loaded as CLAP.
pub struct ClapProcessor {
    processor: PluginAudioProcessor<Handlers>,
    ranges: Vec<(u32, ClapId, f64)>,
    events: EventBuffer,
    plugin_events: EventBuffer,
    input: [Vec<f32>; 2],
    input_ports: AudioPorts,
    output_ports: AudioPorts,
}

impl ClapProcessor {
    pub(super) fn process(&mut self, block: Block<'_>, probe: &mut Probe) -> Result<(), HostError> {
        self.queue(&block);
        for (own, given) in self.input.iter_mut().zip(block.input) {
            own.clear();
            own.extend_from_slice(given);
        }

        let inputs = self.input_ports.with_input_buffers([AudioPortBuffer {
            latency: 0,
            channels: AudioPortBufferType::f32_input_only(
                self.input.iter_mut().map(|channel| InputChannel::variable(channel.as_mut_slice())),
            ),
        }]);
        let mut outputs = self.output_ports.with_output_buffers([AudioPortBuffer {
            latency: 0,
            channels: AudioPortBufferType::f32_output_only(block.output.into_iter()),
        }]);
        let events = self.events.as_input();
        let mut plugin_events = self.plugin_events.as_output();

        let refused = HostError::refused("process");
        let started: &mut StartedPluginAudioProcessor<Handlers> =
            self.processor.ensure_processing_started().map_err(|error| refused(error.to_string()))?;
        probe
            .call(|| started.process(&inputs, &mut outputs, &events, &mut plugin_events, None, None))
            .map_err(|error| refused(error.to_string()))?;
        Ok(())
    }

    fn queue(&mut self, block: &Block<'_>) {
        self.events.clear();
        self.plugin_events.clear();
        for event in block.events {
            let time = block.offset(event);
            match event.action {
                Action::NoteOn { channel, key, velocity } => {
                    let note = Pckn::from_raw(0, i16::from(channel), i16::from(key), -1);
                    // Through single precision, as VST3 carries it: both formats hear the same velocity.
                    let velocity = f64::from(f32::from(velocity) / 127.0);
                    self.events.push(&NoteOnEvent::new(time, note, velocity));
                }
                Action::NoteOff { channel, key } => {
                    let note = Pckn::from_raw(0, i16::from(channel), i16::from(key), -1);
                    self.events.push(&NoteOffEvent::new(time, note, 0.0));
                }
                Action::Parameter { id, normalised } => {
                    if let Some((_, id, max)) = self.ranges.iter().find(|(known, ..)| *known == id) {
                        self.events.push(&ParamValueEvent::new(
                            time,
                            *id,
                            Pckn::match_all(),
                            normalised * max,
                        ));
                    }
                }
            }
        }
    }

    pub(super) fn stop(&mut self) {
        self.processor.ensure_processing_stopped();
    }
}
