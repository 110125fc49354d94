//! Why a file cannot be played, in words that tell its owner what to do.

use crate::{MAX_FRAMES, RATES_HZ};
use std::{io, path::PathBuf};

/// A file that cannot be played.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {}: {reason}", path.display())]
pub struct SampleError {
    /// The file that was asked for.
    pub path: PathBuf,
    /// Why it cannot be played.
    #[source]
    pub reason: Reason,
}

/// Why a file cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// There is no such file.
    #[error("not found")]
    NotFound,
    /// The path is a folder, a device or a pipe.
    #[error("not a file")]
    NotAFile,
    /// The file has no bytes.
    #[error("the file is empty")]
    Empty,
    /// The file does not begin like a WAV file.
    #[error("not a WAV file")]
    NotWav,
    /// The file ends before its header says so.
    #[error("truncated: it ends before its header says so")]
    Truncated,
    /// The file says that it holds no audio.
    #[error("it holds no audio frames")]
    NoFrames,
    /// The header contradicts itself.
    #[error("broken WAV header: {0}")]
    Broken(&'static str),
    /// A kind of WAV file that is not read: compressed, or of another width.
    #[error("unsupported kind of WAV file; it must hold 8, 16, 24 or 32-bit integers or 32-bit floats")]
    Unsupported,
    /// The file's sample rate is absurd.
    #[error("its sample rate of {rate_hz} Hz is not within {} to {} Hz", RATES_HZ.start(), RATES_HZ.end())]
    FileRate {
        /// What the header says.
        rate_hz: u32,
    },
    /// The sample rate that was asked for is absurd.
    #[error("the wanted sample rate of {rate_hz} Hz is not within {} to {} Hz", RATES_HZ.start(), RATES_HZ.end())]
    WantedRate {
        /// What was asked for.
        rate_hz: u32,
    },
    /// More audio than is ever loaded.
    #[error("too long: {frames} frames, at most {MAX_FRAMES} are loaded")]
    TooLong {
        /// How long it is or would be, in frames.
        frames: usize,
    },
    /// The resampler refused the pair of rates.
    #[error("cannot resample: {0}")]
    Resample(String),
    /// The system could not read it.
    #[error(transparent)]
    Io(io::Error),
}

impl From<hound::Error> for Reason {
    fn from(error: hound::Error) -> Self {
        match error {
            // hound says `Other` where a value ends early, and the system `UnexpectedEof`.
            hound::Error::IoError(error)
                if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::Other) =>
            {
                Self::Truncated
            }
            hound::Error::IoError(error) => Self::from(error),
            hound::Error::FormatError("no RIFF tag found" | "no WAVE tag found") => Self::NotWav,
            hound::Error::FormatError(
                "bits per sample is not a multiple of 8"
                | "bits per sample is not 32"
                | "bits per sample is not 8 or 16",
            ) => Self::Unsupported,
            hound::Error::FormatError(reason) => Self::Broken(reason),
            hound::Error::UnfinishedSample => Self::Truncated,
            hound::Error::TooWide | hound::Error::Unsupported | hound::Error::InvalidSampleFormat => {
                Self::Unsupported
            }
        }
    }
}

impl From<io::Error> for Reason {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::NotFound,
            io::ErrorKind::IsADirectory => Self::NotAFile,
            io::ErrorKind::UnexpectedEof => Self::Truncated,
            _ => Self::Io(error),
        }
    }
}
