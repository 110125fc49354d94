//! How figures come about, and what is not claimed.

/// A heading and what it says.
const PARTS: [(&str, &str); 10] = [
    (
        "Callbacks",
        "One process for each scenario. One thread plays the callbacks of all engines turn by turn, one every 1.33 ms, \
      each round beginning with another engine; 200 of each go before the first that counts. It asks for real-time priority and says what it \
      got; all other threads are ordinary ones. Every engine's samples are compared at the end: they are the same. Times are those \
      of the monotonic clock around the callback; switches and faults are the kernel's, read before and after it.",
    ),
    (
        "Engines",
        "system is glibc, called as Rust's own system allocator; mimalloc and jemalloc are called directly; detalloc is the handles of \
      an RtHeap; detalloc-routed is ordinary vectors under the routing allocator; the control has fixed places. Where an engine's memory is for \
      callbacks only, other threads use the system heap.",
    ),
    (
        "Blocked",
        "Time in callbacks in which the audio thread neither ran nor could have run, by the kernel's own clocks.",
    ),
    (
        "Instructions",
        "Counted exactly, from branch to branch, with the code as it is (package step-count). The same in every run. A system call \
      counts as one instruction, so rivals that ask the system for memory look better than they are.",
    ),
    (
        "Ticks",
        "Every operation of a trace is measured in many replays and its least counts: what is slow in every replay is the allocator.",
    ),
    (
        "Memory",
        "Needed is the least that serves the trace: found by halving for rivals with a region, by the least headroom of a configuration \
      suggested from the trace's profile for ours. For heaps of the whole process it is resident memory, in pages.",
    ),
    (
        "Recordings",
        "What the granular plugin's engine asked of its pools, playing a sound file, whose loudness drives the grains.",
    ),
    (
        "Not claimed: worst times",
        "On a virtual or busy machine the longest times show the machine. Compare rows of one run, and with the control.",
    ),
    (
        "Not claimed: other systems",
        "All of this is Linux on x86-64 with glibc. Nothing is said about macOS, Windows or Arm.",
    ),
    (
        "Not claimed: throughput",
        "Nobody's allocator was tuned, ours neither. A program without a deadline has no reason to leave mimalloc.",
    ),
];

pub(super) fn section(is_quick: bool) -> String {
    let parts: String =
        PARTS.iter().map(|(head, text)| format!("<h3>{head}</h3>\n<p>{text}</p>\n")).collect();
    let command = if is_quick { "cargo xtask bench --quick" } else { "cargo xtask bench" };
    format!(
        "<section id=\"method\"><h2>How it was measured</h2>\n<p>By <code>{command}</code>.</p>\n{parts}</section>\n"
    )
}
