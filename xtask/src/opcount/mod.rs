//! `opcount`: exact instructions per operation of ours and of rivals, on the same traces. Builds the program that counts
//! (`opcount` in the package `detalloc-benches`, which documents method and traces) for two targets, runs both, shows the
//! tables and checks our limits.

mod limits;
mod report;
mod table;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use serde::de::DeserializeOwned;

use crate::cli::OpcountArgs;
use crate::demo::rustc_version;
use crate::failure::Failure;
use crate::json::Json;
use crate::tools::TOOLS;
use crate::workspace::Workspace;
use report::{Growth, Report, Row, Target};

/// The tools that the rivals in C and C++ are built with.
const TOOLS_OF_RIVALS: [&str; 3] = ["C++ compiler", "make", "CMake"];

/// Runs the subcommand.
///
/// # Errors
///
/// [`Failure::Check`] if and only if one of our limits is broken; [`Failure::CannotRun`] if and only if this is not Linux on
/// x86-64-v3, a tool is missing, the counting program does not build or run, or the JSON cannot be written.
pub fn run(args: &OpcountArgs) -> Result<(), Failure> {
    require_machine()?;
    let workspace = Workspace::find()?;
    if !args.ours {
        require_tools(&workspace)?;
    }
    let json = Json::reserve(args.json.as_deref())?;

    let mut programs = Vec::new();
    for target in Target::ALL {
        eprintln!("Building for {target} ...");
        programs.push((target, build(&workspace, target, args.ours)?));
    }
    eprintln!("Counting, which takes {} ...", if args.ours { "a minute" } else { "two to five minutes" });
    let which: &[&str] = if args.ours { &["ours"] } else { &[] };
    let counted = thread::scope(|scope| {
        let runs: Vec<_> =
            programs.iter().map(|(_, program)| scope.spawn(|| read::<Row>(program, which))).collect();
        runs.into_iter().map(|run| run.join().expect("nothing that panics")).collect::<Result<Vec<_>, _>>()
    })?;
    let mut report = Report { rustc: rustc_version(&workspace), results: Vec::new(), growth: Vec::new() };
    for ((target, program), rows) in programs.iter().zip(counted) {
        report.results.extend(rows.into_iter().map(|row| row.on(*target)));
        if *target == Target::V3 {
            report.growth = read::<Growth>(program, &["growth"])?;
        }
    }

    json.show(&report, |_| format!("{}\n", table::tables(&report)))?;
    let broken = limits::broken(&report);
    if broken.is_empty() { Ok(()) } else { Err(Failure::Check(broken.join("; "))) }
}

fn require_machine() -> Result<(), Failure> {
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    {
        use std::arch::is_x86_feature_detected as has;
        let v3 = has!("avx2")
            && has!("bmi1")
            && has!("bmi2")
            && has!("f16c")
            && has!("fma")
            && has!("lzcnt")
            && has!("movbe");
        if v3 {
            return Ok(());
        }
        Err(Failure::CannotRun(
            "this processor lacks instructions of x86-64-v3, which the limits are for".into(),
        ))
    }
    #[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
    Err(Failure::CannotRun("instructions are counted on Linux on x86-64 only".into()))
}

/// Sees to it that the rivals can be built.
pub(crate) fn require_tools(workspace: &Workspace) -> Result<(), Failure> {
    for tool in TOOLS.iter().filter(|tool| TOOLS_OF_RIVALS.contains(&tool.name)) {
        let there = || tool.version(&workspace.root).is_some();
        if !(there() || tool.install() && there()) {
            let missing = format!("{} is missing. Install: {}", tool.name, tool.how_to_install());
            return Err(Failure::CannotRun(missing));
        }
    }
    Ok(())
}

/// Builds the counting program for a target, in a folder of its own, so that ordinary builds are not thrown away.
fn build(workspace: &Workspace, target: Target, ours: bool) -> Result<PathBuf, Failure> {
    const TRIPLE: &str = "x86_64-unknown-linux-gnu";
    let folder = workspace.target.join("opcount").join(target.name());
    let status = Command::new("cargo")
        .args(["build", "--release", "--package", "detalloc-benches", "--bin", "opcount"])
        // With a target, the flags are for the program alone and not for what runs while it is built.
        .args(if ours { &[][..] } else { &["--features", "c-rivals"] })
        .args(["--target", TRIPLE, "--target-dir"])
        .arg(&folder)
        .env("RUSTFLAGS", format!("-C target-cpu={target}"))
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .current_dir(&workspace.root)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .map_err(|error| Failure::CannotRun(format!("cargo: {error}")))?;
    if !status.success() {
        return Err(Failure::CannotRun(format!("the counting program does not build for {target}")));
    }
    Ok(folder.join(TRIPLE).join("release").join("opcount"))
}

/// Runs the counting program and reads its lines.
fn read<T: DeserializeOwned>(program: &Path, args: &[&str]) -> Result<Vec<T>, Failure> {
    let output = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| Failure::file(program, error))?;
    if !output.status.success() {
        return Err(Failure::file(program, format!("could not count: {}", output.status)));
    }
    serde_json::Deserializer::from_slice(&output.stdout)
        .into_iter()
        .collect::<Result<_, _>>()
        .map_err(|error| Failure::file(program, error))
}
