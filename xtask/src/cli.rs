//! The command line: subcommands, options, their units, defaults and ranges. Values out of range never reach a job.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Every job of this workspace.
///
/// Exit codes: 0 good, 1 a check failed, 2 it could not run (bad input, missing tool).
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 110)]
pub struct Cli {
    /// The job.
    #[command(subcommand)]
    pub job: Job,
}

/// A job.
#[derive(Debug, Subcommand)]
pub enum Job {
    /// Build a plugin and bundle it as CLAP and VST3 into target/bundled
    Bundle(BundleArgs),
    /// Play MIDI over audio through the CLAP and the VST3, write both as WAV, measure their audio threads
    ///
    /// Builds the release bundles first. Needs no sound card, no daemon and no system package. Without --midi and
    /// --audio it plays a built-in piece over a synthesised plucked string.
    ///
    /// Ends in a table (and --json): time per callback against the deadline, the plugin's memory pools, and what the
    /// audio thread did inside the plugin's process calls: system heap allocations and frees (Rust's and C's), minor
    /// page faults, voluntary context switches. The first 100 callbacks are warm-up and not counted. Exits 1 if the
    /// system heap was touched after them, with the stack of the call that did, or if the sound is not finite.
    Demo(DemoArgs),
    /// Run every test this machine can run, and say which it could not and why
    ///
    /// Unit, integration and documentation tests of the whole workspace; the models of the lock-free parts under
    /// loom; hostile hosts, memory and the command line on the release bundles. Installs what it needs where it may
    /// (root on Debian). With CI=true, anything that could not run counts as a failure.
    Test(TestArgs),
    /// Count exact instructions per operation, of ours and of rivals on the same traces
    ///
    /// No sampling, no hardware counter: the same on any machine. Builds for x86-64-v3, which the limits are for, and for
    /// the x86-64 baseline. Ours are detalloc-typed, detalloc (the default build) and detalloc-unchecked; beside
    /// them rlsf, talc, linked-list, buddy, glibc, mimalloc, jemalloc and snmalloc. Takes some five minutes after the
    /// build. Linux on x86-64 only.
    ///
    /// Exits 1 if one of our operations takes more than its limit, or not always the same.
    Opcount(OpcountArgs),
    /// Prove the longest path of every real-time operation from its machine code
    ///
    /// Builds the operations for x86-64 (v3 and baseline), AArch64 (with and without the large system extensions) and Thumb-2
    /// (Cortex-M4, with all of the core and with small pools for one owner only), takes each apart, and demands: no loop, no
    /// indirect jump or call, no call of what is not taken apart too, no end of the program, no system call, no division.
    /// Exceptions are comments in the source, and printed. On x86-64 Linux it also runs them and compares.
    ///
    /// Exits 1 if an operation is not proved, or if its longest path is not what xtask/wcet.json says.
    Wcet(WcetArgs),
    /// Show every claim of the documentation with its evidence, its figure and the command, on one page
    ///
    /// Writes target/proof/index.html. With --quick, what takes minutes is left out, and said so. What this machine cannot check
    /// is "not checked", which is neither good nor bad.
    ///
    /// Exits 1 if a claim does not hold.
    Proof(ProofArgs),
    /// Break the code on purpose, one line at a time, and demand that the proof of it fails
    ///
    /// Works in a copy in the system's temporary folder. Before anything is broken, every proof has to hold there. Takes some
    /// twenty minutes on two cores; --only takes those whose description or file has some words. --orderings weakens every memory
    /// ordering by one step instead, for the models of interleavings to see.
    ///
    /// Exits 1 if a mutation is not caught, 2 if the list does not fit the sources.
    Mutations(MutationsArgs),
    /// Run the tests of the core and the integration under Miri, which knows undefined behaviour when it meets it
    ///
    /// Needs a nightly compiler with Miri, and is no part of `test`. Long loops are short here; tests that cannot run say why.
    /// Takes some ten minutes on two cores. MIRIFLAGS is passed on: -Zmiri-tree-borrows has other rules for pointers,
    /// -Zmiri-many-seeds=0..8 tries as many schedules.
    ///
    /// Exits 1 if a test fails or Miri finds something, 2 if there is no Miri.
    Miri(MiriArgs),
    /// Run operations from arbitrary bytes on everything there is, against models, for some minutes
    ///
    /// With a nightly compiler this is cargo-fuzz (libFuzzer under AddressSanitizer; cargo-fuzz is installed into the target folder
    /// where it is missing), and otherwise the harness' own random driver. The minutes are shared among the targets, on all cores.
    /// An input that fails is kept, with the command that runs it again.
    ///
    /// Exits 1 if an input fails.
    Fuzz(FuzzArgs),
    /// Write the C header, detalloc/capi/include/detalloc.h, from the C interface
    ///
    /// Exits 1 if --check finds it out of date.
    Header(HeaderArgs),
    /// Measure ours and rivals side by side, and write a page with pictures: target/report/index.html
    ///
    /// Whole callbacks on six kinds of memory in six scenarios, what grows when something else does, memory, and single
    /// operations. Takes less than half an hour after the build, with --quick two minutes. Linux on x86-64 only.
    ///
    /// Exits 1 if a counter is worse than in the file to compare with. Times are never compared.
    Bench(BenchArgs),
    /// Print a memory budget for what was recorded, as Rust source
    ///
    /// A build with detalloc-audio's feature `record` writes the recording: run it with DETALLOC_RECORD=FILE. The constant
    /// that this prints goes into AudioBudget::recorded. It was checked by replaying the recording on its pools.
    ///
    /// Exits 1 if the replay is refused something, 2 if the file is no whole recording.
    Budget(BudgetArgs),
    /// Run the allocator on other machines: microcontrollers, Arm 64, Windows; compare with what x86-64 gives
    ///
    /// Targets: thumbv7em, thumbv7em-small, thumbv6m and riscv32imac on emulated boards, with exact instruction counts; freertos on
    /// one of them; zephyr with what stands for its kernel; aarch64-linux and windows with the tests of the core and of the
    /// integration; programs in C on all of these; macos and wasm32 are only compiled. Installs the emulators and compilers it
    /// needs where it may (root on Debian), and says of each target what was not possible, and why.
    ///
    /// Exits 1 if something fails on a target, 2 if the target that was asked for cannot be tried.
    Reach(ReachArgs),
    /// Show what this machine has and lacks, with the command that installs each missing thing
    ///
    /// Exits 0, or 2 if demo or test could not run here.
    Doctor,
}

/// Options of `bundle`.
#[derive(Args, Debug)]
pub struct BundleArgs {
    /// The plugin's package name, such as graincloud
    pub plugin: String,
    /// Build optimised [default: a debug build, which aborts when its callback allocates]
    #[arg(long)]
    pub release: bool,
}

/// Where the demo's audio goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Source {
    /// Looped into the plugin's audio input, which the plugin records
    Input,
    /// Loaded by the plugin itself, from the path in its saved state
    File,
}

/// Options of `demo`.
#[derive(Args, Debug)]
pub struct DemoArgs {
    /// The notes: a standard MIDI file [default: a built-in piece of 24 s]
    #[arg(long, value_name = "FILE")]
    pub midi: Option<PathBuf>,
    /// The audio to granulate: a WAV file, resampled to --rate [default: a synthesised plucked string]
    #[arg(long, value_name = "FILE")]
    pub audio: Option<PathBuf>,
    /// Where to write: NAME.wav becomes NAME-clap.wav and NAME-vst3.wav, 32-bit float stereo; replaced only when
    /// complete [default: demo/demo.wav in the target folder]
    #[arg(long, value_name = "NAME.wav")]
    pub out: Option<PathBuf>,
    /// Length in seconds, more than 0 and up to 600 [default: the notes and 4 s more, up to 600]
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, value_parser = seconds)]
    pub seconds: Option<f64>,
    /// Frames per callback
    #[arg(long, value_name = "FRAMES", default_value_t = 64, allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..=8192))]
    pub block: u32,
    /// Sample rate in Hz
    #[arg(long, value_name = "HZ", default_value_t = 48_000, allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(8_000..=384_000))]
    pub rate: u32,
    /// Write the figures as JSON to this file; - is stdout, the table then goes to stderr
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Pace the callbacks by an absolute clock, as a sound card would [default: as fast as they go]
    #[arg(long)]
    pub realtime: bool,
    /// How the plugin gets the audio
    #[arg(long, value_enum, default_value_t = Source::Input)]
    pub source: Source,
}

/// The longest demo in seconds: both renders are kept in memory, 230 MB each at 48 kHz.
pub const MAX_SECONDS: f64 = 600.0;

fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    if seconds > 0.0 && seconds <= MAX_SECONDS {
        Ok(seconds)
    } else {
        Err(format!("{text} is not in 0..={MAX_SECONDS}, 0 excluded"))
    }
}

/// Options of `test`.
#[derive(Args, Debug)]
pub struct TestArgs {
    /// Leave out what takes minutes: the loom models and the long runs on the release bundles
    #[arg(long)]
    pub quick: bool,
    /// Leave out the tests whose names contain this; may be given several times
    #[arg(long, value_name = "PART")]
    pub skip: Vec<String>,
}

/// Options of `wcet`.
#[derive(Args, Debug)]
pub struct WcetArgs {
    /// One target: x86-64-v3, x86-64, aarch64-lse, aarch64, thumbv7em or thumbv7em-small [default: all]
    #[arg(long, value_name = "TARGET")]
    pub target: Option<String>,
    /// Write what was found into xtask/wcet.json, which later runs compare with
    #[arg(long)]
    pub update: bool,
    /// Write the paths as JSON to this file; - is stdout, the tables then go to stderr
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// Options of `proof`.
#[derive(Args, Debug)]
pub struct ProofArgs {
    /// Print the claims as Markdown, and run nothing: that is what xtask/PROOF.md holds
    #[arg(long, conflicts_with_all = ["quick", "json"])]
    pub list: bool,
    /// Leave out what takes minutes
    #[arg(long)]
    pub quick: bool,
    /// Write the rows as JSON to this file; - is stdout, the summary then goes to stderr
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// Options of `mutations`.
#[derive(Args, Debug)]
pub struct MutationsArgs {
    /// Only those whose description or file has these words
    #[arg(long, value_name = "WORDS")]
    pub only: Option<String>,
    /// Weaken memory orderings instead, each by one step: a model of the interleavings has to see it
    #[arg(long)]
    pub orderings: bool,
    /// One ordering of each file
    #[arg(long, requires = "orderings")]
    pub quick: bool,
    /// Write the rows as JSON to this file; - is stdout, the table then goes to stderr
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// Options of `miri`.
#[derive(Args, Debug)]
pub struct MiriArgs {
    /// Only the tests of this package
    #[arg(long, value_name = "PACKAGE", value_parser = ["detalloc", "detalloc-audio"])]
    pub package: Option<String>,
    /// Only tests whose names have these words
    pub filter: Option<String>,
}

/// Options of `fuzz`.
#[derive(Args, Debug)]
pub struct FuzzArgs {
    /// How long in all, more than 0 and up to 1440
    #[arg(long, default_value_t = 5.0, allow_negative_numbers = true, value_parser = minutes)]
    pub minutes: f64,
    /// One target [default: all]
    #[arg(long)]
    pub target: Option<String>,
    /// What the inputs follow from [default: the clock]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub seed: Option<u32>,
    /// Use the random driver, also where there is cargo-fuzz
    #[arg(long)]
    pub stable: bool,
    /// Run this file on the target instead
    #[arg(long, value_name = "FILE", requires = "target")]
    pub replay: Option<PathBuf>,
    /// Add the runs to xtask/fuzz/record.json
    #[arg(long, conflicts_with = "replay")]
    pub record: bool,
    /// Write the runs as JSON to this file; - is stdout, the table then goes to stderr
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

fn minutes(text: &str) -> Result<f64, String> {
    let minutes: f64 = text.parse().map_err(|_| "not a number of minutes".to_owned())?;
    if minutes > 0.0 && minutes <= 1440.0 {
        Ok(minutes)
    } else {
        Err(format!("{text} is not in 0..=1440, 0 excluded"))
    }
}

/// Options of `header`.
#[derive(Args, Debug)]
pub struct HeaderArgs {
    /// Compare it with what is there, and write nothing
    #[arg(long)]
    pub check: bool,
}

/// Options of `budget`.
#[derive(Args, Debug)]
pub struct BudgetArgs {
    /// The recording
    pub file: PathBuf,
    /// How many more blocks of every class than the recording needs, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 25, allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(0..=1000))]
    pub headroom: u32,
    /// Write the figures as JSON to this file; - is stdout, the source then goes to stderr
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// Options of `bench`.
#[derive(Args, Debug)]
pub struct BenchArgs {
    /// Fewer callbacks and replays, shorter histories
    #[arg(long)]
    pub quick: bool,
    /// Only what is counted, without the rivals in C, and no page: for --compare
    #[arg(long)]
    pub counters: bool,
    /// Write the figures as JSON to this file; - is stdout, the text then goes to stderr
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Compare counters (instructions, bytes, faults) with those in this file, such as benches/counters.json
    #[arg(long, value_name = "BASE.json")]
    pub compare: Option<PathBuf>,
    /// Keep the counters in benches/counters.json
    #[arg(long)]
    pub update: bool,
}

/// Options of `reach`.
#[derive(Args, Debug)]
pub struct ReachArgs {
    /// One target, by its name here or the compiler's [default: all]
    #[arg(long, value_name = "TARGET")]
    pub target: Option<String>,
    /// Compile with the Rust of the distribution, which makes a target's library from sources, also where rustup has that library
    #[arg(long)]
    pub distribution: bool,
    /// Write the table as JSON to this file; - is stdout, the table then goes to stderr
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// Options of `opcount`.
#[derive(Args, Debug)]
pub struct OpcountArgs {
    /// Leave out the rivals, which have no limits to keep
    #[arg(long)]
    pub ours: bool,
    /// Write the counts as JSON to this file; - is stdout, the tables then go to stderr
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_subcommand_and_option_has_help() {
        for job in Cli::command().get_subcommands() {
            assert!(job.get_about().is_some(), "{}", job.get_name());
            for argument in job.get_arguments() {
                assert!(argument.get_help().is_some(), "{} {}", job.get_name(), argument.get_id());
            }
        }
    }

    #[test]
    fn lengths_out_of_range_are_refused() {
        for refused in ["0", "-1", "600.1", "inf", "NaN", "ten", ""] {
            assert!(seconds(refused).is_err(), "{refused}");
        }
        assert_eq!(seconds("0.5"), Ok(0.5));
        assert_eq!(seconds("600"), Ok(600.0));
    }
}
