//! The sample that a path in the plugin's state names: read when the host is activated or a state is restored, and
//! handed to the audio side.
//!
//! Everything here may block and allocates, and none of it happens on the audio thread, which only fetches what is
//! ready.

use crate::{
    engine::{Material, Recording},
    handover::Handover,
};
use nice_plug::{
    params::persist::PersistentField,
    prelude::{nice_log, nice_warn},
};
use serde::Serialize;
use std::{
    fmt,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Where grains take their sound from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SourceKind {
    /// The live input.
    #[default]
    Input,
    /// A file, also where it could not be read.
    File,
}

/// What is played, for people and for reports.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct SourceStatus {
    pub(crate) kind: SourceKind,
    /// As it stands in the state; empty for the live input.
    pub(crate) path: String,
    /// One line for a person.
    pub(crate) status: String,
}

impl fmt::Display for SourceStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.status)
    }
}

/// The sample of one instance.
#[derive(Debug)]
pub(crate) struct Loader {
    state: Mutex<State>,
    ready: Handover<Material>,
}

#[derive(Debug)]
struct State {
    path: String,
    /// Nothing is read until the host has said at which rate it plays.
    rate_hz: Option<u32>,
    source: SourceStatus,
}

impl Loader {
    pub(crate) fn new() -> Self {
        let state = State { path: String::new(), rate_hz: None, source: live() };
        Self { state: Mutex::new(state), ready: Handover::new() }
    }

    /// What is played.
    pub(crate) fn status(&self) -> SourceStatus {
        self.lock().source.clone()
    }

    /// The host plays at this rate from now on. Gives what to play, if that has changed.
    pub(crate) fn activate(&self, rate_hz: u32) -> Option<Box<Material>> {
        let mut state = self.lock();
        // Under the lock, so that nothing older than this is fetched afterwards.
        let ready = self.ready.fetch();
        if state.rate_hz == Some(rate_hz) {
            return ready;
        }
        state.rate_hz = Some(rate_hz);
        Some(state.read(rate_hz))
    }

    /// Plays another file from now on, or the live input. If the host is active the file is read here and now.
    fn set(&self, path: String) {
        let mut state = self.lock();
        let changed = state.path != path;
        state.path = path;
        match state.rate_hz {
            Some(rate_hz) if changed => drop(self.ready.put(state.read(rate_hz))),
            Some(_) => {}
            // A file is read once, at the rate it will be played at.
            None => state.source = announced(&state.path),
        }
    }

    /// What has become ready since it was last asked for. Wait-free.
    pub(crate) fn fetch(&self) -> Option<Box<Material>> {
        self.ready.fetch()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // What is guarded is whole at every step, so that a panic elsewhere does not matter.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn read(&mut self, rate_hz: u32) -> Box<Material> {
        let (material, source) = read(&self.path, rate_hz);
        self.source = source;
        material
    }
}

/// The path in the plugin's state. Empty: the live input.
#[derive(Debug)]
pub(crate) struct SamplePath(pub(crate) Arc<Loader>);

impl PersistentField<'_, String> for SamplePath {
    /// A state is restored: on the host's main thread, also while the audio thread plays.
    fn set(&self, path: String) {
        self.0.set(path);
    }

    fn map<F, R>(&self, f: F) -> R
    where
        F: Fn(&String) -> R,
    {
        f(&self.0.lock().path)
    }
}

fn live() -> SourceStatus {
    SourceStatus { kind: SourceKind::Input, path: String::new(), status: "Live input".to_owned() }
}

fn announced(path: &str) -> SourceStatus {
    if path.is_empty() {
        return live();
    }
    SourceStatus {
        kind: SourceKind::File,
        path: path.to_owned(),
        status: format!("Will play {}", name(path)),
    }
}

/// Reads the file, says so in the log, and gives silence where it cannot be read: the live input in its place would
/// surprise.
fn read(path: &str, rate_hz: u32) -> (Box<Material>, SourceStatus) {
    if path.is_empty() {
        return (Box::new(Material::Live), live());
    }
    let (recording, status) = match sample_file::load(path, rate_hz) {
        Ok(sample) => {
            let mut status = format!("Playing {} ({:.1} s)", name(path), sample.seconds());
            if sample.non_finite > 0 {
                status += &format!("; {} values that are not numbers are silent", sample.non_finite);
            }
            nice_log!("Graincloud: {status}");
            (Recording::new(sample.left, sample.right), status)
        }
        Err(error) => {
            let status = format!("Cannot read {path}: {}; playing silence", error.reason);
            nice_warn!("Graincloud: {status}");
            (Recording::new(Vec::new(), Vec::new()), status)
        }
    };
    let source = SourceStatus { kind: SourceKind::File, path: path.to_owned(), status };
    (Box::new(Material::Recording(recording)), source)
}

fn name(path: &str) -> String {
    Path::new(path).file_name().map_or_else(|| path.to_owned(), |name| name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_live(material: &Material) -> bool {
        matches!(material, Material::Live)
    }

    #[test]
    fn a_missing_file_is_named_with_its_reason_and_plays_silence() {
        let loader = Loader::new();
        loader.set("/nowhere/bell.wav".to_owned());
        assert_eq!(loader.status().status, "Will play bell.wav");
        assert!(loader.fetch().is_none(), "nothing is read before the rate is known");
        let material = loader.activate(48_000).unwrap();
        assert!(!is_live(&material));
        let SourceStatus { kind, path, status } = loader.status();
        assert_eq!(
            (kind, path.as_str(), status.as_str()),
            (
                SourceKind::File,
                "/nowhere/bell.wav",
                "Cannot read /nowhere/bell.wav: not found; playing silence"
            )
        );
    }

    #[test]
    fn a_file_that_can_be_read_is_played_at_the_host_s_rate() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bell.wav");
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: 24_000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(&path, spec).unwrap();
        (0..28_800).for_each(|_| writer.write_sample(1_000_i16).unwrap());
        writer.finalize().unwrap();

        let loader = Loader::new();
        loader.set(path.to_str().unwrap().to_owned());
        let Material::Recording(recording) = *loader.activate(48_000).unwrap() else {
            panic!("it is played")
        };
        assert_eq!(recording.frames(), 57_600);
        assert_eq!(loader.status().status, "Playing bell.wav (1.2 s)");
    }

    #[test]
    fn a_state_that_is_restored_while_active_is_handed_over() {
        let loader = Loader::new();
        assert!(is_live(&loader.activate(48_000).unwrap()));
        assert!(loader.activate(48_000).is_none(), "nothing has changed");
        loader.set("/nowhere/a.wav".to_owned());
        loader.set(String::new());
        assert!(is_live(&loader.fetch().unwrap()), "the newest wins");
        assert!(loader.fetch().is_none());
        loader.set(String::new());
        assert!(loader.fetch().is_none(), "the same path again is not read again");
    }

    #[test]
    fn another_rate_reads_the_file_again() {
        let loader = Loader::new();
        assert!(loader.activate(48_000).is_some());
        assert!(loader.activate(44_100).is_some());
        loader.set("/nowhere/a.wav".to_owned());
        assert!(loader.activate(44_100).is_some(), "what was not fetched is given on activation");
        assert!(loader.fetch().is_none());
    }
}
