//! A copy of the workspace in which things may be broken, and the proofs run there.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::list::{Mutation, Proof};
use crate::failure::Failure;
use crate::workspace::Workspace;

/// What cargo answers where a test fails, and what our own jobs answer where a check fails.
const TEST_FAILED: i32 = 101;
const CHECK_FAILED: i32 = 1;

/// How a proof ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It holds.
    Holds,
    /// It failed.
    Fails,
    /// It went on for too long and was ended.
    Endless,
    /// What it proves does not compile.
    NotBuilt,
}

/// The copy. It goes with this value.
pub struct Copied {
    folder: TempDir,
    target: PathBuf,
}

impl Copied {
    /// Copies all sources of the workspace, but nothing that was built.
    pub fn new(workspace: &Workspace) -> Result<Self, Failure> {
        let folder = tempfile::Builder::new()
            .prefix("detalloc-mutations-")
            .tempdir()
            .map_err(|error| Failure::CannotRun(format!("temporary folder: {error}")))?;
        copy_folder(&workspace.root, folder.path(), &workspace.target)?;
        Ok(Self { target: workspace.target.join("mutations"), folder })
    }

    fn path(&self, mutation: &Mutation<'_>) -> PathBuf {
        self.folder.path().join(mutation.file)
    }

    /// The file of a mutation, before and after.
    pub fn broken(&self, mutation: &Mutation<'_>) -> Result<(String, String), Failure> {
        let path = self.path(mutation);
        let text = std::fs::read_to_string(&path).map_err(|error| Failure::file(&path, error))?;
        match text.matches(mutation.from).count() {
            1 => {
                let broken = text.replace(mutation.from, mutation.to);
                Ok((text, broken))
            }
            times => Err(Failure::CannotRun(format!(
                "{} has {times} times what is to be replaced: {}",
                mutation.file, mutation.from
            ))),
        }
    }

    /// Does something while a mutation is there.
    pub fn with<R>(
        &self,
        mutation: &Mutation<'_>,
        body: impl FnOnce() -> Result<R, Failure>,
    ) -> Result<R, Failure> {
        let path = self.path(mutation);
        let (text, broken) = self.broken(mutation)?;
        let write = |text: &str| std::fs::write(&path, text).map_err(|error| Failure::file(&path, error));
        write(&broken)?;
        let result = body();
        write(&text)?;
        result
    }

    /// Runs a proof: how it ended, and after how long, without its build.
    pub fn prove(&self, proof: Proof, patience: Duration) -> Result<(Ended, Duration), Failure> {
        let is_test = proof.command().starts_with("test ");
        // What is in the documentation is built when it is run, and some of it is not meant to compile. Our own jobs build what
        // they take apart themselves, and say so if they cannot.
        let build = match proof.command().split_once(' ') {
            Some(("xtask", _)) => "build --release -p xtask".to_owned(),
            Some(("test", arguments)) if arguments.starts_with("--doc ") => {
                arguments.replacen("--doc", "check", 1)
            }
            _ => format!("{} --no-run", proof.command()),
        };
        if !self.cargo(proof, &build).status().map_err(not_run)?.success() {
            return Ok((Ended::NotBuilt, Duration::ZERO));
        }
        let started = Instant::now();
        let child = self.cargo(proof, proof.command()).spawn().map_err(not_run)?;
        let Some(status) = wait(child, patience)? else { return Ok((Ended::Endless, patience)) };
        let ended = match status.code() {
            Some(0) => Ended::Holds,
            Some(TEST_FAILED) if is_test => Ended::Fails,
            Some(CHECK_FAILED) if !is_test => Ended::Fails,
            // A test that was killed by a signal has failed; of a job of ours, it says nothing.
            None if is_test => Ended::Fails,
            _ => Ended::NotBuilt,
        };
        Ok((ended, started.elapsed()))
    }

    fn cargo(&self, proof: Proof, arguments: &str) -> Command {
        let mut cargo = Command::new("cargo");
        cargo.args(arguments.split(' '));
        let target = match proof.rustflags() {
            Some(flags) => {
                cargo.env("RUSTFLAGS", flags);
                self.target.join("flags")
            }
            None => self.target.clone(),
        };
        cargo
            .current_dir(self.folder.path())
            .env("CARGO_TARGET_DIR", target)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        // A group of its own, so that its end is the end of what it started.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut cargo, 0);
        cargo
    }
}

fn not_run(error: std::io::Error) -> Failure {
    Failure::CannotRun(format!("cargo: {error}"))
}

/// The child's status, or none if it had to be ended.
fn wait(mut child: Child, patience: Duration) -> Result<Option<ExitStatus>, Failure> {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().map_err(not_run)? {
            return Ok(Some(status));
        }
        if started.elapsed() > patience {
            end(&mut child);
            child.wait().map_err(not_run)?;
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[cfg(unix)]
fn end(child: &mut Child) {
    if let Ok(group) = i32::try_from(child.id()) {
        // SAFETY: a signal to the group that the child leads, which has not been waited for.
        unsafe { libc::kill(-group, libc::SIGKILL) };
    }
}

#[cfg(not(unix))]
fn end(child: &mut Child) {
    // It is ended already, or cannot be: the caller waits for it either way.
    let _ = child.kill();
}

/// Copies what lies in a folder; not what was built, nor what is hidden but cargo's own.
fn copy_folder(from: &Path, to: &Path, target: &Path) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::file(from, error);
    std::fs::create_dir_all(to).map_err(failed)?;
    for entry in std::fs::read_dir(from).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (path, name) = (entry.path(), entry.file_name());
        let hidden = name.to_string_lossy().starts_with('.') && name != ".cargo";
        if hidden || name == "target" || path == target {
            continue;
        }
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_dir() {
            copy_folder(&path, &to.join(&name), target)?;
        } else if kind.is_file() {
            std::fs::copy(&path, to.join(&name)).map_err(|error| Failure::file(&path, error))?;
        }
    }
    Ok(())
}
