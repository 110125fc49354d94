//! Files that appear whole or not at all: written beside their place under another name and then moved there. Whether
//! a place can be written is found out before the long work starts, without leaving anything behind.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use hound::{SampleFormat, WavSpec, WavWriter};
use tempfile::NamedTempFile;

use crate::failure::Failure;

/// A file to write later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    path: PathBuf,
}

impl Output {
    /// Checks that `path` can be written and keeps it.
    ///
    /// # Errors
    ///
    /// [`Failure::CannotRun`] naming the file if and only if it cannot be written: its folder does not exist or allows
    /// no new file, or it is there and no ordinary file: a folder, a device, a link.
    pub fn reserve(path: PathBuf) -> Result<Self, Failure> {
        if path.is_dir() {
            return Err(Failure::file(&path, "cannot be written: it is a folder"));
        }
        // The finished file takes its place; a device or a link must not be replaced by one.
        if path.symlink_metadata().is_ok_and(|there| !there.is_file()) {
            return Err(Failure::file(&path, "cannot be written: it is no ordinary file"));
        }
        let output = Output { path };
        // Gone again at once: a run that is killed leaves nothing behind.
        drop(output.temporary()?);
        Ok(output)
    }

    /// Where the file will be.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn temporary(&self) -> Result<NamedTempFile, Failure> {
        let folder = match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let mut builder = tempfile::Builder::new();
        builder.prefix(".xtask-");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // As any file a program creates; temporary files are private otherwise.
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        builder.tempfile_in(folder).map_err(|error| self.cannot(&plain(&error)))
    }

    fn cannot(&self, reason: &dyn std::fmt::Display) -> Failure {
        Failure::file(&self.path, format!("cannot be written: {reason}"))
    }

    fn write(&self, fill: impl FnOnce(&mut BufWriter<&File>) -> std::io::Result<()>) -> Result<(), Failure> {
        let temporary = self.temporary()?;
        let mut writer = BufWriter::new(temporary.as_file());
        fill(&mut writer).and_then(|()| writer.flush()).map_err(|error| self.cannot(&plain(&error)))?;
        drop(writer);
        temporary.persist(&self.path).map_err(|error| self.cannot(&plain(&error.error)))?;
        Ok(())
    }

    /// Writes the text.
    ///
    /// # Errors
    ///
    /// [`Failure::CannotRun`] if and only if the file cannot be written; then it is as it was.
    pub fn write_text(&self, text: &str) -> Result<(), Failure> {
        self.write(|writer| writer.write_all(text.as_bytes()))
    }

    /// Writes two channels of equal length as a WAV file of 32-bit floats.
    ///
    /// # Errors
    ///
    /// [`Failure::CannotRun`] if and only if the file cannot be written; then it is as it was.
    pub fn write_wav(&self, rate_hz: u32, channels: &[Vec<f32>; 2]) -> Result<(), Failure> {
        let spec = WavSpec {
            channels: 2,
            sample_rate: rate_hz,
            bits_per_sample: 32,
            sample_format: SampleFormat::Float,
        };
        self.write(|writer| {
            let mut wav = WavWriter::new(writer, spec).map_err(io_error)?;
            for (&left, &right) in channels[0].iter().zip(&channels[1]) {
                wav.write_sample(left).map_err(io_error)?;
                wav.write_sample(right).map_err(io_error)?;
            }
            wav.finalize().map_err(io_error)
        })
    }
}

fn io_error(error: hound::Error) -> std::io::Error {
    match error {
        hound::Error::IoError(error) => error,
        other => std::io::Error::other(other),
    }
}

/// The reason alone: the error of a temporary file names that file, which the reader does not know.
fn plain(error: &std::io::Error) -> String {
    let io = error
        .get_ref()
        .and_then(|inner| inner.source())
        .and_then(|source| source.downcast_ref::<std::io::Error>());
    match io.unwrap_or(error).kind() {
        std::io::ErrorKind::NotFound => "there is no such folder".to_owned(),
        other => other.to_string(),
    }
}

/// `NAME.wav` with the format in it: `NAME-clap.wav`.
///
/// # Errors
///
/// [`Failure::CannotRun`] if and only if `path` has no file name or is named as something else than a WAV file.
pub fn with_format(path: &Path, format: &str) -> Result<PathBuf, Failure> {
    let is_wav = path.extension().is_none_or(|extension| extension.eq_ignore_ascii_case("wav"));
    match path.file_stem() {
        Some(stem) if is_wav && !stem.eq_ignore_ascii_case(".wav") => {
            let mut name = stem.to_owned();
            name.push(format!("-{format}.wav"));
            Ok(path.with_file_name(name))
        }
        _ => Err(Failure::file(path, "cannot be written: only .wav files are")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserved_file_leaves_nothing_until_it_is_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let output = Output::reserve(folder.path().join("a.json")).expect("writable");
        assert_eq!(folder.path().read_dir().expect("a folder").count(), 0);
        output.write_text("text").expect("writable");
        assert_eq!(std::fs::read_to_string(output.path()).expect("written"), "text");
        assert_eq!(folder.path().read_dir().expect("a folder").count(), 1);
    }

    #[test]
    fn what_fails_half_way_leaves_the_file_as_it_was() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.json");
        std::fs::write(&path, "before").expect("writable");
        let output = Output::reserve(path.clone()).expect("writable");
        let failed = output.write(|writer| {
            writer.write_all(b"half")?;
            Err(std::io::ErrorKind::StorageFull.into())
        });
        assert!(failed.is_err_and(|failure| failure.to_string().contains("a.json")));
        assert_eq!(std::fs::read_to_string(&path).expect("still there"), "before");
        assert_eq!(folder.path().read_dir().expect("a folder").count(), 1);
    }

    #[test]
    fn places_that_cannot_be_written_are_named_before_anything_is_written() {
        let folder = tempfile::tempdir().expect("a folder");
        for path in [folder.path().join("missing").join("a.wav"), folder.path().to_path_buf()] {
            let failure = Output::reserve(path.clone()).expect_err("not writable").to_string();
            assert!(failure.contains(&path.display().to_string()), "{failure}");
            assert!(!failure.contains(".xtask-"), "{failure}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn devices_and_links_are_not_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let link = folder.path().join("link.json");
        std::os::unix::fs::symlink("elsewhere", &link).expect("a link");
        assert!(Output::reserve(link).is_err() && Output::reserve("/dev/null".into()).is_err());
    }

    #[test]
    fn names_get_their_format() {
        let named = |path: &str| with_format(Path::new(path), "clap");
        assert_eq!(named("a/b.wav"), Ok("a/b-clap.wav".into()));
        assert_eq!(named("b"), Ok("b-clap.wav".into()));
        assert!(
            named("b.mp3").is_err() && named("..").is_err() && named(".wav").is_err() && named("").is_err()
        );
    }
}
