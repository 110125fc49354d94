//! From machine code to source lines, and to the exceptions that are written there.
//!
//! An exception is a comment on a line of its own, right above the line that it is about:
//!
//! ```text
//! // wcet: loop 8: the caller says how many groups at most
//! ```
//!
//! Its kinds: `loop N` (at most so many rounds), `loop group` and `loop N group` (as many as a group of a pool's bitmap has leaves,
//! or so many times that: it depends on how many levels the bitmap has), `retry` (as often as others interfere), `call` (of what
//! is not taken apart; this may also stand above the function that is called), `indirect`, `division`, `system`, and `end` (the
//! program ends here, which is what the reason is about).
//!
//! Three more are about no exception: `levels N` (the next line runs only in pools whose bitmap has so many levels at least, so
//! that it lies on no path of a smaller one), `unreached` (no run comes there), and `loose` (the bound of the operation that comes
//! there is more than any run takes). What runs all the same is told.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use addr2line::Loader;

use crate::failure::Failure;

/// A line of a file of this workspace.
pub type Line = (String, u32);

/// What a comment allows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Exception {
    /// What kind of thing.
    pub kind: Kind,
    /// Why.
    pub reason: String,
    /// Where it stands.
    pub line: Line,
}

/// What an exception is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A loop of at most so many rounds, times the leaves of a group if said.
    Loop { rounds: u64, group: bool },
    /// A loop that goes on as long as others interfere.
    Retry,
    /// A call of something that is not taken apart.
    Call,
    /// A jump or call through a register or memory.
    Indirect,
    /// A division.
    Division,
    /// A system call.
    System,
    /// The end of the program.
    End,
    /// What runs only in pools of at least so many levels.
    Levels(u32),
    /// What no run comes to.
    Unreached,
    /// An operation whose bound no run comes near.
    Loose,
}

impl Kind {
    fn parse(words: &str) -> Option<Self> {
        match *words.split(' ').collect::<Vec<_>>() {
            ["loop", "group"] => Some(Kind::Loop { rounds: 1, group: true }),
            ["loop", rounds] => Some(Kind::Loop { rounds: rounds.parse().ok()?, group: false }),
            ["loop", rounds, "group"] => Some(Kind::Loop { rounds: rounds.parse().ok()?, group: true }),
            ["levels", levels] => Some(Kind::Levels(levels.parse().ok()?)),
            ["retry"] => Some(Kind::Retry),
            ["call"] => Some(Kind::Call),
            ["indirect"] => Some(Kind::Indirect),
            ["division"] => Some(Kind::Division),
            ["system"] => Some(Kind::System),
            ["end"] => Some(Kind::End),
            ["unreached"] => Some(Kind::Unreached),
            ["loose"] => Some(Kind::Loose),
            _ => None,
        }
    }

    /// Whether both are about the same kind of thing.
    pub fn is_like(self, other: Self) -> bool {
        let is_loop = |kind| matches!(kind, Kind::Loop { .. } | Kind::Retry);
        let is_levels = |kind| matches!(kind, Kind::Levels(_));
        self == other || is_loop(self) && is_loop(other) || is_levels(self) && is_levels(other)
    }
}

/// Where code comes from.
pub struct Source {
    loader: Loader,
    root: PathBuf,
    lines: RefCell<HashMap<u64, Vec<Line>>>,
    /// The exceptions of each file, by the line that they are about.
    files: RefCell<HashMap<PathBuf, BTreeMap<u32, Vec<Exception>>>>,
}

impl Source {
    /// The lines of a program that was built in this workspace.
    ///
    /// # Errors
    ///
    /// [`Failure::CannotRun`] if and only if the file cannot be read.
    pub fn of(program: &Path, root: &Path) -> Result<Self, Failure> {
        let loader = Loader::new(program).map_err(|error| Failure::file(program, error))?;
        Ok(Source { loader, root: root.to_owned(), lines: RefCell::default(), files: RefCell::default() })
    }

    /// The lines of this workspace that an instruction comes from, the innermost first.
    pub fn lines(&self, address: u64) -> Vec<Line> {
        self.lines.borrow_mut().entry(address).or_insert_with(|| self.find_lines(address)).clone()
    }

    fn find_lines(&self, address: u64) -> Vec<Line> {
        let mut lines = Vec::new();
        let Ok(mut frames) = self.loader.find_frames(address) else { return lines };
        while let Ok(Some(frame)) = frames.next() {
            let Some(location) = frame.location else { continue };
            let (Some(file), Some(line)) = (location.file, location.line) else { continue };
            if let Ok(file) = Path::new(file).strip_prefix(&self.root) {
                lines.push((file.to_string_lossy().into_owned(), line));
            } else if Path::new(file).is_relative() && self.root.join(file).exists() {
                lines.push((file.to_owned(), line));
            }
        }
        lines
    }

    /// The lines that the instructions of a stretch come from.
    pub fn lines_of(&self, stretch: RangeInclusive<u64>) -> BTreeSet<Line> {
        stretch.flat_map(|address| self.lines(address)).collect()
    }

    /// The exception of this kind for any of these instructions.
    pub fn exception(&self, addresses: impl IntoIterator<Item = u64>, kind: Kind) -> Option<Exception> {
        self.explains(&addresses.into_iter().flat_map(|address| self.lines(address)).collect(), kind)
    }

    /// The exception of this kind on any of these lines.
    pub fn explains(&self, lines: &BTreeSet<Line>, kind: Kind) -> Option<Exception> {
        lines.iter().find_map(|(file, line)| {
            let mut files = self.files.borrow_mut();
            let path = self.root.join(file);
            let exceptions = files.entry(path.clone()).or_insert_with(|| read(&path, file));
            exceptions.get(line)?.iter().find(|exception| exception.kind.is_like(kind)).cloned()
        })
    }
}

/// The exceptions of a file, by the line that each is about.
fn read(path: &Path, file: &str) -> BTreeMap<u32, Vec<Exception>> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let mut found = BTreeMap::new();
    let mut open: Vec<Exception> = Vec::new();
    for (line, text) in (1..).zip(text.lines()) {
        let text = text.trim();
        if let Some(comment) = text.strip_prefix("// wcet: ") {
            open.extend(comment.split_once(": ").and_then(|(kind, reason)| {
                Some(Exception {
                    kind: Kind::parse(kind)?,
                    reason: reason.to_owned(),
                    line: (file.to_owned(), line),
                })
            }));
        } else if let (Some(exception), Some(more)) = (open.last_mut(), text.strip_prefix("// ")) {
            exception.reason += " ";
            exception.reason += more;
        } else if !open.is_empty() {
            found.insert(line, std::mem::take(&mut open));
        }
    }
    found
}
