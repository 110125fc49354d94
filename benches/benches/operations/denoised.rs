//! The time of single operations without the machine's noise: the same trace is replayed many times, each operation's
//! least time counts, and of those the median, the 99.9th percentile and the maximum are shown. What is slow in every
//! replay is the allocator, and what is slow in one is the machine.
//!
//! In ticks of the time stamp counter, less what reading it takes; some counters advance 26 or more ticks at a time. Warm: one operation after the other. Cold: before
//! each callback's worth of operations, a walk over 32 MiB takes the allocator's memory out of the caches.

use comfy_table::{Cell, CellAlignment, Table, TableComponent, presets};
use detalloc_benches::{
    allocators::{ALL, Room},
    replay::Kind,
    ticks::{Evict, least, quantiles},
    traces::{self, Trace},
};

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
    let mut evict = Evict::new();
    let mut evict = move |operation: usize| {
        if operation.is_multiple_of(BURST) {
            evict.now();
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
            let figures = quantiles(&costs, kind).map(|ticks| ticks.map(|ticks| ticks.to_string()));
            row.extend(figures.unwrap_or_default().map(|figure| right(&figure)));
        }
        table.add_row(row);
    }
    table
}
