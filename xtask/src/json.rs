//! `--json FILE`: figures for machines beside the text for people, the same in every job.

use std::io::{self, ErrorKind, Write};
use std::path::Path;

use serde::Serialize;

use crate::failure::Failure;
use crate::output::Output;

/// Where the JSON goes.
#[derive(Debug)]
pub enum Json {
    /// Nobody wants it.
    None,
    /// To stdout; the text then goes to stderr.
    Stdout,
    /// Into a file.
    File(Output),
}

impl Json {
    /// What the option asks for; `-` is stdout.
    ///
    /// # Errors
    ///
    /// As [`Output::reserve`].
    pub fn reserve(option: Option<&Path>) -> Result<Self, Failure> {
        match option {
            None => Ok(Json::None),
            Some(path) if path == Path::new("-") => Ok(Json::Stdout),
            Some(path) => Ok(Json::File(Output::reserve(path.to_owned())?)),
        }
    }

    /// The file, if there is one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Json::File(output) => Some(output.path()),
            Json::None | Json::Stdout => None,
        }
    }

    /// Shows the text, which is told whether colours are welcome, and writes the figures.
    ///
    /// # Errors
    ///
    /// [`Failure::CannotRun`] if and only if the JSON or stdout cannot be written.
    pub fn show(&self, figures: &impl Serialize, text: impl FnOnce(bool) -> String) -> Result<(), Failure> {
        let json = || {
            serde_json::to_string_pretty(figures)
                .map(|json| json + "\n")
                .map_err(|error| Failure::CannotRun(format!("JSON: {error}")))
        };
        match self {
            Json::None => print(&text(console::colors_enabled())),
            Json::Stdout => {
                eprint!("{}", text(console::colors_enabled_stderr()));
                print(&json()?)
            }
            Json::File(output) => {
                print(&text(console::colors_enabled()))?;
                output.write_text(&json()?)?;
                print(&format!("{}\n", output.path().display()))
            }
        }
    }
}

/// Writes to stdout, until nobody reads any more.
///
/// # Errors
///
/// [`Failure::CannotRun`] if and only if stdout cannot be written.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::CannotRun(format!("stdout: {error}")))
        }
        _ => Ok(()),
    }
}
