//! Graincloud's saved state, in a host: whatever bytes a project has, the plugin takes them or says no, plays finite sound
//! afterwards, and saves what can be loaded again.
//!
//! The plugin is linked in and hosted as CLAP, so that nothing lies between the bytes and a host's call.

use crate::input::Input;
use clack_extensions::state::PluginState;
use clack_host::prelude::*;
use std::{
    io::Cursor,
    sync::{Once, OnceLock},
};
use tracing::subscriber::{NoSubscriber, set_global_default};

const FRAMES: usize = 64;

/// What the plugin's parameters are called in a state.
const PARAMETERS: [&str; 9] =
    ["density", "size", "spray", "pitch", "pan_spread", "shape", "feedback", "mix", "source"];

/// Runs one input.
///
/// # Panics
/// If the plugin's sound is not finite, or its state does not survive being saved and loaded.
#[must_use]
pub fn run(data: &[u8]) -> u64 {
    static SILENCE: Once = Once::new();
    // The plugin would set up a log and a panic hook of its own; where another has come before, it stays.
    SILENCE.call_once(|| drop(set_global_default(NoSubscriber::new())));
    let mut input = Input::new(data);
    let kind = input.byte();
    let mut plugin = Hosted::new();
    if kind & 0x10 != 0 {
        plugin.play();
    }
    let state = match kind % 8 {
        0 => input.rest().to_vec(),
        1 => framed(input.rest()),
        2 => damaged(&plugin.save().expect("it saves"), &mut input),
        _ => framed(written(&mut input).as_bytes()),
    };
    let before = plugin.save().expect("it saves");
    let loaded = plugin.load(&state);
    let after = plugin.save().expect("it saves");
    if !loaded {
        assert_eq!(after, before, "what was refused has changed something");
    }
    plugin.play();
    // Once again through a project.
    let mut other = Hosted::new();
    assert!(other.load(&after), "what was saved cannot be loaded: {}", String::from_utf8_lossy(&after));
    assert_eq!(other.save().expect("it saves"), after, "saved, loaded and saved again");
    8
}

/// As the plugin expects it: its length before it.
fn framed(state: &[u8]) -> Vec<u8> {
    [&(state.len() as u64).to_le_bytes()[..], state].concat()
}

/// A state with a few bytes changed.
fn damaged(state: &[u8], input: &mut Input<'_>) -> Vec<u8> {
    let mut state = state[8..].to_vec();
    while !input.is_empty() && !state.is_empty() {
        let at = input.below(state.len());
        match input.byte() % 4 {
            0 => state[at] = input.byte(),
            1 => state.insert(at, input.byte()),
            2 => drop(state.remove(at)),
            _ => state[at] ^= 1 << (input.byte() % 8),
        }
    }
    framed(&state)
}

fn number(input: &mut Input<'_>) -> String {
    match input.byte() % 8 {
        0 => "1e999".to_owned(),
        1 => "-1e-46".to_owned(),
        2 => format!("-{}", input.number()),
        3 => format!("{:e}", f64::from_bits(input.word())),
        4 => "3.4028236e38".to_owned(),
        _ => format!("{}.{}", input.byte(), input.byte()),
    }
}

fn text(input: &mut Input<'_>) -> String {
    let len = usize::from(input.byte() % 24);
    let bytes: Vec<u8> = (0..len).map(|_| input.byte()).collect();
    serde_json::to_string(&String::from_utf8_lossy(&bytes)).expect("text")
}

/// A state with the right names and any values.
fn written(input: &mut Input<'_>) -> String {
    let mut params = Vec::new();
    for name in PARAMETERS {
        if input.one_in(4) {
            continue;
        }
        let value = match input.byte() % 8 {
            0 => format!("{{\"i32\":{}}}", number(input)),
            1 => format!("{{\"bool\":{}}}", input.flag()),
            2 => format!("{{\"string\":{}}}", text(input)),
            3 => "null".to_owned(),
            _ => format!("{{\"f32\":{}}}", number(input)),
        };
        params.push(format!("{name:?}:{value}"));
    }
    // A file that is not there, or a folder, and never anything that waits.
    let path = match input.byte() % 4 {
        0 => String::new(),
        1 => "/nowhere/".to_owned() + &text(input),
        2 => "/".to_owned(),
        _ => format!("{}\u{0}", input.byte()),
    };
    let json = |text: &str| serde_json::to_string(text).expect("text");
    let field = if input.flag() { json(&json(&path)) } else { text(input) };
    format!(
        "{{\"version\":{},\"params\":{{{}}},\"fields\":{{\"sample-path\":{field}}}}}",
        text(input),
        params.join(",")
    )
}

struct Handlers;

impl HostHandlers for Handlers {
    type Shared<'a> = Shared;
    type MainThread<'a> = ();
    type AudioProcessor<'a> = ();
}

#[derive(Default)]
struct Shared {
    state: OnceLock<Option<PluginState>>,
}

impl<'a> SharedHandler<'a> for Shared {
    fn initializing(&self, instance: InitializingPluginHandle<'a>) {
        // Each plugin initialises once, so it is not set already.
        let _ = self.state.set(instance.get_extension());
    }

    fn request_restart(&self) {}

    fn request_process(&self) {}

    fn request_callback(&self) {}
}

/// The plugin in a host.
struct Hosted {
    plugin: PluginInstance<Handlers>,
    extension: PluginState,
    _entry: PluginEntry,
}

impl Hosted {
    fn new() -> Self {
        // SAFETY: the plugin of this workspace, which is linked in.
        let entry = unsafe { PluginEntry::load_from_raw(&graincloud::clap_entry, c"") }.expect("an entry");
        let factory = entry.get_plugin_factory().expect("a factory");
        let id = factory.plugin_descriptors().find_map(|plugin| plugin.id()).expect("a plugin").to_owned();
        let host = HostInfo::new("harness", "detalloc", "", "1").expect("no zeros");
        let plugin = PluginInstance::<Handlers>::new(|()| Shared::default(), |_| (), &entry, &id, &host)
            .expect("a plugin");
        let extension = plugin.access_shared_handler(|shared| shared.state.get().copied().flatten());
        Self { plugin, extension: extension.expect("it keeps a state"), _entry: entry }
    }

    fn save(&mut self) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        self.extension.save(&self.plugin.plugin_handle(), &mut bytes).ok()?;
        Some(bytes)
    }

    fn load(&mut self, state: &[u8]) -> bool {
        self.extension.load(&self.plugin.plugin_handle(), &mut Cursor::new(state)).is_ok()
    }

    /// Activates it, plays a few blocks of noise, and deactivates it.
    fn play(&mut self) {
        let configuration = PluginAudioConfiguration {
            sample_rate: 48_000.0,
            min_frames_count: 1,
            max_frames_count: u32::try_from(FRAMES).unwrap_or(0),
        };
        let stopped = self.plugin.activate(|_, _| (), configuration).expect("it can be activated");
        let mut started = stopped.start_processing().expect("it plays");
        let (mut input_ports, mut output_ports) =
            (AudioPorts::with_capacity(2, 1), AudioPorts::with_capacity(2, 1));
        let mut noise = 1_u16;
        for _ in 0..4 {
            let mut input = [[0.0_f32; FRAMES]; 2];
            let mut output = [[0.0_f32; FRAMES]; 2];
            for value in input.as_flattened_mut() {
                noise = noise.wrapping_mul(25_173).wrapping_add(13_849);
                *value = f32::from(noise) / 65_536.0 - 0.5;
            }
            let inputs = input_ports.with_input_buffers([AudioPortBuffer {
                latency: 0,
                channels: AudioPortBufferType::f32_input_only(
                    input.iter_mut().map(|channel| InputChannel::variable(channel.as_mut_slice())),
                ),
            }]);
            let mut outputs = output_ports.with_output_buffers([AudioPortBuffer {
                latency: 0,
                channels: AudioPortBufferType::f32_output_only(
                    output.iter_mut().map(|channel| channel.as_mut_slice()),
                ),
            }]);
            let (events, mut said) = (EventBuffer::new(), EventBuffer::with_capacity(64));
            started
                .process(&inputs, &mut outputs, &events.as_input(), &mut said.as_output(), None, None)
                .expect("it plays");
            assert!(
                output.as_flattened().iter().all(|value| value.is_finite()),
                "what it plays is not finite"
            );
        }
        self.plugin.deactivate(started.stop_processing());
    }
}
