//! Counts the instructions of every operation of every trace on every allocator, and prints one line of JSON for each
//! allocator, trace and kind of operation; with the argument `ours`, without the rivals; with `growth`, what ours cost with
//! history, pools and blocks.
//! `cargo xtask opcount` builds it for each target, runs it and shows the results.

mod growth;

use detalloc_benches::{
    allocators::{ALL, Room},
    counts::{Summary, counted, of_each_kind},
    replay::replay,
    traces,
};
use serde::Serialize;
use std::{env, error::Error};
use step_count::Stepper;

/// A line of results.
#[derive(Serialize)]
struct Line<'a> {
    allocator: &'a str,
    trace: &'a str,
    #[serde(flatten)]
    summary: Summary,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut stepper = Stepper::new()?;
    match env::args().nth(1).as_deref() {
        None => results(&mut stepper, |_| true),
        Some("ours") => results(&mut stepper, |allocator| allocator.starts_with("detalloc")),
        Some("growth") => growth::print(&mut stepper),
        Some(other) => Err(format!("{other}: arguments are ours and growth").into()),
    }
}

fn results(stepper: &mut Stepper, wanted: impl Fn(&str) -> bool) -> Result<(), Box<dyn Error>> {
    for trace in traces::all() {
        let demand = trace.demand();
        for (room, suffix) in [(Room::ample(&demand), ""), (Room::starved(&demand), "-starved")] {
            let name = format!("{}{suffix}", trace.name);
            for &(allocator, build) in ALL.iter().filter(|(allocator, _)| wanted(allocator)) {
                let mut subject = build(&room);
                // SAFETY: each request is performed once, by replays, which keep their subject and free live blocks with
                // their layouts.
                let costs = unsafe { replay(&trace, subject.as_mut(), |request| counted(stepper, request)) };
                for summary in of_each_kind(&costs) {
                    let line = Line { allocator, trace: &name, summary };
                    println!("{}", serde_json::to_string(&line)?);
                }
            }
        }
    }
    Ok(())
}
