//! What the documentation claims, and what shows it: one row a claim, with the command that anybody can run.

/// A claim.
pub struct Claim {
    /// What links lead to it by.
    pub id: &'static str,
    /// What is claimed, as the documentation has it.
    pub claim: &'static str,
    /// What kind of evidence there is for it.
    pub evidence: &'static str,
    /// The arguments of cargo.
    pub command: &'static str,
    /// Flags of the compiler that the command wants.
    pub flags: Option<Flags>,
    /// Begins the lines of the output that have the figure.
    pub figure: &'static str,
    /// Takes more than a minute or so; left out by `--quick`.
    pub is_long: bool,
    /// Whether it can be checked on Linux on x86-64 only.
    pub here_only: bool,
}

/// Flags of the compiler; they want a target folder of their own.
#[derive(Clone, Copy)]
pub struct Flags {
    /// The flags.
    pub rustc: &'static str,
    /// Whether the pinned compiler has them only when told that it is a nightly one.
    pub unstable: bool,
}

const LOOM: Flags = Flags { rustc: "--cfg loom", unstable: false };

impl Claim {
    /// The whole command, for people.
    pub fn shown(&self) -> String {
        let unstable = if self.flags.is_some_and(|flags| flags.unstable) { "RUSTC_BOOTSTRAP=1 " } else { "" };
        let flags = self.flags.map_or_else(String::new, |flags| format!("RUSTFLAGS=\"{}\" ", flags.rustc));
        format!("{unstable}{flags}cargo {}", self.command)
    }
}

const PLAIN: Claim = Claim {
    id: "",
    claim: "",
    evidence: "",
    command: "",
    flags: None,
    figure: "test result",
    is_long: false,
    here_only: false,
};

/// All of them, in the order in which a reader wants them.
pub const CLAIMS: &[Claim] = &[
    Claim {
        id: "constant-time",
        claim: "Allocation and free of the core take a constant number of instructions, whatever the history, the pools and the sizes",
        evidence: "single steps through seeded histories",
        command: "test -p detalloc --test constant_time",
        here_only: true,
        ..PLAIN
    },
    Claim {
        id: "longest-paths",
        claim: "Every real-time operation has a longest path: no loop, indirect jump, panic, system call or division but for stated exceptions",
        evidence: "the machine code of linked programs for six targets, taken apart; compared with what was measured",
        command: "xtask wcet",
        figure: "Proved",
        here_only: true,
        ..PLAIN
    },
    Claim {
        id: "planted",
        claim: "The proof of longest paths refuses what it must",
        evidence: "sixteen planted kinds in optimised code",
        command: "test -p xtask --test wcet",
        here_only: true,
        ..PLAIN
    },
    Claim {
        id: "prices",
        claim: "Entering a callback, boxes and deferred drops cost the audio thread what the README says",
        evidence: "single steps",
        command: "test --release -p detalloc-audio --test instructions -- --nocapture",
        figure: "enter and leave|RtBox|deferred drop|foreign drop",
        here_only: true,
        ..PLAIN
    },
    Claim {
        id: "stress",
        claim: "A callback never meets the system heap, a page fault or a wait, with every handle, remote frees, publishing, routing and top-up at once",
        evidence: "a counting malloc below Rust and C, and the kernel's counts, in 20,000 callbacks",
        command: "test --release -p detalloc-audio --test stress -- --nocapture",
        figure: "system allocations|system frees|minor faults|voluntary|refusals",
        ..PLAIN
    },
    Claim {
        id: "million",
        claim: "The same in a million callbacks, and nothing is left at the end",
        evidence: "as above",
        command: "test --release -p detalloc-audio --test stress -- --nocapture --ignored",
        figure: "system allocations|system frees|minor faults|voluntary|refusals",
        is_long: true,
        ..PLAIN
    },
    Claim {
        id: "silence",
        claim: "No operation, callback or example makes a system call",
        evidence: "a filter of the kernel that ends the process at the first; what is planted is ended",
        command: "test -p detalloc-audio --test silence",
        here_only: true,
        ..PLAIN
    },
    Claim {
        id: "stall",
        claim: "What other threads allocated does not stall a callback that frees it, where it stalls the system heap",
        evidence: "both turn by turn in one run: voluntary context switches and misses",
        command: "test --release -p detalloc-audio --test stall -- --nocapture",
        figure: "system heap|ours",
        ..PLAIN
    },
    Claim {
        id: "small-worlds",
        claim: "A heap does what a plain model does, in every sequence of operations on small worlds, in all modes",
        evidence: "all sequences of ten operations, gone through",
        command: "test --release -p detalloc --test small_worlds -- --nocapture --ignored",
        figure: "4|5",
        ..PLAIN
    },
    Claim {
        id: "core-interleavings",
        claim: "No interleaving breaks the protocols of the core: remote frees, the shared mode, the ring, claims of static pools",
        evidence: "models of the source files themselves under loom, all interleavings of the smallest sizes",
        command: "test -p detalloc --release --test loom* -- --nocapture",
        flags: Some(LOOM),
        figure: "explored",
        is_long: true,
        ..PLAIN
    },
    Claim {
        id: "audio-interleavings",
        claim: "No interleaving breaks those of the integration: the table of threads, owners, lanes, top-up, the end of regions, dead blocks, publishing, recording, counts",
        evidence: "as above",
        command: "test -p detalloc-audio -p graincloud --release --test loom* -- --nocapture",
        flags: Some(LOOM),
        figure: "explored",
        is_long: true,
        ..PLAIN
    },
    Claim {
        id: "corruption",
        claim: "Corruption of any byte of the metadata is reported or harmless, and never followed out of the region",
        evidence: "37 kinds, byte by byte, each with four patterns; then everything a heap can do",
        command: "test -p detalloc --lib corruption -- --nocapture",
        figure: "37 kinds",
        ..PLAIN
    },
    Claim {
        id: "wrong-frees",
        claim: "Wrong frees are told apart, refused and change nothing; overruns and writes to free blocks are found by guards",
        evidence: "frees of everything that is no block, and a plain model after every operation; every byte of every guard overwritten",
        command: "test -p detalloc --test heap --test guard",
        ..PLAIN
    },
    Claim {
        id: "fault-injection",
        claim: "Every allocation that fails, in turn, leaves the program in order",
        evidence: "fault injection: the n-th allocation fails, for every n",
        command: "test -p detalloc-audio --features fault-injection --test injection",
        ..PLAIN
    },
    Claim {
        id: "misuse",
        claim: "What safe code must not do does not compile: escaping or sending a scope, shortening lifetimes, two owners",
        evidence: "examples that must fail to compile, each beside one that does",
        command: "test --doc -p detalloc -p detalloc-audio",
        ..PLAIN
    },
    Claim {
        id: "budgets",
        claim: "A recording fits the budget that is printed for it, and a test says when it no longer does",
        evidence: "replay of a recorded session",
        command: "test -p detalloc-audio --features record --test fits --test record",
        ..PLAIN
    },
    Claim {
        id: "c-misuse",
        claim: "Programs in C and C++ work by the header alone, and what is wrong gets an error and leaves the heap as it was",
        evidence: "programs compiled by GCC and Clang with every warning an error, the specification's among them",
        command: "test -p detalloc-capi --test programs --test symbols",
        ..PLAIN
    },
    Claim {
        id: "c-sanitized",
        claim: "Whatever C hands over as a handle or a block, nothing is read or written where it must not be",
        evidence: "the same programs under AddressSanitizer and UndefinedBehaviorSanitizer, with a library that is checked too",
        command: "test -p detalloc-capi --test sanitized",
        here_only: true,
        ..PLAIN
    },
    Claim {
        id: "c-constant-time",
        claim: "det_alloc and det_free take the same number of instructions every time that the class has a free block",
        evidence: "single steps through the library as C programs get it",
        command: "test -p detalloc-capi --test constant_time -- --nocapture",
        figure: "det_alloc:",
        here_only: true,
        ..PLAIN
    },
    Claim {
        id: "reach",
        claim: "Microcontrollers, FreeRTOS, Arm 64 and Windows give what x86-64 gives: the same blocks, refusals and statistics",
        evidence: "emulators, one file of test vectors, the core's own tests, and programs in C",
        command: "xtask reach",
        is_long: true,
        ..PLAIN
    },
    Claim {
        id: "realtime-sanitizer",
        claim: "RealtimeSanitizer finds nothing in the sessions that the kernel found silent, and what is planted it finds",
        evidence: "its runtime, which sees small allocations and locks as well",
        command: "test -p detalloc-audio -p graincloud --target x86_64-unknown-linux-gnu --test silence",
        flags: Some(Flags { rustc: "-Zsanitizer=realtime --cfg rtsan", unstable: true }),
        is_long: true,
        here_only: true,
        ..PLAIN
    },
    Claim {
        id: "races",
        claim: "ThreadSanitizer finds no race where threads free, share and hand over, and a planted one it finds",
        evidence: "its runtime, with the standard library built for it (needs `rustup component add rust-src`)",
        command: "test -Zbuild-std -p detalloc -p detalloc-audio --target x86_64-unknown-linux-gnu --test races --test shared --test spin --test ring --test handles --test foreign",
        flags: Some(Flags { rustc: "-Zsanitizer=thread --cfg tsan", unstable: true }),
        is_long: true,
        here_only: true,
        ..PLAIN
    },
    Claim {
        id: "opcount",
        claim: "The core allocates in 36 and frees in 42 instructions, checked and counted, where eight rivals take more",
        evidence: "single steps through the same traces for all",
        command: "xtask opcount",
        figure: "detalloc",
        is_long: true,
        here_only: true,
        ..PLAIN
    },
    Claim {
        id: "orderings",
        claim: "No memory ordering is stronger than it has to be without a stated reason: weaken any, and a model fails",
        evidence: "each ordering weakened by one step, in a copy, and the models run",
        command: "xtask mutations --orderings",
        figure: "caught",
        is_long: true,
        here_only: true,
        ..PLAIN
    },
    Claim {
        id: "fuzz",
        claim: "Arbitrary operations, configurations, traces, plugin states and audio files agree with models and never panic",
        evidence: "more than 10^9 operations from arbitrary bytes so far, with counts and seeds in xtask/fuzz/record.json; here another minute of them",
        command: "xtask fuzz --stable --minutes 1",
        figure: "operations",
        is_long: true,
        ..PLAIN
    },
    Claim {
        id: "miri",
        claim: "Miri finds no undefined behaviour in the tests of core and integration",
        evidence: "the tests interpreted, with short loops (needs a nightly compiler with Miri; no part of CI)",
        command: "xtask miri",
        figure: "test result",
        is_long: true,
        ..PLAIN
    },
    Claim {
        id: "mutations",
        claim: "The proofs see what they are for: whatever line is broken on purpose, the proof of it fails",
        evidence: "mutations of core and integration, one at a time, in a copy",
        command: "xtask mutations",
        figure: "caught",
        is_long: true,
        here_only: true,
        ..PLAIN
    },
];
