//! A configuration that a trace shows to be enough.

use super::{
    replay::{Replay, ReplayError, replay},
    requests::{Request, requests},
};
use crate::{
    config::{Borrow, Config},
    error::ConfigError,
    profile::Profile,
};
use core::{error, fmt};

/// The most headroom that is tried, in percent. Twenty times what traces of audio need.
const MOST_PERCENT: u32 = 100;

/// Why there is no suggestion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SuggestError {
    /// The trace cannot be replayed.
    Replay(ReplayError),
    /// No heap can have the pools that it asks for, or it asks for none.
    Config(ConfigError),
}

impl fmt::Display for SuggestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Replay(error) => error.fmt(f),
            Self::Config(error) => error.fmt(f),
        }
    }
}

impl error::Error for SuggestError {}

/// Pools that share what this trace needs, with the least headroom, in whole percent, with which a replay
/// refuses nothing, and that replay. Where no headroom helps (a request that no block can serve is refused
/// always), the replay is that of the last attempt, and [`Replay::fits`] says so.
///
/// The next session is another one: [`Profile::suggest`] with more headroom than was needed here leaves room
/// for that.
///
/// # Errors
/// [`SuggestError::Replay`] if and only if the trace cannot be read or the memory for a heap cannot be had;
/// [`SuggestError::Config`] as [`Profile::suggest`].
///
/// # Time complexity
/// That of up to a hundred replays. Not for real-time paths.
pub fn suggest(trace: &[u8]) -> Result<(Config, Replay), SuggestError> {
    let mut profile = Profile::new();
    let note = |request| match request {
        Request::Allocated(layout) => profile.allocated(layout),
        Request::Freed(layout) => profile.freed(layout),
    };
    requests(trace, note).map_err(|error| SuggestError::Replay(error.into()))?;
    let mut percent = 0;
    loop {
        let config = profile.suggest(Borrow::Larger, percent).map_err(SuggestError::Config)?;
        let replayed = replay(trace, &config).map_err(SuggestError::Replay)?;
        if replayed.fits() || percent == MOST_PERCENT {
            return Ok((config, replayed));
        }
        percent += 1;
    }
}
