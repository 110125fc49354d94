//! One run of one target, in a process of its own, which is watched: how far it has come, and whether it still comes on.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::engine::{Engine, PATIENCE_SECONDS};
use super::report::{Finding, Row, today};
use super::within;
use crate::failure::Failure;

/// The variable with which a run is told where to say how far it has come.
const PROGRESS: &str = "HARNESS_PROGRESS";

/// How often it is looked at.
const PERIOD: Duration = Duration::from_millis(200);

/// A run.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) target: String,
    pub(super) seed: u32,
    pub(super) time: Duration,
}

/// Inputs and operations.
type Counts = (u64, u64);

impl Job {
    /// Runs it, tells of every operation, and gives what came of it.
    pub(super) fn run(&self, engine: &Engine, folder: &Path, tell: impl Fn(u64)) -> Result<Row, Failure> {
        let place = within(folder, "runs", &self.target)?;
        let (current, progress) = (place.join(format!("{}", self.seed)), place.join("progress"));
        let progress = progress.with_extension(self.seed.to_string());
        for old in left_by(&current) {
            fs::remove_file(&old).map_err(|error| Failure::file(&old, error))?;
        }
        // Left by an earlier run.
        let _ = fs::remove_file(&progress);
        let start = Instant::now();
        let mut child = engine
            .command(folder, &self.target, (self.seed, self.time.as_secs_f64()), &current)?
            .env(PROGRESS, &progress)
            // What it says is said again when the input is replayed.
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| Failure::CannotRun(format!("{}: {error}", self.target)))?;
        let (ended_well, (inputs, operations)) = watch(&mut child, &progress, tell)?;
        let mut row = Row {
            target: self.target.clone(),
            engine: engine.name().to_owned(),
            operations,
            inputs,
            seed: self.seed,
            seconds: start.elapsed().as_secs_f64(),
            date: today(),
            findings: Vec::new(),
        };
        if !ended_well {
            row.findings.push(self.finding(engine, folder, &current)?);
        }
        Ok(row)
    }

    /// Keeps the input that a run ended with, and says why.
    fn finding(&self, engine: &Engine, folder: &Path, current: &Path) -> Result<Finding, Failure> {
        let failed = |error| Failure::file(current, error);
        let input = match engine {
            Engine::Random(_) => input_of(&fs::read(current).map_err(failed)?),
            // What was only slow is left there, too.
            Engine::LibFuzzer { .. } => match left_by(current).iter().find(|path| !is_slow(path)) {
                Some(artifact) => fs::read(artifact).map_err(failed)?,
                None => return Err(Failure::CannotRun(format!("{} ended without a reason", self.target))),
            },
        };
        let file = within(folder, "findings", &self.target)?.join(format!("{}.input", self.seed));
        fs::write(&file, input).map_err(|error| Failure::file(&file, error))?;
        let why = engine.replay(folder, &self.target, &file)?;
        let stable = if matches!(engine, Engine::Random(_)) { " --stable" } else { "" };
        Ok(Finding {
            command: format!("cargo xtask fuzz{stable} --target {} --replay {}", self.target, file.display()),
            file: file.display().to_string(),
            why: format!(
                "{}: {}",
                self.target,
                why.unwrap_or_else(|| "it ended, and holds when replayed".into())
            ),
        })
    }
}

/// What the random driver writes down: the length of the input, and the input.
fn input_of(written: &[u8]) -> Vec<u8> {
    let Some((len, input)) = written.split_first_chunk() else { return Vec::new() };
    let len = usize::try_from(u64::from_le_bytes(*len)).unwrap_or(usize::MAX);
    input[..len.min(input.len())].to_vec()
}

fn is_slow(artifact: &Path) -> bool {
    artifact.to_string_lossy().contains("-slow-unit-")
}

/// The file of that name, and those whose names go on behind it.
fn left_by(current: &Path) -> Vec<PathBuf> {
    let name = current.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let Some(Ok(entries)) = current.parent().map(fs::read_dir) else { return Vec::new() };
    let ours = |found: &str| found == name || found.starts_with(&format!("{name}-"));
    let entries = entries.filter_map(|entry| Some(entry.ok()?.path()));
    entries.filter(|path| ours(&path.file_name().unwrap_or_default().to_string_lossy())).collect()
}

/// Waits until the process has ended: whether well, and how far it came. One that stands still is ended.
fn watch(child: &mut Child, progress: &Path, tell: impl Fn(u64)) -> Result<(bool, Counts), Failure> {
    let (mut counts, mut moved) = ((0, 0), Instant::now());
    loop {
        let status = child.try_wait().map_err(|error| Failure::CannotRun(error.to_string()))?;
        if let Some(now) = fs::read_to_string(progress).ok().and_then(|text| parse(&text))
            && now > counts
        {
            tell(now.1 - counts.1);
            (counts, moved) = (now, Instant::now());
        }
        if let Some(status) = status {
            return Ok((status.success(), counts));
        }
        // libFuzzer ends by itself what takes too long, and says so.
        if moved.elapsed() > Duration::from_secs(2 * PATIENCE_SECONDS) {
            let ended = child.kill().and_then(|()| child.wait());
            ended.map_err(|error| Failure::CannotRun(error.to_string()))?;
            return Ok((false, counts));
        }
        thread::sleep(PERIOD);
    }
}

fn parse(text: &str) -> Option<Counts> {
    let (inputs, operations) = text.split_once(' ')?;
    Some((inputs.parse().ok()?, operations.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_ends_where_its_length_says() {
        assert_eq!(input_of(&[2, 0, 0, 0, 0, 0, 0, 0, 7, 8, 9]), [7, 8]);
        assert_eq!(input_of(&[9, 0, 0, 0, 0, 0, 0, 0, 7]), [7]);
        assert!(input_of(&[1, 2]).is_empty());
    }

    #[test]
    fn a_run_s_files_are_told_from_those_of_another_seed() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["12", "12-crash-a", "123", "progress.12"] {
            fs::write(folder.path().join(name), "").expect("writable");
        }
        let mut left = left_by(&folder.path().join("12"));
        left.sort();
        assert_eq!(left, [folder.path().join("12"), folder.path().join("12-crash-a")]);
    }

    #[test]
    fn progress_is_two_numbers() {
        assert_eq!(parse("12 345"), Some((12, 345)));
        assert_eq!(parse("12"), None);
        assert_eq!(parse(""), None);
    }
}
