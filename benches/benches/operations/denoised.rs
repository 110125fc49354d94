//! The time of single operations without the machine's noise: the same trace is replayed many times, each operation's
//! least time counts, and of those the median, the 99.9th percentile and the maximum are shown. What is slow in every
//! replay is the allocator, and what is slow in one is the machine.
//!
//! In ticks of the time stamp counter, less what reading it takes; some counters advance 26 or more ticks at a time. Warm: one operation after the other. Cold: before
//! each callback's worth of operations, a walk over 32 MiB takes the allocator's memory out of the caches.

use comfy_table::{Cell, CellAlignment, Table, TableComponent, presets};
use core::{
    arch::x86_64::{_mm_lfence, _rdtsc},
    hint::black_box,
    ptr,
};
use detalloc_benches::{
    allocators::{ALL, Build, Room},
    replay::{Kind, replay},
    traces::{self, Trace},
};

/// More than the caches of a core, in bytes.
const EVICTING_BYTES: usize = 32 << 20;

const LINE_BYTES: usize = 64;

/// How many operations a callback of the trace `audio` makes, on average.
const BURST: usize = 40;

/// How many bursts are measured cold: each walk takes milliseconds.
const BURSTS: usize = 20;

/// A table for each trace warm, and one for `audio` cold.
pub(crate) fn print(replays: usize) {
    println!("Ticks of single operations: the least of {replays} replays each, then over all operations");
    for trace in traces::all() {
        println!("\n{}, warm\n{}", trace.name, table(&trace, replays, &mut |_| ()));
    }
    let mut memory = vec![0_u8; EVICTING_BYTES];
    let mut evict = move |operation: usize| {
        if operation.is_multiple_of(BURST) {
            memory.iter_mut().step_by(LINE_BYTES).for_each(|byte| *byte = byte.wrapping_add(1));
            black_box(&memory);
        }
    };
    let mut trace = traces::audio();
    trace.operations.truncate(trace.warm_up + BURSTS * BURST);
    println!(
        "\n{}, cold before every {BURST} operations\n{}\n",
        trace.name,
        table(&trace, replays, &mut evict)
    );
}

fn table(trace: &Trace, replays: usize, before: &mut dyn FnMut(usize)) -> Table {
    let right = |text: &str| Cell::new(text).set_alignment(CellAlignment::Right);
    let mut table = Table::new();
    table
        .load_preset(presets::UTF8_HORIZONTAL_ONLY)
        .remove_style(TableComponent::HorizontalLines)
        .remove_style(TableComponent::MiddleIntersections);
    let head = ["", "alloc p50", "p99.9", "max", "free p50", "p99.9", "max"];
    table.set_header(head.map(right));
    let room = Room::ample(&trace.demand());
    for (name, build) in ALL {
        let costs = least(trace, replays, *build, &room, before);
        let mut row = vec![Cell::new(name)];
        for kind in [Kind::Alloc, Kind::Free] {
            let mut ticks: Vec<u64> = costs.iter().filter(|cost| cost.0 == kind).map(|cost| cost.1).collect();
            ticks.sort_unstable();
            let at = |place: usize| ticks.get(place).map_or(String::new(), u64::to_string);
            let last = ticks.len().saturating_sub(1);
            row.extend([last / 2, last * 999 / 1000, last].map(|place| right(&at(place))));
        }
        table.add_row(row);
    }
    table
}

/// The kind of every operation, and the least ticks that it took in any replay.
fn least(
    trace: &Trace,
    replays: usize,
    build: Build,
    room: &Room,
    before: &mut dyn FnMut(usize),
) -> Vec<(Kind, u64)> {
    let reading = (0..1000).map(|_| ticks(ptr::null_mut).1).min().unwrap_or(0);
    let mut least: Vec<(Kind, u64)> = Vec::new();
    for _ in 0..replays {
        // Set up anew, so that each replay finds the same, and the trace played once, so that nothing is touched first.
        let mut subject = build(room);
        let mut operation = 0;
        // SAFETY: each request is performed once, by replays, which keep their subject and free live blocks with their
        // layouts.
        let costs = unsafe {
            replay(trace, subject.as_mut(), |request| (request.perform(), 0));
            replay(trace, subject.as_mut(), |request| {
                before(operation);
                operation += 1;
                let (block, ticks) = ticks(|| request.perform());
                (block, ticks.saturating_sub(reading))
            })
        };
        if least.is_empty() {
            least = costs;
        } else {
            least.iter_mut().zip(costs).for_each(|(least, cost)| least.1 = least.1.min(cost.1));
        }
    }
    least
}

/// What an operation returns, and the ticks from before its first instruction until after its last one.
#[inline(always)]
fn ticks(operation: impl FnOnce() -> *mut u8) -> (*mut u8, u64) {
    // SAFETY: both instructions are part of every x86-64.
    unsafe {
        _mm_lfence();
        let start = _rdtsc();
        _mm_lfence();
        let block = operation();
        _mm_lfence();
        let end = _rdtsc();
        (block, end.wrapping_sub(start))
    }
}
