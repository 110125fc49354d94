//! What the documentation claims, and what shows it: one row a claim, with the command that anybody can run.

/// A claim.
pub struct Claim {
    /// What is claimed, as the documentation has it.
    pub claim: &'static str,
    /// What kind of evidence there is for it.
    pub evidence: &'static str,
    /// The arguments of cargo.
    pub command: &'static str,
    /// Flags of the compiler that the command wants.
    pub rustflags: Option<&'static str>,
    /// Begins the lines of the output that have the figure.
    pub figure: &'static str,
    /// Takes more than a minute or so; left out by `--quick`.
    pub is_long: bool,
    /// Whether it can be checked on Linux on x86-64 only.
    pub here_only: bool,
}

const PLAIN: Claim = Claim {
    claim: "",
    evidence: "",
    command: "",
    rustflags: None,
    figure: "test result",
    is_long: false,
    here_only: false,
};

/// All of them, in the order in which a reader wants them.
pub const CLAIMS: &[Claim] = &[
    Claim {
        claim: "Allocation and free of the core take a constant number of instructions, whatever the history, the pools and the sizes",
        evidence: "single steps through seeded histories",
        command: "test -p detalloc --test constant_time",
        here_only: true,
        ..PLAIN
    },
    Claim {
        claim: "Every real-time operation has a longest path: no loop, indirect jump, panic, system call or division but for stated exceptions",
        evidence: "the machine code of linked programs for five targets, taken apart; compared with what was measured",
        command: "xtask wcet",
        figure: "Proved",
        here_only: true,
        ..PLAIN
    },
    Claim {
        claim: "The proof of longest paths refuses what it must",
        evidence: "sixteen planted kinds in optimised code",
        command: "test -p xtask --test wcet",
        here_only: true,
        ..PLAIN
    },
    Claim {
        claim: "Entering a callback, boxes and deferred drops cost the audio thread what the README says",
        evidence: "single steps",
        command: "test --release -p detalloc-audio --test instructions -- --nocapture",
        figure: "enter and leave|RtBox|deferred drop|foreign drop",
        here_only: true,
        ..PLAIN
    },
    Claim {
        claim: "A callback never meets the system heap, a page fault or a wait, with every handle, remote frees, publishing, routing and top-up at once",
        evidence: "a counting malloc below Rust and C, and the kernel's counts, in 20,000 callbacks",
        command: "test --release -p detalloc-audio --test stress -- --nocapture",
        figure: "system allocations|system frees|minor faults|voluntary|refusals",
        ..PLAIN
    },
    Claim {
        claim: "The same in a million callbacks, and nothing is left at the end",
        evidence: "as above",
        command: "test --release -p detalloc-audio --test stress -- --nocapture --ignored",
        figure: "system allocations|system frees|minor faults|voluntary|refusals",
        is_long: true,
        ..PLAIN
    },
    Claim {
        claim: "No operation, callback or example makes a system call",
        evidence: "a filter of the kernel that ends the process at the first; what is planted is ended",
        command: "test -p detalloc-audio --test silence",
        here_only: true,
        ..PLAIN
    },
    Claim {
        claim: "What other threads allocated does not stall a callback that frees it, where it stalls the system heap",
        evidence: "both turn by turn in one run: voluntary context switches and misses",
        command: "test --release -p detalloc-audio --test stall -- --nocapture",
        figure: "system heap|ours",
        ..PLAIN
    },
    Claim {
        claim: "A heap does what a plain model does, in every sequence of operations on small worlds, in all modes",
        evidence: "all sequences of ten operations, gone through",
        command: "test --release -p detalloc --test small_worlds -- --nocapture --ignored",
        figure: "4|5",
        ..PLAIN
    },
    Claim {
        claim: "No interleaving breaks the lock-free parts of the core",
        evidence: "models under loom",
        command: "test -p detalloc --release --test loom --test loom_ring --test loom_shared",
        rustflags: Some("--cfg loom"),
        is_long: true,
        ..PLAIN
    },
    Claim {
        claim: "No interleaving breaks those of the integration: the end of regions, dead blocks, publishing, recording",
        evidence: "models under loom",
        command: "test -p detalloc-audio --release --test loom",
        rustflags: Some("--cfg loom"),
        is_long: true,
        ..PLAIN
    },
    Claim {
        claim: "Corruption of any word of the metadata is reported and not followed; wrong frees are told apart and change nothing",
        evidence: "words overwritten one by one; frees of everything that is no block",
        command: "test -p detalloc --test heap",
        ..PLAIN
    },
    Claim {
        claim: "Every allocation that fails, in turn, leaves the program in order",
        evidence: "fault injection: the n-th allocation fails, for every n",
        command: "test -p detalloc-audio --features fault-injection --test injection",
        ..PLAIN
    },
    Claim {
        claim: "What safe code must not do does not compile: escaping or sending a scope, shortening lifetimes, two owners",
        evidence: "examples that must fail to compile, each beside one that does",
        command: "test --doc -p detalloc -p detalloc-audio",
        ..PLAIN
    },
    Claim {
        claim: "A recording fits the budget that is printed for it, and a test says when it no longer does",
        evidence: "replay of a recorded session",
        command: "test -p detalloc-audio --features record --test fits --test record",
        ..PLAIN
    },
];
