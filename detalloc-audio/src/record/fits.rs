//! Does a recording still fit a budget?

use crate::{AudioBudget, BudgetError};
use core::{alloc::Layout, fmt};
use detalloc::{
    MAX_ALIGN_BYTES, class,
    trace::{Replay, ReplayError, Request, replay, requests},
};
use std::{collections::BTreeMap, error};

/// Replays a recording on the pools of this budget, and says how it went.
///
/// # Errors
/// [`Misfit`]: the recording does not fit, or whether it does cannot be said.
///
/// # Time complexity
/// *n* log *n* in the number of records.
pub fn fits(trace: &[u8], budget: &AudioBudget) -> Result<Replay, Misfit> {
    let config = budget.config().map_err(Misfit::Budget)?;
    let replayed = replay(trace, &config).map_err(Misfit::Replay)?;
    if replayed.lost > 0 {
        return Err(Misfit::Incomplete { lost: replayed.lost });
    }
    if replayed.fits() {
        return Ok(replayed);
    }
    let mut classes = BTreeMap::<usize, Class>::new();
    let mut impossible = None;
    let count = |request| match request {
        Request::Allocated(layout) if is_possible(layout) => {
            classes.entry(block_bytes(layout)).or_default().allocate();
        }
        Request::Freed(layout) if is_possible(layout) => {
            classes.entry(block_bytes(layout)).or_default().free();
        }
        Request::Allocated(layout) => impossible = Some(layout),
        Request::Freed(_) => {}
    };
    requests(trace, count).map_err(|error| Misfit::Replay(error.into()))?;
    if let Some(layout) = impossible {
        return Err(Misfit::Impossible(layout));
    }
    let has = |block_bytes| {
        config.pools().iter().find(|pool| pool.block_bytes == block_bytes).map_or(0, |pool| pool.blocks)
    };
    let short = classes
        .into_iter()
        .map(|(block_bytes, class)| Short { block_bytes, blocks: has(block_bytes), needed: class.peak })
        .filter(|short| short.needed > short.blocks)
        .collect();
    Err(Misfit::Short(short))
}

/// Fails a test if a recording does not fit this budget.
///
/// # Panics
/// If [`fits`] says that it does not: with the classes that are short, and by how many blocks.
#[track_caller]
pub fn assert_fits(trace: &[u8], budget: &AudioBudget) {
    if let Err(misfit) = fits(trace, budget) {
        panic!("{misfit}");
    }
}

/// Whether there can be blocks for it.
fn is_possible(layout: Layout) -> bool {
    layout.size() <= class::MAX_BLOCK_BYTES
        && layout.align() <= MAX_ALIGN_BYTES
        && block_bytes(layout) <= class::MAX_BLOCK_BYTES
}

fn block_bytes(layout: Layout) -> usize {
    class::block_bytes_for(layout.size(), layout.align())
}

/// How many blocks of a class were live, and at most.
#[derive(Default)]
struct Class {
    live: usize,
    peak: usize,
}

impl Class {
    fn allocate(&mut self) {
        self.live += 1;
        self.peak = self.peak.max(self.live);
    }

    fn free(&mut self) {
        self.live -= 1;
    }
}

/// A class of which a budget has too few blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Short {
    /// The size of its blocks, in bytes.
    pub block_bytes: usize,
    /// How many the budget has.
    pub blocks: usize,
    /// How many were live at once.
    pub needed: usize,
}

/// Why a recording does not fit, or why that cannot be said.
#[derive(Debug)]
pub enum Misfit {
    /// The budget itself cannot be met.
    Budget(BudgetError),
    /// The recording cannot be read, or not replayed.
    Replay(ReplayError),
    /// The recording ended before the session did.
    Incomplete {
        /// How many events it lacks.
        lost: u64,
    },
    /// The recording has a request that no block can serve, whatever the budget.
    Impossible(Layout),
    /// These classes are short of blocks; with as many as were live at once, the recording fits.
    Short(Vec<Short>),
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Budget(error) => error.fmt(f),
            Self::Replay(error) => error.fmt(f),
            Self::Incomplete { lost } => write!(
                f,
                "the recording lacks {lost} events, as the reaper could not keep up or the disk was full; record again"
            ),
            Self::Impossible(layout) => write!(
                f,
                "the recording asks for {} bytes aligned to {}, which no block has",
                layout.size(),
                layout.align()
            ),
            Self::Short(classes) => {
                write!(f, "the recording does not fit the budget:")?;
                for (n, Short { block_bytes, blocks, needed }) in classes.iter().enumerate() {
                    let more = needed - blocks;
                    write!(f, "{} {more} more blocks of {block_bytes} bytes", if n == 0 { "" } else { "," })?;
                    write!(f, " (it has {blocks}, and {needed} were live at once)")?;
                }
                Ok(())
            }
        }
    }
}

impl error::Error for Misfit {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Budget(error) => Some(error),
            Self::Replay(error) => Some(error),
            Self::Incomplete { .. } | Self::Impossible(_) | Self::Short(_) => None,
        }
    }
}
