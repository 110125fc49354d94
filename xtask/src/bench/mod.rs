//! `bench`: ours and rivals side by side, measured here, on one page and as JSON.
//!
//! Whole callbacks in six scenarios, what grows when something else does, memory, and single operations. The package
//! `detalloc-benches` does the measuring, one process for each part; this builds it, runs it and shows what it found. What is
//! timed runs alone; what is counted runs beside other counts.

mod compare;
mod goals;
mod measured;
mod page;
mod programs;
mod report;
mod summary;

use std::thread;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::BenchArgs;
use crate::demo::rustc_version;
use crate::failure::Failure;
use crate::json::Json;
use crate::opcount;
use crate::output::Output;
use crate::workspace::Workspace;
use measured::{Line, Measured};
use programs::Programs;
use report::Report;

/// Callbacks of each engine in each scenario: in all, with `--quick`, and where only faults are counted.
const CALLBACKS: [u32; 3] = [10_000, 700, 200];

/// As the measuring program calls them.
const SCENARIOS: [&str; 6] = ["quiet", "loader", "one-arena", "trim", "mmap-churn", "late-touch"];

/// The scenario of which only faults are counted when nothing is timed.
const FAULTING: &str = "late-touch";

/// Runs the subcommand.
///
/// # Errors
///
/// [`Failure::Check`] if and only if a counter is worse than in the file to compare with; [`Failure::CannotRun`] if and only
/// if this is not Linux on x86-64, a tool is missing, the measuring programs do not build or run, or a file cannot be read or
/// written.
pub fn run(args: &BenchArgs) -> Result<(), Failure> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Err(Failure::CannotRun("instructions are counted on Linux on x86-64 only".into()));
    }
    let workspace = Workspace::find()?;
    if !args.counters {
        opcount::require_tools(&workspace)?;
    }
    let json = Json::reserve(args.json.as_deref())?;
    let folder = workspace.target.join("report");
    std::fs::create_dir_all(&folder).map_err(|error| Failure::file(&folder, error))?;
    let page = Output::reserve(folder.join("index.html"))?;
    let base = args.compare.as_deref().map(compare::read).transpose()?;

    let programs = Programs::build(&workspace, args.counters)?;
    let measured = measure(&programs, args)?;
    let report = Report::new(rustc_version(&workspace), &measured);
    let goals = goals::goals(&measured, &report);
    if args.counters {
        json.show(&report, |_| String::new())?;
    } else {
        page.write_text(&page::page(&measured, &report, &goals, args.quick)?)?;
        json.show(&report, |_| format!("{}\n{}\n", summary::text(&report, &goals), page.path().display()))?;
    }

    let counters = compare::counters(&report);
    if args.update {
        let file = workspace.root.join("benches").join("counters.json");
        compare::write(&counters, file)?;
    }
    base.map_or(Ok(()), |base| compare::check(&base, &counters))
}

/// One process of the measuring program.
struct Part {
    args: Vec<String>,
    /// Alone on the machine.
    is_timed: bool,
}

fn parts(args: &BenchArgs, recordings: Vec<String>) -> Vec<Part> {
    let quick = if args.quick || args.counters { vec!["quick"] } else { Vec::new() };
    let part = |is_timed, words: &[&str]| Part {
        args: words.iter().chain(&quick).map(|&word| word.to_owned()).collect(),
        is_timed,
    };
    let [full, few, fewest] = CALLBACKS;
    let callbacks = if args.counters { fewest } else { if args.quick { few } else { full } };
    let mut parts: Vec<Part> = SCENARIOS
        .iter()
        .filter(|scenario| !args.counters || **scenario == FAULTING)
        .map(|scenario| Part {
            args: vec!["callbacks".to_owned(), (*scenario).to_owned(), callbacks.to_string()],
            is_timed: true,
        })
        .collect();
    parts.extend((!args.counters).then(|| part(true, &["ticks"])));
    parts.push(part(false, &["growth"]));
    parts.push(part(false, &["counts"]));
    parts.push(Part { args: [vec!["memory".to_owned()], recordings].concat(), is_timed: false });
    parts
}

/// Runs every part, with a progress bar.
fn measure(programs: &Programs, args: &BenchArgs) -> Result<Measured, Failure> {
    let recordings = if args.counters { Vec::new() } else { programs.record()? };
    let parts = parts(args, recordings);
    // Draws on stderr, and nothing at all when that is no terminal.
    let bar = ProgressBar::new(parts.len() as u64);
    if let Ok(style) = ProgressStyle::with_template("{pos}/{len} {wide_bar} {elapsed} {msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    let run = |part: &Part| {
        let lines = programs.measure(&part.args);
        bar.inc(1);
        lines
    };
    let mut measured = Measured::default();
    for part in parts.iter().filter(|part| part.is_timed) {
        bar.set_message(part.args.join(" "));
        run(part)?.into_iter().for_each(|line| measured.add(line));
    }
    bar.set_message("counts");
    let counted: Vec<Result<Vec<Line>, Failure>> = thread::scope(|scope| {
        let runs: Vec<_> =
            parts.iter().filter(|part| !part.is_timed).map(|part| scope.spawn(|| run(part))).collect();
        runs.into_iter().map(|run| run.join().expect("nothing that panics")).collect()
    });
    for lines in counted {
        lines?.into_iter().for_each(|line| measured.add(line));
    }
    bar.finish_and_clear();
    Ok(measured)
}
