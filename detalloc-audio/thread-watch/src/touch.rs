//! One touch of the system heap, and its stack in words a person can follow. Names are looked up when asked for, off
//! the audio thread, and only while the libraries of the stack are still loaded.

/// What a touch did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TouchKind {
    /// A new block.
    Allocation {
        /// The size asked for.
        bytes: usize,
    },
    /// A block resized, moved or not.
    Reallocation {
        /// The new size asked for.
        bytes: usize,
    },
    /// A block given back.
    Free,
}

impl TouchKind {
    /// How many allocations and frees it counts as.
    pub(crate) fn weight(self) -> (u64, u64) {
        match self {
            TouchKind::Allocation { .. } => (1, 0),
            TouchKind::Reallocation { .. } => (1, 1),
            TouchKind::Free => (0, 1),
        }
    }
}

impl std::fmt::Display for TouchKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            TouchKind::Allocation { bytes } => write!(f, "allocation of {bytes} bytes"),
            TouchKind::Reallocation { bytes } => write!(f, "reallocation to {bytes} bytes"),
            TouchKind::Free => f.write_str("free"),
        }
    }
}

/// One touch of the system heap in a watched section.
#[derive(Clone, Debug)]
pub struct Touch {
    /// What it did.
    pub kind: TouchKind,
    /// Return addresses, innermost first, at most [`MAX_FRAMES`](crate::MAX_FRAMES).
    pub stack: Vec<usize>,
}

/// One function of a stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The function's name without its type parameters, or its address where the name is not known.
    pub function: String,
    /// Source file and line, where they are known. Crates of a registry and the standard library start at their own
    /// folder, everything else at the root.
    pub place: Option<(String, u32)>,
}

impl std::fmt::Display for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.function)?;
        match &self.place {
            Some((file, line)) => write!(f, " at {file}:{line}"),
            None => Ok(()),
        }
    }
}

impl Touch {
    /// The functions from the one that called the heap out to the one that was watched, inlined ones included.
    ///
    /// # Time complexity
    ///
    /// Reads debug information from files: slow, and it allocates.
    pub fn frames(&self) -> Vec<Frame> {
        let mut frames = Vec::new();
        for &address in &self.stack {
            let before = frames.len();
            // A return address lies after the call, which may already be the next line or function.
            let call = address.saturating_sub(1) as *mut std::ffi::c_void;
            backtrace::resolve(call, |symbol| frames.push(describe(symbol)));
            if frames.len() == before {
                frames.push(Frame { function: format!("{address:#x}"), place: None });
            }
        }
        // This crate's own frames lie at both ends: the heap function and `watch`.
        let ours = |name: &'static str| {
            move |frame: &Frame| frame.place.as_ref().is_some_and(|(file, _)| file.ends_with(name))
        };
        if let Some(heap_function) = frames.iter().rposition(ours("thread-watch/src/interpose.rs")) {
            frames.drain(..=heap_function);
        }
        if let Some(watch) = frames.iter().position(ours("thread-watch/src/lib.rs")) {
            frames.truncate(watch);
        }
        frames
    }
}

fn describe(symbol: &backtrace::Symbol) -> Frame {
    let name = symbol.name().map_or_else(|| "(no name)".to_owned(), |name| format!("{name:#}"));
    // Names that start with a bracket are of the form `<Type as Trait>::function`.
    let end = name.char_indices().find(|&(at, letter)| at > 0 && letter == '<' && !name.starts_with('<'));
    let function = end.map_or(name.as_str(), |(at, _)| &name[..at]).to_owned();
    let place =
        symbol.filename().zip(symbol.lineno()).map(|(file, line)| (short(&file.to_string_lossy()), line));
    Frame { function, place }
}

/// A source file without the folders that say only where this machine keeps it.
fn short(file: &str) -> String {
    let after = |marker: &str| file.split_once(marker)?.1.split_once('/').map(|(_, rest)| rest.to_owned());
    after("/registry/src/").or_else(|| after("/rustc/")).unwrap_or_else(|| file.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_lose_what_only_this_machine_knows() {
        assert_eq!(
            short("/users/a/.cargo/registry/src/index.crates.io-1/hound-3.5.1/src/lib.rs"),
            "hound-3.5.1/src/lib.rs"
        );
        assert_eq!(short("/rustc/5980761/library/alloc/src/boxed.rs"), "library/alloc/src/boxed.rs");
        assert_eq!(short("/users/a/detalloc/plugins/x/src/lib.rs"), "/users/a/detalloc/plugins/x/src/lib.rs");
    }
}
