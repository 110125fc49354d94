//! Every job a person or CI runs in this workspace: bundle a plugin, play it and measure its audio thread (`demo`),
//! run all tests, count instructions, print budgets for what was recorded, look at what the machine has.
//!
//! It is a library with a thin `main`, so that the integration tests host the real bundles with the same code the
//! demo uses. Exit codes are the same everywhere: 0 good, 1 a check failed, 2 it could not run.

pub mod bench;
pub mod budget;
pub mod bundle;
pub mod cli;
pub mod demo;
pub mod doctor;
pub mod failure;
pub mod fuzz;
pub mod header;
pub mod host;
pub mod json;
pub mod miri;
pub mod mutations;
pub mod number;
pub mod opcount;
pub mod output;
pub mod proof;
pub mod reach;
mod rustup;
pub mod suite;
pub mod tools;
pub mod wcet;
pub mod workspace;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Job};
use failure::Failure;

/// Runs the job that `args` (the program's name first) ask for, and reports a failure as one line on stderr.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Printing can only fail when nobody reads any more.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    match perform(&cli.job) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{} {failure}", console::style("error:").for_stderr().red().bold());
            failure.exit_code()
        }
    }
}

fn perform(job: &Job) -> Result<(), Failure> {
    match job {
        Job::Bench(args) => bench::run(args),
        Job::Budget(args) => budget::run(args),
        Job::Bundle(args) => bundle::run(args),
        Job::Demo(args) => demo::run(args),
        Job::Test(args) => suite::run(args),
        Job::Miri(args) => miri::run(args),
        Job::Fuzz(args) => fuzz::run(args),
        Job::Header(args) => header::run(args),
        Job::Mutations(args) => mutations::run(args),
        Job::Opcount(args) => opcount::run(args),
        Job::Doctor => doctor::run(),
        Job::Proof(args) => proof::run(args),
        Job::Reach(args) => reach::run(args),
        Job::Wcet(args) => wcet::run(args),
    }
}
