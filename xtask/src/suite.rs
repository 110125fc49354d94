//! `test`: everything this machine can run. The tests of the whole workspace are built once and then run one binary
//! after the other, so that the summary can tell them apart; then the documentation's examples; then what needs the core
//! built another way: with its features, optimised, with recordings, with sound devices, under loom and shuttle, under sanitizers
//! and under Valgrind.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use comfy_table::{Cell, CellAlignment, Table, TableComponent, presets};
use serde::Deserialize;

use crate::cli::TestArgs;
use crate::failure::Failure;
use crate::tools::{Need, TOOLS};
use crate::workspace::Workspace;

/// A way of building tests other than the ordinary one.
struct Variant {
    /// What the summary calls it.
    name: &'static str,
    /// What cargo is to build.
    args: &'static [&'static str],
    /// Flags of the compiler; they need a target folder of their own, named after the variant.
    rustflags: Option<&'static str>,
    /// Whether it uses what the pinned compiler offers only when told that it is a nightly one.
    unstable: bool,
}

impl Variant {
    fn is_sanitized(&self) -> bool {
        self.args.contains(&SANITIZED)
    }

    /// Where it is built if not in the ordinary place. The sanitizers share what runs while they are built.
    fn folder(&self) -> &'static str {
        if self.is_sanitized() { "sanitized" } else { self.name }
    }
}

/// The features that work together on the pinned compiler.
const FEATURES: &str = "alloc,os,valgrind,allocator-api2,allocator-api2-03,allocator-api2-04";

/// Where the sanitizers run: a build for a stated target keeps their flags from build scripts.
const SANITIZED: &str = "x86_64-unknown-linux-gnu";

const VARIANTS: [Variant; 10] = [
    Variant {
        name: "features",
        args: &["-p", "detalloc", "--features", FEATURES, "--lib", "--tests", "--examples"],
        rustflags: None,
        unstable: false,
    },
    Variant {
        name: "nightly",
        args: &["-p", "detalloc", "--features", "nightly", "--test", "interop"],
        rustflags: None,
        unstable: true,
    },
    Variant {
        name: "release",
        args: &[
            "-p",
            "detalloc-audio",
            "--release",
            "--test",
            "faults",
            "--test",
            "handles",
            "--test",
            "instructions",
            "--test",
            "prove",
            "--test",
            "publish",
            "--test",
            "routed",
            "--test",
            "stall",
            "--test",
            "stress",
            "--test",
            "violations",
        ],
        rustflags: None,
        unstable: false,
    },
    Variant {
        name: "recorded",
        args: &[
            "-p",
            "detalloc-audio",
            "--features",
            "record",
            "--release",
            "--lib",
            "--test",
            "fits",
            "--test",
            "record",
        ],
        rustflags: None,
        unstable: false,
    },
    Variant {
        name: "sound",
        args: &[
            "-p",
            "detalloc-audio",
            "--features",
            "cpal,fault-injection,jack,nice-plug,realtime",
            "--lib",
            "--test",
            "adapter",
            "--test",
            "injection",
            "--test",
            "jack",
            "--test",
            "locked",
            "--test",
            "nice_plug",
            "--test",
            "null_device",
        ],
        rustflags: None,
        unstable: false,
    },
    Variant {
        name: "injected",
        args: &[
            // So that what they depend on is built as it is for the ordinary tests, and need not be again.
            "--workspace",
            "--features",
            "detalloc-audio/fault-injection,graincloud/fault-injection",
            "--test",
            "examples",
            "--test",
            "injection",
        ],
        rustflags: None,
        unstable: false,
    },
    Variant {
        name: "loom",
        args: &[
            "-p",
            "detalloc",
            "-p",
            "detalloc-audio",
            "-p",
            "graincloud",
            "--release",
            "--test",
            "loom*",
            "--test",
            "shuttle",
        ],
        // Both at once, so that what they need is built once.
        rustflags: Some("--cfg loom --cfg shuttle"),
        unstable: false,
    },
    Variant {
        name: "asan",
        args: &[
            "-p",
            "detalloc",
            "-p",
            "detalloc-audio",
            "--features",
            "detalloc/alloc,detalloc/os",
            "--target",
            SANITIZED,
            "--lib",
            "--test",
            "arena",
            "--test",
            "corruption",
            "--test",
            "endings",
            "--test",
            "guard",
            "--test",
            "handles",
            "--test",
            "heap",
            "--test",
            "mapped",
            "--test",
            "memory",
            "--test",
            "pressure",
            "--test",
            "routed",
            "--test",
            "sanitizers",
            "--test",
            "shared",
            "--test",
            "spin",
        ],
        rustflags: Some("-Zsanitizer=address --cfg asan"),
        unstable: true,
    },
    Variant {
        name: "rtsan",
        args: &["-p", "detalloc-audio", "-p", "graincloud", "--target", SANITIZED, "--test", "silence"],
        rustflags: Some("-Zsanitizer=realtime --cfg rtsan"),
        unstable: true,
    },
    // With the standard library built the same way: it sees no order in what it did not build.
    Variant {
        name: "tsan",
        args: &[
            "-Zbuild-std",
            "-p",
            "detalloc",
            "-p",
            "detalloc-audio",
            "--target",
            SANITIZED,
            "--test",
            "crowded",
            "--test",
            "foreign",
            "--test",
            "handles",
            "--test",
            "pressure",
            "--test",
            "races",
            "--test",
            "reaper",
            "--test",
            "ring",
            "--test",
            "shared",
            "--test",
            "spin",
        ],
        rustflags: Some("-Zsanitizer=thread --cfg tsan"),
        unstable: true,
    },
];

/// Runs the subcommand.
///
/// # Errors
///
/// [`Failure::Check`] if and only if a test failed, or, with `CI=true`, something could not run;
/// [`Failure::CannotRun`] if and only if the tests do not build.
pub fn run(args: &TestArgs) -> Result<(), Failure> {
    let workspace = Workspace::find()?;
    let mut suite = Suite {
        root: workspace.root.clone(),
        target: workspace.target.clone(),
        rows: Vec::new(),
        not_run: Vec::new(),
    };
    suite.require_tools()?;

    let ordinary = ["--workspace", "--lib", "--bins", "--tests", "--examples"];
    // Tests that take minutes are marked as ignored.
    let mut run_args: Vec<&str> = if args.quick { vec![] } else { vec!["--include-ignored"] };
    let skip: Vec<&str> = args.skip.iter().flat_map(|part| ["--skip", part]).collect();
    run_args.extend(&skip);
    for binary in suite.build(&ordinary, None)? {
        suite.run_binary(&binary, &run_args);
    }
    suite.run_doc_tests(&["--workspace"], &skip);
    if !args.quick {
        for variant in &VARIANTS {
            if variant.is_sanitized() && !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
                suite.not_run.push(format!("{}: it is set up for Linux on x86-64 only", variant.name));
                continue;
            }
            if variant.name == "tsan" && !has_library_sources(&suite.root) {
                let how = "install: rustup component add rust-src";
                suite
                    .not_run
                    .push(format!("{}: the standard library's sources are missing; {how}", variant.name));
                continue;
            }
            if variant.name == "sound" && !sound_builds(&suite.root) {
                continue;
            }
            for binary in suite.build(variant.args, Some(variant))? {
                suite.run_binary(&binary, &run_args);
            }
        }
        suite.run_doc_tests(&["-p", "detalloc", "--features", FEATURES], &skip);
    }
    if !thread_watch::available() {
        suite
            .not_run
            .push("system heap calls of the audio thread: only glibc on Linux lets them be counted".into());
    }
    suite.finish(args)
}

/// Whether what plays can be built here; what is missing has been said.
fn sound_builds(root: &Path) -> bool {
    TOOLS.iter().filter(|tool| tool.name.ends_with("headers")).all(|tool| tool.version(root).is_some())
}

/// Whether the pinned compiler has the sources of its library, which are fetched if they can be.
fn has_library_sources(root: &Path) -> bool {
    let mut rustup = Command::new("rustup");
    rustup.args(["component", "add", "rust-src"]).current_dir(root);
    rustup.stdin(Stdio::null()).status().is_ok_and(|status| status.success())
}

struct Suite {
    root: PathBuf,
    target: PathBuf,
    rows: Vec<Row>,
    not_run: Vec<String>,
}

struct Row {
    name: String,
    counts: Counts,
    good: bool,
    time: Duration,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    passed: u64,
    failed: u64,
    ignored: u64,
}

struct TestBinary {
    name: String,
    package: String,
    path: PathBuf,
    folder: PathBuf,
}

impl Suite {
    fn require_tools(&mut self) -> Result<(), Failure> {
        for tool in TOOLS.iter().filter(|tool| tool.need != Need::Optional) {
            if tool.is_there_or_installed(&self.root) {
                continue;
            }
            let missing = format!("{} is missing. Install: {}", tool.name, tool.how_to_install());
            if tool.need == Need::Everything {
                return Err(Failure::CannotRun(missing));
            }
            self.not_run.push(missing);
        }
        Ok(())
    }

    fn cargo(&self, variant: Option<&Variant>) -> Command {
        let mut cargo = Command::new("cargo");
        cargo.current_dir(&self.root).stdin(Stdio::null());
        if variant.is_some_and(|variant| variant.unstable) {
            cargo.env("RUSTC_BOOTSTRAP", "1");
        }
        if let Some(flags) = variant.and_then(|variant| variant.rustflags) {
            let given = std::env::var("RUSTFLAGS").unwrap_or_default();
            cargo.env("RUSTFLAGS", format!("{given} {flags}").trim());
        }
        cargo
    }

    fn build(&self, args: &[&str], variant: Option<&Variant>) -> Result<Vec<TestBinary>, Failure> {
        let mut cargo = self.cargo(variant);
        cargo.args(["test", "--no-run", "--message-format", "json-render-diagnostics"]).args(args);
        // What is built with other flags would throw the ordinary build away.
        if let Some(variant) = variant.filter(|variant| variant.unstable || variant.rustflags.is_some()) {
            cargo.arg("--target-dir").arg(self.target.join(variant.folder()));
        }
        let output = cargo
            .stderr(Stdio::inherit())
            .output()
            .map_err(|error| Failure::CannotRun(format!("cargo: {error}")))?;
        if !output.status.success() {
            return Err(Failure::CannotRun("the tests do not build".to_owned()));
        }
        let suffix = variant.map(|variant| format!(" ({})", variant.name)).unwrap_or_default();
        let messages = output.stdout.split(|&byte| byte == b'\n');
        let mut binaries: Vec<TestBinary> =
            messages.filter_map(|message| TestBinary::from_message(message, &suffix)).collect();
        // Cargo names them in the order in which they were built.
        binaries.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(binaries)
    }

    fn run_binary(&mut self, binary: &TestBinary, args: &[&str]) {
        println!("\n== {}", binary.name);
        let mut command = Command::new(&binary.path);
        // As `cargo test` would.
        command
            .args(args)
            .current_dir(&binary.folder)
            .env("CARGO_MANIFEST_DIR", &binary.folder)
            .env("CARGO_PKG_NAME", &binary.package);
        self.run_tests(&binary.name, command);
    }

    fn run_doc_tests(&mut self, args: &[&str], run_args: &[&str]) {
        let name = format!("examples in the documentation, {}", args.join(" "));
        println!("\n== {name}");
        let mut cargo = self.cargo(None);
        cargo.args(["test", "--doc", "--no-fail-fast"]).args(args).arg("--").args(run_args);
        self.run_tests(&name, cargo);
    }

    /// Runs tests, shows what they print and adds up their results.
    fn run_tests(&mut self, name: &str, mut command: Command) {
        let start = Instant::now();
        let mut counts = Counts::default();
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let good = child.and_then(|mut child| {
            if let Some(stdout) = child.stdout.take() {
                for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                    println!("{line}");
                    counts.add(&line);
                }
            }
            child.wait()
        });
        let good = match good {
            Ok(status) => status.success(),
            Err(error) => {
                println!("{name}: {error}");
                false
            }
        };
        self.rows.push(Row { name: name.to_owned(), counts, good, time: start.elapsed() });
    }

    fn finish(self, args: &TestArgs) -> Result<(), Failure> {
        let mut table = Table::new();
        table
            .load_preset(presets::UTF8_HORIZONTAL_ONLY)
            .remove_style(TableComponent::HorizontalLines)
            .remove_style(TableComponent::MiddleIntersections);
        let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
        table.set_header(["", "passed", "failed", "ignored", "seconds", ""]);
        for row in self.rows.iter().filter(|row| !row.good || row.counts != Counts::default()) {
            table.add_row([
                Cell::new(&row.name),
                right(row.counts.passed.to_string()),
                right(row.counts.failed.to_string()),
                right(row.counts.ignored.to_string()),
                right(format!("{:.1}", row.time.as_secs_f64())),
                Cell::new(if row.good { "" } else { "FAILED" }),
            ]);
        }
        println!("\n{table}");
        if args.quick {
            println!(
                "Left out by --quick: the core with its features, under loom and under sanitizers, and the tests that take minutes."
            );
        }
        for part in &args.skip {
            println!("Left out by --skip: tests whose names contain {part}");
        }
        for what in &self.not_run {
            println!("Could not run: {what}");
        }

        let bad: Vec<&str> = self.rows.iter().filter(|row| !row.good).map(|row| row.name.as_str()).collect();
        let strict = std::env::var("CI").is_ok_and(|ci| ci == "true");
        if !bad.is_empty() {
            Err(Failure::Check(format!("failed: {}", bad.join(", "))))
        } else if strict && !self.not_run.is_empty() {
            Err(Failure::Check(format!("{} things could not run, and CI=true", self.not_run.len())))
        } else {
            Ok(())
        }
    }
}

impl TestBinary {
    /// From one of cargo's JSON messages, if it is about a test binary.
    fn from_message(message: &[u8], suffix: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Artifact {
            executable: Option<PathBuf>,
            manifest_path: PathBuf,
            package_id: String,
            profile: Profile,
            target: Target,
        }
        #[derive(Deserialize)]
        struct Profile {
            test: bool,
        }
        #[derive(Deserialize)]
        struct Target {
            name: String,
            kind: Vec<String>,
        }

        // Messages of other kinds have no such fields.
        let artifact: Artifact = serde_json::from_slice(message).ok()?;
        let folder = artifact.manifest_path.parent()?.to_path_buf();
        let package = package_name(&artifact.package_id)?.to_owned();
        let what = match artifact.target.kind.first().map(String::as_str) {
            Some("test") => format!("tests/{}", artifact.target.name),
            Some("bin") => "program".to_owned(),
            Some("example") => format!("examples/{}", artifact.target.name),
            _ => "units".to_owned(),
        };
        let name = format!("{package}: {what}{suffix}");
        artifact.profile.test.then_some(())?;
        Some(TestBinary { name, package, path: artifact.executable?, folder })
    }
}

/// The name in a package id such as `path+file:///x/detalloc#0.1.0` or `path+file:///x/benches#detalloc-benches@0.1.0`.
fn package_name(id: &str) -> Option<&str> {
    let (place, version) = id.rsplit_once('#')?;
    version.split_once('@').map(|(name, _)| name).or_else(|| place.rsplit('/').next())
}

impl Counts {
    /// Adds the result line of a test binary; other lines change nothing.
    fn add(&mut self, line: &str) {
        let Some(results) = line.strip_prefix("test result: ") else { return };
        for result in results.split([';', '.']) {
            let mut words = result.split_whitespace();
            let (Some(count), Some(what)) =
                (words.next().and_then(|count| count.parse::<u64>().ok()), words.next())
            else {
                continue;
            };
            match what {
                "passed" => self.passed += count,
                "failed" => self.failed += count,
                "ignored" => self.ignored += count,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn package_ids_of_both_forms_are_understood() {
        assert_eq!(package_name("path+file:///x/detalloc#0.1.0"), Some("detalloc"));
        assert_eq!(package_name("path+file:///x/benches#detalloc-benches@0.1.0"), Some("detalloc-benches"));
    }

    #[test]
    fn result_lines_are_added_up() {
        let mut counts = Counts::default();
        counts.add(
            "test result: ok. 9 passed; 0 failed; 2 ignored; 0 measured; 1 filtered out; finished in 0.29s",
        );
        counts.add("test some::test ... ok");
        counts.add("test result: FAILED. 1 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s");
        assert_eq!(counts, Counts { passed: 10, failed: 3, ignored: 2 });
    }
}
