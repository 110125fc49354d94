//! What a proof has found, as figures and in words.

use super::Touch;
use std::fmt;

/// What callbacks did. `Display` prints it as a table; [`Report::assert_clean`] is for tests.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Report {
    /// How many callbacks were counted.
    pub callbacks: usize,
    /// How many ran before and were not.
    pub warm_up: usize,
    /// Allocations on the system heap, of Rust and of C, on the thread of the callback. A reallocation is one of each.
    pub allocations: Finding,
    /// Frees of the system heap, of Rust and of C.
    pub frees: Finding,
    /// Page faults that needed no disk: first touches of memory.
    pub minor_faults: Finding,
    /// How often the thread gave up the processor by itself: it waited for a lock, slept, read.
    pub voluntary_switches: Finding,
    /// Requests that the pools refused.
    pub refusals: Finding,
    /// Requests of ordinary code that the pools served.
    pub containments: Finding,
    /// Values that will never be destroyed, because lane and pools were full ([`Snapshot::abandoned`](crate::Snapshot::abandoned)).
    pub abandoned: Finding,
    /// Instructions of the longest callback.
    pub instructions: Instructions,
    /// The first touches of the system heap, with their stacks.
    pub touches: Vec<Touch>,
    pub(super) containments_are_meant: bool,
}

/// One count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Finding {
    /// `None`: not checked, because this platform cannot tell, or no heap was given.
    pub count: Option<u64>,
    /// The first callback that did it, from 0 on, warm-up excluded.
    pub first: Option<usize>,
}

impl Finding {
    pub(super) fn add(&mut self, callback: usize, count: Option<u64>) {
        let Some(count) = count else { return };
        *self.count.get_or_insert(0) += count;
        if count > 0 {
            self.first.get_or_insert(callback);
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.count, self.first) {
            (Some(count), Some(first)) => write!(f, "{count:>12}  first in callback {first}"),
            (Some(count), None) => write!(f, "{count:>12}"),
            (None, _) => write!(f, "{:>12}", "not checked"),
        }
    }
}

/// Instructions of the longest callback.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Instructions {
    /// Nobody asked for them ([`Proof::count_instructions`](super::Proof::count_instructions)).
    #[default]
    NotCounted,
    /// They cannot be counted here, and why.
    NotCountable(String),
    /// They were counted.
    Counted {
        /// In how many callbacks.
        callbacks: usize,
        /// The most.
        worst: u64,
    },
}

impl fmt::Display for Instructions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotCounted => write!(f, "{:>12}", "not checked"),
            Self::NotCountable(why) => write!(f, "{:>12}  {why}", "not checked"),
            Self::Counted { callbacks, worst } => {
                write!(f, "{worst:>12}  the worst of {callbacks} callbacks")
            }
        }
    }
}

/// The first thing a real-time thread must not do that a report has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// No callback was counted, which proves nothing.
    NoCallbacks,
    /// Something that must be 0 is not.
    Found {
        /// What.
        what: &'static str,
        /// How often.
        count: u64,
        /// The first callback that did it.
        first: usize,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCallbacks => f.write_str("no callback was counted, which proves nothing"),
            Self::Found { what, count, first } => write!(f, "{count} {what}, first in callback {first}"),
        }
    }
}

impl std::error::Error for Problem {}

impl Report {
    fn findings(&self) -> [(&'static str, Finding); 7] {
        [
            ("system allocations", self.allocations),
            ("system frees", self.frees),
            ("minor faults", self.minor_faults),
            ("voluntary context switches", self.voluntary_switches),
            ("refusals", self.refusals),
            ("values abandoned", self.abandoned),
            ("containments", self.containments),
        ]
    }

    /// Whether all that was checked is 0.
    ///
    /// # Errors
    /// The first thing that is not, if there is one.
    pub fn check(&self) -> Result<(), Problem> {
        if self.callbacks == 0 {
            return Err(Problem::NoCallbacks);
        }
        let judged = if self.containments_are_meant { 6 } else { 7 };
        let found = self.findings().into_iter().take(judged).find_map(|(what, finding)| {
            let (count, first) = (finding.count?, finding.first?);
            Some(Problem::Found { what, count, first })
        });
        found.map_or(Ok(()), Err)
    }

    /// The first touches of the system heap with their stacks, to be printed: each place once, without the frames of the
    /// standard library.
    ///
    /// # Time complexity
    /// Printing reads debug information from files.
    #[must_use]
    pub fn stacks(&self) -> impl fmt::Display {
        Stacks(&self.touches)
    }

    /// Fails a test if anything that was checked is not 0, and says on the standard error stream what was not checked.
    ///
    /// # Panics
    /// If [`Report::check`] has something to say: with that, the whole table, and the stacks of the first touches of the
    /// system heap.
    #[track_caller]
    pub fn assert_clean(&self) {
        if let Err(problem) = self.check() {
            panic!("{problem}\n{self}{}", self.stacks());
        }
        for (what, finding) in self.findings() {
            if finding.count.is_none() {
                eprintln!("{what}: not checked");
            }
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} callbacks, after {} to warm up", self.callbacks, self.warm_up)?;
        for (what, finding) in self.findings() {
            writeln!(f, "{what:<26} {finding}")?;
        }
        writeln!(f, "{:<26} {}", "instructions", self.instructions)
    }
}

/// Touches of the system heap, each place once, without the frames of the standard library.
struct Stacks<'a>(&'a [Touch]);

impl fmt::Display for Stacks<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut told = Vec::new();
        for touch in self.0 {
            let stack: Vec<String> = touch
                .frames()
                .iter()
                .filter(|frame| frame.place.as_ref().is_none_or(|(file, _)| !file.starts_with("library/")))
                .map(ToString::to_string)
                .collect();
            if !told.contains(&stack) {
                writeln!(f, "{}", touch.kind)?;
                stack.iter().try_for_each(|frame| writeln!(f, "  {frame}"))?;
                told.push(stack);
            }
        }
        Ok(())
    }
}
