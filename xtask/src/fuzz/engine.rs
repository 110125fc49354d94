//! What runs the targets: the harness' random driver, or cargo-fuzz's programs.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::within;
use crate::failure::Failure;
use crate::workspace::Workspace;

/// The variable with which a run asks for recordings, as detalloc-audio reads it.
const RECORD: &str = "DETALLOC_RECORD";

/// The longest that an input may take, in seconds.
pub(super) const PATIENCE_SECONDS: u64 = 60;

/// The most memory that a run may take under libFuzzer, in MiB.
const MOST_MIB: u32 = 4096;

/// What runs the targets.
#[derive(Debug)]
pub(super) enum Engine {
    /// The random driver, on the pinned compiler.
    Random(PathBuf),
    /// libFuzzer: the programs that cargo-fuzz has built.
    LibFuzzer {
        /// Where they lie.
        programs: PathBuf,
        /// Where the inputs lie that are kept for all.
        kept: PathBuf,
        /// The random driver, which writes the inputs to begin with.
        random: PathBuf,
    },
}

impl Engine {
    /// The random driver, built.
    pub(super) fn random(workspace: &Workspace) -> Result<Self, Failure> {
        let status = Command::new("cargo")
            .args(["build", "--release", "--quiet", "--package", "harness", "--bin", "random"])
            .current_dir(&workspace.root)
            .stdin(Stdio::null())
            .status();
        if !status.is_ok_and(|status| status.success()) {
            return Err(Failure::CannotRun("the harness does not build".to_owned()));
        }
        let program = format!("release/random{}", std::env::consts::EXE_SUFFIX);
        Ok(Self::Random(workspace.target.join(program)))
    }

    /// cargo-fuzz's programs where there are a nightly compiler and cargo-fuzz, or cargo can install it; and the other engine
    /// otherwise. Says which, and why.
    pub(super) fn best(workspace: &Workspace, random: Self) -> Result<Self, Failure> {
        let Self::Random(driver) = &random else { return Ok(random) };
        let Some(host) = host_of_nightly(workspace) else {
            eprintln!("There is no nightly compiler (rustup toolchain install nightly).");
            return Ok(random);
        };
        let Some(cargo_fuzz) = cargo_fuzz(workspace) else {
            eprintln!("cargo-fuzz is missing and cannot be installed (cargo install --locked cargo-fuzz).");
            return Ok(random);
        };
        eprintln!("Building with cargo-fuzz ...");
        let target = workspace.target.join("fuzz/libfuzzer");
        let status = nightly(cargo_fuzz)
            .args(["fuzz", "build", "--target", &host, "--fuzz-dir", "xtask/fuzz/fuzz", "--target-dir"])
            .arg(&target)
            .current_dir(&workspace.root)
            .stdin(Stdio::null())
            .status();
        if !status.is_ok_and(|status| status.success()) {
            return Err(Failure::CannotRun("the harness does not build with cargo-fuzz".to_owned()));
        }
        Ok(Self::LibFuzzer {
            programs: target.join(host).join("release"),
            kept: workspace.root.join("xtask/fuzz/corpus"),
            random: driver.clone(),
        })
    }

    /// For people.
    pub(super) fn words(&self) -> &'static str {
        match self {
            Self::Random(_) => "The random driver, on the pinned compiler",
            Self::LibFuzzer { .. } => "cargo-fuzz: libFuzzer under AddressSanitizer, on nightly",
        }
    }

    /// For the table and the record.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Random(_) => "random",
            Self::LibFuzzer { .. } => "libfuzzer",
        }
    }

    /// The targets, in order. Only the random driver knows.
    pub(super) fn targets(&self) -> Result<Vec<String>, Failure> {
        let Self::Random(program) = self else { return Ok(Vec::new()) };
        let output = Command::new(program).output().map_err(|error| Failure::file(program, error))?;
        let lines = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(lines.lines().filter_map(|line| Some(line.split_once(':')?.0.to_owned())).collect())
    }

    /// A run of a target: which ends by itself after so many seconds. The input that it ends with before is in the file `current`, or
    /// in one whose name goes on behind that.
    pub(super) fn command(
        &self,
        folder: &Path,
        target: &str,
        (seed, seconds): (u32, f64),
        current: &Path,
    ) -> Result<Command, Failure> {
        let mut command = self.program(folder, target)?;
        match self {
            Self::Random(_) => {
                command.args(["--seed", &seed.to_string(), "--seconds", &seconds.to_string(), "--current"]);
                command.arg(current);
            }
            Self::LibFuzzer { kept, random, .. } => {
                let corpus = within(folder, "corpus", target)?;
                // From nothing it would be long before it comes to inputs of any length.
                let begun = Command::new(random)
                    .args([target, "--seed", &seed.to_string(), "--begin"])
                    .arg(&corpus)
                    .status();
                if !begun.is_ok_and(|status| status.success()) {
                    return Err(Failure::file(&corpus, "cannot be filled"));
                }
                command.arg(corpus);
                let kept = kept.join(target);
                if kept.is_dir() {
                    command.arg(kept);
                }
                command.args([
                    format!("-seed={seed}"),
                    format!("-max_total_time={}", seconds.ceil().max(1.0)),
                    format!("-timeout={PATIENCE_SECONDS}"),
                    format!("-rss_limit_mb={MOST_MIB}"),
                    // Longer than libFuzzer's own choice: a heap's history matters.
                    "-max_len=8192".to_owned(),
                    "-len_control=0".to_owned(),
                    format!("-artifact_prefix={}-", current.display()),
                ]);
            }
        }
        Ok(command)
    }

    /// Runs a file: what it says where that fails.
    pub(super) fn replay(&self, folder: &Path, target: &str, file: &Path) -> Result<Option<String>, Failure> {
        let mut command = self.program(folder, target)?;
        let output = command.arg(file).output().map_err(|error| Failure::file(file, error))?;
        if output.status.success() {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(&output.stderr);
        Ok(Some(reason(&text).unwrap_or_else(|| output.status.to_string())))
    }

    fn program(&self, folder: &Path, target: &str) -> Result<Command, Failure> {
        let mut command = match self {
            Self::Random(program) => {
                let mut command = Command::new(program);
                command.arg(target);
                command
            }
            Self::LibFuzzer { programs, .. } => Command::new(programs.join(target)),
        };
        command.stdin(Stdio::null()).env_remove(RECORD).env("RUST_BACKTRACE", "0");
        if target == "recording" {
            let id = std::process::id();
            command.env(RECORD, within(folder, "recordings", target)?.join(format!("{id}.trace")));
        }
        Ok(command)
    }
}

/// What a program said of its end: what a panic says, or a sanitizer.
fn reason(text: &str) -> Option<String> {
    let mut lines = text.lines().map(str::trim).skip_while(|line| !line.contains("panicked at"));
    if let Some(place) = lines.next() {
        let place = place.split_once("panicked at ").map_or(place, |(_, place)| place);
        return Some(format!("{place} {}", lines.next().unwrap_or_default()));
    }
    text.lines().map(str::trim).find(|line| line.contains("ERROR:")).map(str::to_owned)
}

fn nightly(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env("RUSTUP_TOOLCHAIN", "nightly").env_remove("CARGO").env_remove("RUSTC");
    command
}

/// What a nightly compiler builds for, if there is one.
fn host_of_nightly(workspace: &Workspace) -> Option<String> {
    let output = nightly("rustc").arg("-vV").current_dir(&workspace.root).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "))?;
    text.contains("nightly").then(|| host.to_owned())
}

/// cargo-fuzz: the user's, or one in the target folder, which is installed there if need be.
fn cargo_fuzz(workspace: &Workspace) -> Option<PathBuf> {
    let tools = workspace.target.join("fuzz/tools");
    let ours = tools.join(format!("bin/cargo-fuzz{}", std::env::consts::EXE_SUFFIX));
    let runs = |program: &Path| {
        let output = nightly(program).args(["fuzz", "--version"]).output();
        output.is_ok_and(|output| output.status.success())
    };
    let theirs = PathBuf::from("cargo-fuzz");
    if let Some(found) = [theirs, ours.clone()].into_iter().find(|program| runs(program)) {
        return Some(found);
    }
    eprintln!("Installing cargo-fuzz into {} ...", tools.display());
    let install = nightly("cargo")
        .args(["install", "--locked", "--quiet", "cargo-fuzz", "--root"])
        .arg(&tools)
        .stdin(Stdio::null())
        .status();
    (install.is_ok_and(|status| status.success()) && runs(&ours)).then_some(ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_what_the_panic_says() {
        let panic = "INFO: Seed: 1\n\nthread 'main' (7) panicked at src/ring.rs:91:17:\na promise is broken\nnote: run\n";
        assert_eq!(reason(panic).as_deref(), Some("src/ring.rs:91:17: a promise is broken"));
        let asan = "INFO: Seed: 1\n==9==ERROR: AddressSanitizer: heap-use-after-free on address 0x1\n";
        assert_eq!(
            reason(asan).as_deref(),
            Some("==9==ERROR: AddressSanitizer: heap-use-after-free on address 0x1")
        );
        assert_eq!(reason("Done 7 runs\n"), None);
    }
}
