//! `fuzz`: every target of the harness (`xtask/fuzz`) for some minutes, on all cores, against its model.
//!
//! With a nightly compiler and cargo-fuzz it runs libFuzzer under AddressSanitizer, and otherwise the harness' own random driver.
//! Each run is a process of its own: whatever becomes of it, the input that did it is kept and can be run again.

mod engine;
mod job;
mod report;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use indicatif::{HumanCount, ProgressBar, ProgressStyle};

use engine::Engine;
use job::Job;
use report::{Record, Report, Row};

use crate::cli::FuzzArgs;
use crate::failure::Failure;
use crate::json::Json;
use crate::number;
use crate::workspace::Workspace;

/// Where runs are written down, in the workspace.
const KEPT: &str = "xtask/fuzz/record.json";

/// The target that fails on purpose; it runs only when it is named.
const PLANTED: &str = "planted";

/// Runs the subcommand.
///
/// # Errors
///
/// [`Failure::Check`] if and only if an input fails; [`Failure::CannotRun`] if and only if there is no such target or file, the
/// harness does not build, or something cannot be written.
pub fn run(args: &FuzzArgs) -> Result<(), Failure> {
    let workspace = Workspace::find()?;
    let json = Json::reserve(args.json.as_deref())?;
    let folder = workspace.target.join("fuzz");
    std::fs::create_dir_all(&folder).map_err(|error| Failure::file(&folder, error))?;
    let random = Engine::random(&workspace)?;
    let targets = chosen(&random, args.target.as_deref())?;
    let engine = if args.stable { random } else { Engine::best(&workspace, random)? };
    if let Some(file) = &args.replay {
        return replay(&engine, &folder, &targets, file);
    }
    let seed = args.seed.unwrap_or_else(by_the_clock);
    eprintln!("{}, from seed {seed} on", engine.words());
    let rows = fuzz(&engine, &folder, &targets, Duration::from_secs_f64(60.0 * args.minutes), seed)?;
    let report = Report { runs: rows };
    json.show(&report, |_| report.table())?;
    if args.record {
        Record::add(&workspace.root.join(KEPT), &report)?;
    }
    let findings: Vec<String> = report
        .runs
        .iter()
        .flat_map(|row| &row.findings)
        .map(|finding| format!("{}; {}", finding.why, finding.command))
        .collect();
    if findings.is_empty() { Ok(()) } else { Err(Failure::Check(findings.join("\n"))) }
}

/// A seed that is another one every time, and short enough for libFuzzer.
fn by_the_clock() -> u32 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.subsec_nanos() ^ u32::try_from(now.as_secs() & 0x7FFF_FFFF).unwrap_or(0)
}

/// The target of this name, or all of them.
fn chosen(random: &Engine, name: Option<&str>) -> Result<Vec<String>, Failure> {
    let all = random.targets()?;
    match name {
        None => Ok(all),
        Some(name) if name == PLANTED || all.iter().any(|target| target == name) => Ok(vec![name.to_owned()]),
        Some(name) => {
            Err(Failure::CannotRun(format!("there is no target {name}; there are {}", all.join(", "))))
        }
    }
}

/// Runs a file on the one target that was named.
fn replay(engine: &Engine, folder: &Path, targets: &[String], file: &Path) -> Result<(), Failure> {
    let [target] = targets else {
        return Err(Failure::CannotRun("a file is replayed on one target: name it with --target".to_owned()));
    };
    std::fs::metadata(file).map_err(|error| Failure::file(file, error))?;
    match engine.replay(folder, target, file)? {
        None => {
            println!("{}: holds on {target}", file.display());
            Ok(())
        }
        Some(why) => Err(Failure::Check(format!("{}: {why}", file.display()))),
    }
}

/// Shares the time among the targets, and their runs among the cores.
fn fuzz(
    engine: &Engine,
    folder: &Path,
    targets: &[String],
    time: Duration,
    seed: u32,
) -> Result<Vec<Row>, Failure> {
    let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    // Where there are more cores than targets, a target has several runs, each from a seed of its own.
    let each = (cores / targets.len()).max(1);
    let rounds = (targets.len() * each).div_ceil(cores);
    let time_each = time / u32::try_from(rounds).unwrap_or(u32::MAX);
    let mut jobs = VecDeque::new();
    for number in 0..each {
        for target in targets {
            let seed = seed.wrapping_add(u32::try_from(number).unwrap_or(0)).max(1);
            jobs.push_back(Job { target: target.clone(), seed, time: time_each });
        }
    }

    let bar = ProgressBar::new(number::length(jobs.len()));
    if let Ok(style) = ProgressStyle::with_template("{pos}/{len} {wide_bar} {elapsed} {msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    let (jobs, done, operations) = (Mutex::new(jobs), Mutex::new(Vec::new()), AtomicU64::new(0));
    let next = || jobs.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let work = || {
        while let Some(job) = next() {
            let row = job.run(engine, folder, |more| {
                let all = operations.fetch_add(more, Relaxed) + more;
                bar.set_message(format!("{} {} operations", job.target, HumanCount(all)));
            });
            bar.inc(1);
            done.lock().unwrap_or_else(PoisonError::into_inner).push(row);
        }
    };
    thread::scope(|scope| (0..cores).for_each(|_| drop(scope.spawn(work))));
    bar.finish_and_clear();
    let rows: Result<Vec<Row>, Failure> =
        done.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter().collect();
    let mut rows = rows?;
    let place = |row: &Row| targets.iter().position(|target| *target == row.target);
    rows.sort_by_key(|row| (place(row), row.seed));
    Ok(rows)
}

/// Where an engine keeps something of a target's.
fn within(folder: &Path, what: &str, target: &str) -> Result<PathBuf, Failure> {
    let path = folder.join(what).join(target);
    std::fs::create_dir_all(&path).map_err(|error| Failure::file(&path, error))?;
    Ok(path)
}
