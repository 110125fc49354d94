//! Counts the instructions of every operation of every trace on every allocator, and prints one line of JSON for each
//! allocator, trace and kind of operation; with the argument `growth`, what ours cost with history, pools and blocks.
//! `cargo xtask opcount` builds it for each target, runs it and shows the results.

mod growth;
mod summary;

use detalloc_benches::{
    allocators::{ALL, Room},
    replay::{Request, replay},
    traces,
};
use serde::Serialize;
use std::{env, error::Error, ptr};
use step_count::Stepper;
use summary::{Summary, of_each_kind};

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
        None => results(&mut stepper),
        Some("growth") => growth::print(&mut stepper),
        Some(other) => Err(format!("{other}: the only argument is growth").into()),
    }
}

fn results(stepper: &mut Stepper) -> Result<(), Box<dyn Error>> {
    for trace in traces::all() {
        let demand = trace.demand();
        for (room, suffix) in [(Room::ample(&demand), ""), (Room::starved(&demand), "-starved")] {
            let name = format!("{}{suffix}", trace.name);
            for &(allocator, build) in ALL {
                let mut subject = build(&room);
                // SAFETY: each request is performed once.
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

/// Does what a request asks for, and counts the instructions.
fn counted(stepper: &mut Stepper, Request { calls, block, layout }: Request) -> (*mut u8, u64) {
    let (size, align) = (layout.size(), layout.align());
    // SAFETY: replays keep their subject, and free live blocks with their layouts.
    unsafe {
        if block.is_null() {
            return stepper.call(calls.allocate, calls.allocator, ptr::null_mut(), size, align);
        }
        let ((), count) = stepper.call(calls.free, calls.allocator, block, size, align);
        (ptr::null_mut(), count)
    }
}
