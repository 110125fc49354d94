//! From machine code to source lines, and to the exceptions that are written there.
//!
//! An exception is a comment on a line of its own, right above the line that it is about:
//!
//! ```text
//! // wcet: loop 8: the caller says how many groups at most
//! ```
//!
//! Its kinds: `loop N` (at most so many rounds), `retry` (as often as others interfere), `call` (of what is not taken apart;
//! this may also stand above the function that is called),
//! `indirect`, `division`, `system`, and `end` (the program ends here, which is what the reason is about).

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
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
    /// A loop of at most so many rounds.
    Loop(u64),
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
}

impl Kind {
    fn parse(word: &str) -> Option<Self> {
        match word.split_once(' ') {
            Some(("loop", rounds)) => Some(Kind::Loop(rounds.parse().ok()?)),
            Some(_) => None,
            None => match word {
                "retry" => Some(Kind::Retry),
                "call" => Some(Kind::Call),
                "indirect" => Some(Kind::Indirect),
                "division" => Some(Kind::Division),
                "system" => Some(Kind::System),
                "end" => Some(Kind::End),
                _ => None,
            },
        }
    }

    /// Whether both are about the same kind of thing.
    pub fn is_like(self, other: Self) -> bool {
        let is_loop = |kind| matches!(kind, Kind::Loop(_) | Kind::Retry);
        self == other || is_loop(self) && is_loop(other)
    }
}

/// Where code comes from.
pub struct Source {
    loader: Loader,
    root: PathBuf,
    /// The exceptions of each file, by the line that they are about.
    files: RefCell<HashMap<PathBuf, BTreeMap<u32, Exception>>>,
}

impl Source {
    /// The lines of a program that was built in this workspace.
    ///
    /// # Errors
    ///
    /// [`Failure::CannotRun`] if and only if the file cannot be read.
    pub fn of(program: &Path, root: &Path) -> Result<Self, Failure> {
        let loader = Loader::new(program).map_err(|error| Failure::file(program, error))?;
        Ok(Source { loader, root: root.to_owned(), files: RefCell::default() })
    }

    /// The lines of this workspace that an instruction comes from, the innermost first.
    pub fn lines(&self, address: u64) -> Vec<Line> {
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

    /// The exception of this kind for any of these instructions.
    pub fn exception(&self, addresses: impl IntoIterator<Item = u64>, kind: Kind) -> Option<Exception> {
        let lines: BTreeSet<Line> = addresses.into_iter().flat_map(|address| self.lines(address)).collect();
        lines.iter().find_map(|(file, line)| {
            let mut files = self.files.borrow_mut();
            let path = self.root.join(file);
            let exceptions = files.entry(path.clone()).or_insert_with(|| read(&path, file));
            exceptions.get(line).filter(|exception| exception.kind.is_like(kind)).cloned()
        })
    }
}

/// The exceptions of a file, by the line that each is about.
fn read(path: &Path, file: &str) -> BTreeMap<u32, Exception> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let mut found = BTreeMap::new();
    let mut open: Option<Exception> = None;
    for (line, text) in (1..).zip(text.lines()) {
        let text = text.trim();
        if let Some(comment) = text.strip_prefix("// wcet: ") {
            open = comment.split_once(": ").and_then(|(kind, reason)| {
                Some(Exception {
                    kind: Kind::parse(kind)?,
                    reason: reason.to_owned(),
                    line: (file.to_owned(), line),
                })
            });
        } else if let (Some(exception), Some(more)) = (&mut open, text.strip_prefix("// ")) {
            exception.reason += " ";
            exception.reason += more;
        } else if let Some(exception) = open.take() {
            found.insert(line, exception);
        }
    }
    found
}
