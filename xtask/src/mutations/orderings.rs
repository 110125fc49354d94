//! Every memory ordering of the protocols between threads, weakened by one step: a model of their interleavings has to see it.
//!
//! Acquire and Release become Relaxed, AcqRel becomes either of them, SeqCst what an access of its kind can be at most beside it,
//! and a fence goes. Where no model can see that, the comment above the operation says so, with the reason, after
//! [`MARK`]; it is tried all the same. Relaxed operations cannot be weaker, so a file without any other needs no model here.

use std::path::Path;

use super::list::{Mutation, Proof};
use crate::failure::Failure;

/// All files with orderings that can be weaker, and what explores them.
const PROTOCOLS: &[(&str, Proof)] = &[
    ("detalloc/src/remote.rs", Proof::CoreLoom),
    ("detalloc/src/ring/protocol.rs", Proof::CoreLoom),
    ("detalloc/src/shared/bits.rs", Proof::CoreLoom),
    ("detalloc/src/spin/lock.rs", Proof::CoreLoom),
    ("detalloc/src/typed/claimed.rs", Proof::CoreLoom),
    ("detalloc-audio/src/arc/handles.rs", Proof::CountsLoom),
    ("detalloc-audio/src/closed.rs", Proof::HeapLoom),
    ("detalloc-audio/src/dead.rs", Proof::PublishLoom),
    ("detalloc-audio/src/inside/bucket.rs", Proof::InsideLoom),
    ("detalloc-audio/src/publish/swap.rs", Proof::PublishLoom),
    ("detalloc-audio/src/reaper/asked.rs", Proof::ReaperLoom),
    ("detalloc-audio/src/record/lane.rs", Proof::PublishLoom),
    ("detalloc-audio/src/timing/longest.rs", Proof::CountsLoom),
    ("detalloc-audio/src/visits.rs", Proof::PublishLoom),
    ("plugins/graincloud/src/handover.rs", Proof::GraincloudLoom),
];

/// What stands before the reason why no model sees an ordering weakened.
const MARK: &str = "ordering: stronger than the models need: ";

/// An ordering, weakened.
#[derive(Debug, PartialEq)]
pub struct Weakening {
    what: String,
    file: &'static str,
    from: String,
    to: String,
    proof: Proof,
    /// Why no model sees it, as the source says.
    reason: Option<String>,
}

impl Weakening {
    /// As the runner takes it.
    pub fn mutation(&self) -> Mutation<'_> {
        let reason = self.reason.as_deref();
        Mutation {
            what: &self.what,
            file: self.file,
            from: &self.from,
            to: &self.to,
            proof: self.proof,
            reason,
        }
    }
}

/// All of them, or, for a sample, the first of each file that a model sees.
pub fn weakenings(root: &Path, sample: bool) -> Result<Vec<Weakening>, Failure> {
    let mut all = Vec::new();
    for &(file, proof) in PROTOCOLS {
        let path = root.join(file);
        let text = std::fs::read_to_string(&path).map_err(|error| Failure::file(&path, error))?;
        let mut found = of_text(file, proof, &text);
        if sample {
            found.retain(|weakening| weakening.reason.is_none());
            found.truncate(1);
        }
        all.extend(found);
    }
    Ok(all)
}

/// What can be weakened in one file.
fn of_text(file: &'static str, proof: Proof, text: &str) -> Vec<Weakening> {
    let lines: Vec<&str> = text.split('\n').collect();
    let mut all = Vec::new();
    for (number, place) in places(&lines) {
        let (line, reason) = (lines[number], reason(&lines[..number]));
        for (name, with) in place.weaker(line) {
            let mut changed = lines.clone();
            let to = format!("{}{with}{}", &line[..place.begin], &line[place.end..]);
            changed[number] = &to;
            let (first, last) = unique(text, &lines, number);
            all.push(Weakening {
                what: format!("line {}: {} → {name}", number + 1, place.ordering),
                file,
                from: lines[first..=last].join("\n"),
                to: changed[first..=last].join("\n"),
                proof,
                reason: reason.clone(),
            });
        }
    }
    all
}

/// An ordering in a line: bytes from its path's begin to its end, of a whole fence if it is one's.
struct Place {
    begin: usize,
    end: usize,
    ordering: &'static str,
    is_fence: bool,
}

impl Place {
    /// What it can be, by name and as source. The whole path: not every file imports every name.
    fn weaker(&self, line: &str) -> Vec<(&'static str, &'static str)> {
        const RELAXED: (&str, &str) = ("Relaxed", "core::sync::atomic::Ordering::Relaxed");
        const ACQUIRE: (&str, &str) = ("Acquire", "core::sync::atomic::Ordering::Acquire");
        const RELEASE: (&str, &str) = ("Release", "core::sync::atomic::Ordering::Release");
        const ACQ_REL: (&str, &str) = ("AcqRel", "core::sync::atomic::Ordering::AcqRel");
        let call = line[..self.begin].rfind('.').map_or("", |dot| &line[dot..self.begin]);
        match self.ordering {
            _ if self.is_fence => vec![("none", "")],
            "Acquire" | "Release" => vec![RELAXED],
            "AcqRel" => vec![ACQUIRE, RELEASE],
            _ if call.starts_with(".load(") => vec![ACQUIRE],
            _ if call.starts_with(".store(") => vec![RELEASE],
            _ => vec![ACQ_REL],
        }
    }
}

/// The orderings that can be weaker: not those of imports, comments and tests.
fn places(lines: &[&str]) -> Vec<(usize, Place)> {
    let mut places = Vec::new();
    let mut imports = false;
    for (number, line) in lines.iter().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        if code.starts_with("mod tests") {
            break;
        }
        let words = code.trim_start();
        imports |= ["use ", "pub use ", "pub(crate) use "].iter().any(|begin| words.starts_with(begin));
        if !imports {
            places.extend(in_code(code).into_iter().map(|place| (number, place)));
        }
        imports &= !code.contains(';');
    }
    places
}

fn in_code(code: &str) -> Vec<Place> {
    let is_word = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    let mut places = Vec::new();
    for ordering in ["Acquire", "Release", "AcqRel", "SeqCst"] {
        for (at, _) in code.match_indices(ordering) {
            let end = at + ordering.len();
            let before = at.checked_sub(1).and_then(|before| code.as_bytes().get(before));
            if is_word(before) || is_word(code.as_bytes().get(end)) {
                continue;
            }
            let path = code[..at].strip_suffix("Ordering::").map_or(at, str::len);
            let fence = code[..path].strip_suffix("fence(").filter(|_| code[end..].starts_with(");"));
            places.push(match fence {
                Some(before) => Place { begin: before.len(), end: end + 2, ordering, is_fence: true },
                None => Place { begin: path, end, ordering, is_fence: false },
            });
        }
    }
    places
}

/// Why no model sees it, if the comment that ends here says so.
fn reason(before: &[&str]) -> Option<String> {
    let comment = before.iter().rev().map_while(|line| line.trim_start().strip_prefix("//"));
    let mut words: Vec<&str> = comment.map(str::trim).collect();
    words.reverse();
    Some(words.join(" ").split_once(MARK)?.1.to_owned())
}

/// The lines around this one that are there once.
fn unique(text: &str, lines: &[&str], number: usize) -> (usize, usize) {
    let around = |more: usize| (number.saturating_sub(more), (number + more).min(lines.len() - 1));
    let is_unique =
        |(first, last): (usize, usize)| text.matches(&lines[first..=last].join("\n")).count() == 1;
    // The whole text is there once.
    (0..lines.len()).map(around).find(|&lines| is_unique(lines)).unwrap_or((number, number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Workspace;

    fn changes(text: &str) -> Vec<(String, String)> {
        let of = of_text("file.rs", Proof::CoreLoom, text);
        of.into_iter().map(|weakening| (weakening.what, weakening.to)).collect()
    }

    fn whats(text: &str) -> Vec<String> {
        changes(text).into_iter().map(|(what, _)| what).collect()
    }

    #[test]
    fn an_ordering_is_weakened_by_one_step() {
        assert_eq!(
            changes("a.swap(1, Ordering::AcqRel);"),
            [
                (
                    "line 1: AcqRel → Acquire".to_owned(),
                    "a.swap(1, core::sync::atomic::Ordering::Acquire);".to_owned()
                ),
                (
                    "line 1: AcqRel → Release".to_owned(),
                    "a.swap(1, core::sync::atomic::Ordering::Release);".to_owned()
                ),
            ]
        );
        assert_eq!(whats("a.load(Acquire)"), ["line 1: Acquire → Relaxed"]);
        assert_eq!(whats("a.load(SeqCst)"), ["line 1: SeqCst → Acquire"]);
        assert_eq!(whats("a.store(a.b, SeqCst)"), ["line 1: SeqCst → AcqRel"]);
        assert_eq!(whats("a.store(b, SeqCst)"), ["line 1: SeqCst → Release"]);
        assert_eq!(whats("a.fetch_or(b, SeqCst)"), ["line 1: SeqCst → AcqRel"]);
        assert!(whats("a.load(Relaxed)").is_empty());
    }

    #[test]
    fn a_fence_goes() {
        let changed = changes("    fence(Ordering::SeqCst);\n    fence(Acquire);");
        assert_eq!(changed[0], ("line 1: SeqCst → none".to_owned(), "    ".to_owned()));
        assert_eq!(changed[1], ("line 2: Acquire → none".to_owned(), "    ".to_owned()));
    }

    #[test]
    fn imports_comments_and_tests_are_left_alone() {
        let text = "use x::{\n    Acquire,\n    Release,\n};\n// SeqCst\nlet AcquireAll = 1;\nmod tests {\n    a.load(Acquire);";
        assert!(whats(text).is_empty());
    }

    #[test]
    fn what_is_there_twice_is_told_apart_by_what_stands_around_it() {
        let text = "one\na.load(Acquire)\ntwo\na.load(Acquire)\nthree";
        let found = of_text("file.rs", Proof::CoreLoom, text);
        assert_eq!(found.len(), 2);
        for weakening in &found {
            assert_eq!(text.matches(&weakening.from).count(), 1);
        }
        assert!(text.replace(&found[1].from, &found[1].to).ends_with("Ordering::Relaxed)\nthree"));
    }

    #[test]
    fn a_reason_is_read_from_the_comment_above() {
        let text = "// Why.\n// ordering: stronger than the models need: none\n// can.\na.load(Acquire)\na.load(Acquire)";
        let found = of_text("file.rs", Proof::CoreLoom, text);
        assert_eq!(found[0].reason.as_deref(), Some("none can."));
        assert_eq!(found[1].reason, None);
    }

    /// Where no model explores it, an ordering must not be stronger than Relaxed.
    #[test]
    fn every_file_with_an_ordering_that_can_be_weaker_is_listed() {
        let root = Workspace::find().expect("cargo runs").root;
        let mut listed: Vec<_> = PROTOCOLS.iter().map(|(file, _)| root.join(file)).collect();
        // A compiler's fence, around the processor's counter.
        listed.push(root.join("detalloc/src/cycles.rs"));
        for folder in
            ["detalloc/src", "detalloc-audio/src", "plugins/graincloud/src", "plugins/sample-file/src"]
        {
            let mut folders = vec![root.join(folder)];
            while let Some(folder) = folders.pop() {
                for entry in std::fs::read_dir(folder).expect("a folder") {
                    let path = entry.expect("an entry").path();
                    if path.is_dir() {
                        folders.push(path);
                    } else if !listed.contains(&path) {
                        let text = std::fs::read_to_string(&path).expect("a source file");
                        let found = of_text("", Proof::CoreLoom, &text);
                        assert!(found.is_empty(), "{}: {found:?}", path.display());
                    }
                }
            }
        }
    }

    #[test]
    fn a_sample_has_one_of_each_file() {
        let root = Workspace::find().expect("cargo runs").root;
        let sample = weakenings(&root, true).expect("they are there");
        assert_eq!(sample.len(), PROTOCOLS.len());
        assert!(sample.iter().map(|weakening| weakening.file).eq(PROTOCOLS.iter().map(|(file, _)| *file)));
        assert!(weakenings(&root, false).expect("as above").len() > 2 * sample.len());
    }
}
