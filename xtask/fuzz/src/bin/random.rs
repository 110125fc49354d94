//! The random driver, for compilers without libFuzzer: runs a target on inputs from a seed, or on files.
//!
//! Every input is written down before it is run, so that whatever becomes of this program, the input that did it is there.

use clap::Parser;
use harness::{TARGETS, corpus, named, progress::Progress, random::Inputs};
use std::{
    error::Error,
    fs::{self, File},
    io::{Seek, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Runs a target on inputs from a seed, or on files.
#[derive(Parser)]
struct Args {
    /// The target [default: list all of them]
    target: Option<String>,
    /// Run these files instead
    files: Vec<PathBuf>,
    /// What the inputs follow from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How long, in seconds
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Where the input is kept that is being run
    #[arg(long, value_name = "FILE")]
    current: Option<PathBuf>,
    /// Write the first inputs into this folder instead, for libFuzzer to begin with
    #[arg(long, value_name = "FOLDER")]
    begin: Option<PathBuf>,
}

/// How many inputs libFuzzer begins with.
const FIRST: usize = 64;

fn begin(folder: &Path, inputs: &mut Inputs) -> Result<(), Box<dyn Error>> {
    let mut input = Vec::new();
    for number in 0..FIRST {
        inputs.next_into(&mut input);
        fs::write(folder.join(format!("begin-{number}")), &input)?;
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let Some(name) = args.target else {
        TARGETS.iter().for_each(|target| println!("{}: {}", target.name, target.about));
        return Ok(());
    };
    let target = named(&name).ok_or("there is no such target")?;
    let mut progress = Progress::new();
    for file in &args.files {
        progress.run(target, &fs::read(file)?);
    }
    if args.files.is_empty() {
        let seeds = corpus::kept(target.name)?.into_iter().map(|(_, bytes)| bytes).collect();
        let mut inputs = Inputs::new(args.seed, target.max_len, seeds);
        if let Some(folder) = args.begin {
            return begin(&folder, &mut inputs);
        }
        let mut current = args.current.map(File::create).transpose()?;
        let (time, start) = (Duration::try_from_secs_f64(args.seconds)?, Instant::now());
        let mut input = Vec::new();
        while start.elapsed() < time {
            inputs.next_into(&mut input);
            if let Some(file) = &mut current {
                file.rewind()?;
                file.write_all(&[&(input.len() as u64).to_le_bytes()[..], &input].concat())?;
            }
            progress.run(target, &input);
        }
    }
    progress.tell();
    println!("{} inputs, {} operations", progress.inputs, progress.operations);
    Ok(())
}
