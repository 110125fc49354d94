//! In-process hosts: one plugin instance as CLAP or as VST3 behind the same few operations, so that both formats get
//! the same events, the same blocks and the same measuring.
//!
//! An [`Instance`] belongs to the thread that loaded it (the main thread of both formats). Activating it gives a
//! [`Processor`], which may move to an audio thread and comes back to be deactivated. The host's own work per block
//! (copying, queueing events) happens outside the [`Probe`]'s measured section, which encloses the format's `process`
//! call as tightly as the host crates allow.

mod clap;
mod probe;
mod report;
mod resident;
mod vst3;

use std::path::{Path, PathBuf};

use thiserror::Error;

pub use clap::{ClapInstance, ClapProcessor};
pub use probe::{AudioThread, Probe, WARM_UP_CALLBACKS};
pub use report::{InstanceReport, Library, PluginReport, PoolReport, SourceReport};
pub use resident::resident_bytes;
pub use vst3::{Vst3Instance, Vst3Processor};

/// A plugin format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// CLever Audio Plug-in.
    Clap,
    /// Virtual Studio Technology 3.
    Vst3,
}

impl Format {
    /// Both, in the order tables show them.
    pub const ALL: [Format; 2] = [Format::Clap, Format::Vst3];

    /// Its name in file names, tables and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Format::Clap => "clap",
            Format::Vst3 => "vst3",
        }
    }

    /// The dynamic library inside a bundle.
    pub fn binary(self, bundle: &Path, plugin: &str) -> PathBuf {
        let contents = bundle.join("Contents");
        match (self, std::env::consts::OS) {
            (_, "macos") => contents.join("MacOS").join(plugin),
            (Format::Clap, _) => bundle.to_path_buf(),
            (Format::Vst3, "windows") => {
                let arch = if cfg!(target_arch = "aarch64") { "arm_64" } else { std::env::consts::ARCH };
                contents.join(format!("{arch}-win")).join(format!("{plugin}.vst3"))
            }
            (Format::Vst3, os) => {
                contents.join(format!("{}-{os}", std::env::consts::ARCH)).join(format!("{plugin}.so"))
            }
        }
    }
}

/// What a host announces before processing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    /// Frames per second.
    pub rate_hz: u32,
    /// The most frames of a block.
    pub max_block: u32,
}

/// What happens at a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Action {
    /// A key goes down.
    NoteOn {
        /// MIDI channel, 0 to 15.
        channel: u8,
        /// MIDI key, 0 to 127.
        key: u8,
        /// MIDI velocity, 1 to 127.
        velocity: u8,
    },
    /// A key comes up.
    NoteOff {
        /// MIDI channel, 0 to 15.
        channel: u8,
        /// MIDI key, 0 to 127.
        key: u8,
    },
    /// A parameter changes.
    Parameter {
        /// The id both formats use; see [`parameter_id`].
        id: u32,
        /// The new value, 0 to 1 over the parameter's range.
        normalised: f64,
    },
}

/// Something that happens at a frame of the whole performance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Event {
    /// The frame, counted from the start of the performance.
    pub frame: u64,
    /// What happens.
    pub action: Action,
}

/// One block to process: where it lies in the performance, what happens in it, and its audio (two channels each, all
/// four of the same length).
#[derive(Debug)]
pub struct Block<'a> {
    /// The first frame, counted from the start of the performance.
    pub start: u64,
    /// The events of this block, in order; at equal frames parameters come first.
    pub events: &'a [Event],
    /// Left and right input.
    pub input: [&'a [f32]; 2],
    /// Left and right output.
    pub output: [&'a mut [f32]; 2],
}

impl Block<'_> {
    fn frames(&self) -> usize {
        self.output[0].len()
    }

    /// Where an event lies in this block; before it means at its start.
    fn offset(&self, event: &Event) -> u32 {
        u32::try_from(event.frame.saturating_sub(self.start)).unwrap_or(u32::MAX)
    }
}

/// A parameter as a host sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// The id both formats use.
    pub id: u32,
    /// The name a user sees.
    pub name: String,
    /// Whether the host may automate it.
    pub automatable: bool,
    /// The plain value that the normalised value 1 stands for: 1, or the number of steps in CLAP.
    max: f64,
}

/// Why a plugin could not be hosted.
#[derive(Debug, Error)]
pub enum HostError {
    /// The bundle could not be loaded.
    #[error("{}: {reason}", path.display())]
    Load {
        /// The bundle.
        path: PathBuf,
        /// The host crate's words.
        reason: String,
    },
    /// The plugin refused an operation.
    #[error("{operation}: {reason}")]
    Refused {
        /// What was asked of it.
        operation: &'static str,
        /// The host crate's words.
        reason: String,
    },
}

impl HostError {
    fn refused(operation: &'static str) -> impl Fn(String) -> HostError {
        move |reason| HostError::Refused { operation, reason }
    }
}

impl From<HostError> for crate::failure::Failure {
    fn from(error: HostError) -> Self {
        crate::failure::Failure::CannotRun(error.to_string())
    }
}

/// The id nice-plug gives a parameter in both formats: a rolling hash of its text id, without VST3's reserved bit.
pub fn parameter_id(text: &str) -> u32 {
    text.bytes().fold(0_u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(u32::from(byte))) & !(1 << 31)
}

/// A loaded plugin.
pub enum Instance {
    /// As CLAP.
    Clap(ClapInstance),
    /// As VST3.
    Vst3(Box<Vst3Instance>),
}

/// An active plugin's audio side.
pub enum Processor {
    /// As CLAP.
    Clap(Box<ClapProcessor>),
    /// As VST3.
    Vst3(Box<Vst3Processor>),
}

impl Instance {
    /// Loads the first plugin of a bundle and leaves it inactive.
    ///
    /// # Errors
    ///
    /// [`HostError::Load`] if and only if there is no such plugin or it refuses to be created.
    pub fn load(format: Format, bundle: &Path, config: Config) -> Result<Self, HostError> {
        Ok(match format {
            Format::Clap => Instance::Clap(ClapInstance::load(bundle, config)?),
            Format::Vst3 => Instance::Vst3(Box::new(Vst3Instance::load(bundle, config)?)),
        })
    }

    /// Its parameters.
    ///
    /// # Errors
    ///
    /// [`HostError::Refused`] if and only if the plugin is active (VST3) or does not answer.
    pub fn parameters(&mut self) -> Result<Vec<Parameter>, HostError> {
        match self {
            Instance::Clap(instance) => Ok(instance.parameters()),
            Instance::Vst3(instance) => instance.parameters(),
        }
    }

    /// How the plugin writes a value of a parameter for people to read.
    ///
    /// # Errors
    ///
    /// [`HostError::Refused`] if and only if the plugin is active (VST3), has no such parameter or does not answer.
    pub fn parameter_text(&mut self, id: u32, normalised: f64) -> Result<String, HostError> {
        match self {
            Instance::Clap(instance) => instance.parameter_text(id, normalised),
            Instance::Vst3(instance) => instance.parameter_text(id, normalised),
        }
    }

    /// The current value of a parameter, 0 to 1.
    ///
    /// # Errors
    ///
    /// [`HostError::Refused`] if and only if the plugin is active (VST3) or has no such parameter.
    pub fn parameter(&mut self, id: u32) -> Result<f64, HostError> {
        match self {
            Instance::Clap(instance) => instance.parameter(id),
            Instance::Vst3(instance) => instance.parameter(id),
        }
    }

    /// The plugin's state: nice-plug's JSON, the same bytes in both formats.
    ///
    /// # Errors
    ///
    /// [`HostError::Refused`] if and only if the plugin is active (VST3) or does not save.
    pub fn save_state(&mut self) -> Result<Vec<u8>, HostError> {
        match self {
            Instance::Clap(instance) => instance.save_state(),
            Instance::Vst3(instance) => instance.save_state(),
        }
    }

    /// Restores a state as [`Instance::save_state`] gives it.
    ///
    /// # Errors
    ///
    /// [`HostError::Refused`] if and only if the plugin is active (VST3) or does not accept it.
    pub fn load_state(&mut self, state: &[u8]) -> Result<(), HostError> {
        match self {
            Instance::Clap(instance) => instance.load_state(state),
            Instance::Vst3(instance) => instance.load_state(state),
        }
    }

    /// Announces another sample rate or block size; the next activation uses it.
    ///
    /// # Errors
    ///
    /// [`HostError::Refused`] if and only if the plugin is active or refuses the configuration.
    pub fn reconfigure(&mut self, config: Config) -> Result<(), HostError> {
        match self {
            Instance::Clap(instance) => instance.reconfigure(config),
            Instance::Vst3(instance) => instance.reconfigure(config),
        }
    }

    /// Makes the plugin ready to process.
    ///
    /// # Errors
    ///
    /// [`HostError::Refused`] if and only if the plugin is active already or refuses.
    pub fn activate(&mut self) -> Result<Processor, HostError> {
        Ok(match self {
            Instance::Clap(instance) => Processor::Clap(Box::new(instance.activate()?)),
            Instance::Vst3(instance) => Processor::Vst3(Box::new(instance.activate()?)),
        })
    }

    /// Ends processing; `processor` must be this instance's.
    ///
    /// # Errors
    ///
    /// [`HostError::Refused`] if and only if `processor` is another instance's.
    pub fn deactivate(&mut self, processor: Processor) -> Result<(), HostError> {
        match (self, processor) {
            (Instance::Clap(instance), Processor::Clap(processor)) => instance.deactivate(*processor),
            (Instance::Vst3(instance), Processor::Vst3(processor)) => instance.deactivate(*processor),
            _ => Err(HostError::refused("deactivate")("the processor is another format's".to_owned())),
        }
    }

    /// Does what the plugin asked to have done on the main thread. Call it now and then.
    pub fn service(&mut self) {
        if let Instance::Clap(instance) = self {
            instance.service();
        }
    }
}

impl Processor {
    /// Processes one block on the calling thread, which is the audio thread from the first call on.
    ///
    /// Nothing on the way allocates once the largest block and number of events were seen, except inside the plugin.
    ///
    /// # Errors
    ///
    /// [`HostError::Refused`] if and only if the plugin reports failure.
    pub fn process(&mut self, block: Block<'_>, probe: &mut Probe) -> Result<(), HostError> {
        match self {
            Processor::Clap(processor) => processor.process(block, probe),
            Processor::Vst3(processor) => processor.process(block, probe),
        }
    }

    /// Tells the plugin, on the audio thread, that no more blocks follow for now.
    pub fn stop(&mut self) {
        if let Processor::Clap(processor) = self {
            processor.stop();
        }
    }
}
