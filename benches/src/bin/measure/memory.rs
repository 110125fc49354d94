//! How much memory a trace takes, over the bytes that it has live at its peak, and where the rest of it is over time.
//!
//! What merges, splits or has pools gets the least memory in which nothing is refused: found by halving, to a part in 256
//! of the peak, or for ours, by the least headroom of a suggested configuration. What takes its memory from the system is
//! replayed in a process of its own, every block is written to, and the growth of the resident memory counts.

use crate::{Line, resident_bytes};
use core::ptr;
use detalloc::Borrow;
use detalloc_benches::{
    allocators::{self, ALL, Build, Room},
    replay::{Kind, Playing},
    traces::{self, Trace, recorded},
};
use serde::Serialize;
use std::{env, error::Error, fs, process::Command};

/// The most memory that is tried, over the peak.
const MOST: usize = 8;

/// How often the memory is looked at over a trace.
const LOOKS: usize = 250;

/// Those that take their memory from the system.
const PROCESS_WIDE: [&str; 4] = ["glibc", "mimalloc", "jemalloc", "snmalloc"];

/// What one allocator takes for one trace.
#[derive(Serialize)]
pub(crate) struct Taken {
    trace: String,
    allocator: String,
    /// As it was asked for.
    peak_live_bytes: usize,
    /// `None`: something is refused even in eight times the peak.
    needed_bytes: Option<usize>,
    /// How many requests were refused in what is needed, or in the most that was tried.
    refused: usize,
    over_time: Vec<Look>,
}

/// What there is at one time, in bytes.
#[derive(Serialize)]
struct Look {
    asked_for: usize,
    /// As the blocks have it, where that is known.
    in_blocks: Option<usize>,
    /// From the region or the system.
    held: usize,
}

/// Prints a line for every allocator and trace: three of ours, and those in files, each given as `NAME=FILE`.
pub(crate) fn print(files: &[&str]) -> Result<(), Box<dyn Error>> {
    let names = ["random", "comb", "audio"].into_iter().chain(files.iter().copied());
    for name in names {
        let trace = find(name)?;
        for &(allocator, build) in ALL {
            match allocator {
                // One has room for a trace or does not: it has no region that could be smaller.
                "detalloc-typed" | "detalloc-unchecked" => {}
                name_of_it if PROCESS_WIDE.contains(&name_of_it) => {
                    let status =
                        Command::new(env::current_exe()?).args(["resident", allocator, name]).status()?;
                    if !status.success() {
                        return Err(format!("{allocator} on {name}: {status}").into());
                    }
                }
                "detalloc" => Line::Memory(suggested(&trace, build)?).print()?,
                _ => Line::Memory(least(&trace, allocator, build)).print()?,
            }
        }
    }
    Ok(())
}

/// Prints the line of an allocator that takes its memory from the system. Nothing else goes on in this process.
pub(crate) fn print_resident(allocator: &str, name: &str) -> Result<(), Box<dyn Error>> {
    let trace = find(name)?;
    let (_, build) = ALL.iter().find(|(known, _)| *known == allocator).ok_or("no such allocator")?;
    let room = Room::ample(&trace.demand());
    // What was freed before must not serve the trace.
    allocators::trim();
    let before = resident_bytes();
    let grown = || usize::try_from(resident_bytes().saturating_sub(before)).unwrap_or(usize::MAX);
    let (refused, over_time) = play(&trace, *build, &room, true, grown);
    let needed_bytes = over_time.iter().map(|look| look.held).max();
    Line::Memory(taken(&trace, allocator, needed_bytes, refused, over_time)).print()
}

fn find(name: &str) -> Result<Trace, Box<dyn Error>> {
    match name.split_once('=') {
        Some((name, file)) => Ok(recorded(name, &fs::read(file)?)?),
        None => Ok(traces::all().into_iter().find(|trace| trace.name == name).ok_or("no such trace")?),
    }
}

fn taken(
    trace: &Trace,
    allocator: &str,
    needed_bytes: Option<usize>,
    refused: usize,
    over_time: Vec<Look>,
) -> Taken {
    Taken {
        trace: trace.name.clone(),
        allocator: if allocator == "glibc" { "system" } else { allocator }.to_owned(),
        peak_live_bytes: trace.demand().peak_live_bytes,
        needed_bytes,
        refused,
        over_time,
    }
}

/// Ours, with the least headroom in percent with which a configuration from the trace's profile serves it.
fn suggested(trace: &Trace, build: Build) -> Result<Taken, Box<dyn Error>> {
    let profile = trace.profile();
    let mut best = None;
    for headroom in 0..=100 {
        let config = profile.suggest(Borrow::Larger, headroom)?;
        let (needed, room) = (config.bytes_needed(), Room { config, arena_bytes: 0 });
        let (refused, over_time) = play(trace, build, &room, false, || needed);
        best = Some(taken(trace, "detalloc", (refused == 0).then_some(needed), refused, over_time));
        if refused == 0 {
            break;
        }
    }
    best.ok_or_else(|| "no headroom was tried".into())
}

/// The others that have a region, with the least in which nothing is refused.
fn least(trace: &Trace, allocator: &str, build: Build) -> Taken {
    let demand = trace.demand();
    let peak = demand.peak_live_bytes;
    let run = |arena_bytes: usize| {
        let room = Room { config: demand.config(), arena_bytes };
        play(trace, build, &room, false, || arena_bytes)
    };
    let (mut small, mut enough) = (peak, MOST * peak);
    let (refused, mut over_time) = run(enough);
    if refused > 0 {
        return taken(trace, allocator, None, refused, over_time);
    }
    while enough - small > (peak / 256).max(64) {
        let between = small + (enough - small) / 2;
        let (refused, looks) = run(between);
        if refused == 0 {
            (enough, over_time) = (between, looks);
        } else {
            small = between;
        }
    }
    taken(trace, allocator, Some(enough), 0, over_time)
}

/// Plays a trace: how many requests were refused, and what there was over time.
fn play(
    trace: &Trace,
    build: Build,
    room: &Room,
    is_written: bool,
    mut held: impl FnMut() -> usize,
) -> (usize, Vec<Look>) {
    let mut over_time = Vec::with_capacity(LOOKS + 1);
    let mut refused = 0;
    let mut subject = build(room);
    let mut playing = Playing::new(subject.as_mut(), trace.slots());
    let step = trace.operations.len().div_ceil(LOOKS).max(1);
    for (number, &operation) in trace.operations.iter().enumerate() {
        // SAFETY: performed once; the subject is there, and slots hold live blocks. A new block is as large as its layout.
        let done = unsafe {
            playing.perform(operation, |request| {
                let block = request.perform();
                if is_written && !block.is_null() {
                    ptr::write_bytes(block, 1, request.layout.size());
                }
                (block, 0)
            })
        };
        refused += usize::from(matches!(done, Some((Kind::AllocRefused, _))));
        if number.is_multiple_of(step) {
            let (asked_for, in_blocks) = playing.live_bytes();
            over_time.push(Look { asked_for, in_blocks, held: held() });
        }
    }
    (refused, over_time)
}
