//! Inputs that are kept: each once led to a fault that was mended, or to a place that random ones do not reach.

use std::{fs, path::PathBuf};

/// Where the inputs of a target lie.
#[must_use]
pub fn folder(target: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target)
}

/// The inputs of a target, in the order of their names; none where there is no folder.
///
/// # Errors
/// The system's, if and only if a file in the folder cannot be read.
pub fn kept(target: &str) -> std::io::Result<Vec<(String, Vec<u8>)>> {
    let Ok(folder) = fs::read_dir(folder(target)) else { return Ok(Vec::new()) };
    let mut inputs = Vec::new();
    for entry in folder {
        let entry = entry?;
        inputs.push((entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path())?));
    }
    inputs.sort();
    Ok(inputs)
}
