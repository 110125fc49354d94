//! The programs that measure: built, run, and read.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::measured::Line;
use crate::failure::Failure;
use crate::workspace::Workspace;

/// Recordings of ordinary instruments, where they lie beside the workspace.
const AUDIO: &str = "../shared/audio";

/// The programs, and a folder for what they record.
pub(super) struct Programs {
    measure: PathBuf,
    record: PathBuf,
    audio: PathBuf,
    folder: TempDir,
}

impl Programs {
    /// Builds them: plain x86-64, in the release profile, as anybody would. With `counters`, not the one that records,
    /// and without the rivals in C: what is compared is ours.
    pub(super) fn build(workspace: &Workspace, counters: bool) -> Result<Self, Failure> {
        eprintln!("Building ...");
        let measure = build(workspace, "measure", if counters { "" } else { "c-rivals" })?;
        let record = if counters { PathBuf::new() } else { build(workspace, "record", "record")? };
        let folder =
            TempDir::new().map_err(|error| Failure::CannotRun(format!("a temporary folder: {error}")))?;
        Ok(Self { measure, record, audio: workspace.root.join(AUDIO), folder })
    }

    /// What a plugin's engine asks of its pools, playing each sound file that there is, or a synthesised pluck: each as
    /// `NAME=FILE`.
    pub(super) fn record(&self) -> Result<Vec<String>, Failure> {
        let listed = std::fs::read_dir(&self.audio).into_iter().flatten().flatten();
        let mut sounds: Vec<PathBuf> = listed
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|it| it == "wav"))
            .collect();
        sounds.sort();
        if sounds.is_empty() {
            return Ok(vec![self.recording("pluck", None)?]);
        }
        let name = |sound: &PathBuf| sound.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        sounds.iter().map(|sound| self.recording(&name(sound), Some(sound))).collect()
    }

    fn recording(&self, name: &str, sound: Option<&Path>) -> Result<String, Failure> {
        let file = self.folder.path().join(name);
        let output = Command::new(&self.record)
            .args(sound)
            .env("DETALLOC_RECORD", &file)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| Failure::file(&self.record, error))?;
        if output.status.success() {
            return Ok(format!("{name}={}", file.display()));
        }
        let why = String::from_utf8_lossy(&output.stderr);
        Err(Failure::file(&self.record, format!("could not record {name}: {}", why.trim())))
    }

    /// Runs one part, and reads its lines.
    pub(super) fn measure(&self, args: &[String]) -> Result<Vec<Line>, Failure> {
        let output = Command::new(&self.measure)
            .args(args)
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .map_err(|error| Failure::file(&self.measure, error))?;
        if !output.status.success() {
            let what = format!("could not measure {}: {}", args.join(" "), output.status);
            return Err(Failure::file(&self.measure, what));
        }
        serde_json::Deserializer::from_slice(&output.stdout)
            .into_iter()
            .collect::<Result<_, _>>()
            .map_err(|error| Failure::file(&self.measure, error))
    }
}

fn build(workspace: &Workspace, name: &str, features: &str) -> Result<PathBuf, Failure> {
    let status = Command::new("cargo")
        .args(["build", "--release", "--package", "detalloc-benches", "--bin", name, "--features", features])
        .current_dir(&workspace.root)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .map_err(|error| Failure::CannotRun(format!("cargo: {error}")))?;
    if status.success() {
        Ok(workspace.target.join("release").join(name))
    } else {
        Err(Failure::CannotRun(format!("the program that measures does not build: {name}")))
    }
}
