//! How far a run has come, told in a file: by the random driver and by cargo-fuzz's programs alike, for whoever has started them.

use crate::Target;
use std::{
    env, fs,
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// The variable that names the file.
pub const PROGRESS: &str = "HARNESS_PROGRESS";

/// How often it is written.
const PERIOD: Duration = Duration::from_millis(200);

/// Counts inputs and operations.
#[derive(Debug)]
pub struct Progress {
    file: Option<PathBuf>,
    written: Instant,
    /// How many inputs there were.
    pub inputs: u64,
    /// How many operations they stood for.
    pub operations: u64,
}

impl Progress {
    /// Nothing yet. Reads the environment.
    #[must_use]
    pub fn new() -> Self {
        let file = env::var_os(PROGRESS).map(PathBuf::from);
        Self { file, written: Instant::now(), inputs: 0, operations: 0 }
    }

    /// Runs an input, and counts it.
    pub fn run(&mut self, target: &Target, input: &[u8]) {
        self.operations += (target.run)(input);
        self.inputs += 1;
        if self.written.elapsed() >= PERIOD {
            self.tell();
        }
    }

    /// Writes the file, if there is to be one: inputs and operations, with a space between. Who cannot read it knows less, and
    /// nothing else.
    pub fn tell(&mut self) {
        self.written = Instant::now();
        if let Some(file) = &self.file {
            let _ = fs::write(file, format!("{} {}", self.inputs, self.operations));
        }
    }
}

/// Runs an input of a target, for a program that counts all of its inputs.
///
/// # Panics
/// As the target; if there is none of this name.
pub fn counted(name: &str, input: &[u8]) {
    static PROGRESS: Mutex<Option<Progress>> = Mutex::new(None);
    let target = crate::named(name).expect("a target");
    let mut progress = PROGRESS.lock().unwrap_or_else(PoisonError::into_inner);
    progress.get_or_insert_with(Progress::new).run(target, input);
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}
