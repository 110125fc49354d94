//! `budget`: pools for what was recorded, as Rust source.

use std::fs;

use detalloc::trace::{Record, Request, Trace, TraceError, requests};
use detalloc::{Borrow, PoolConfig, Profile};
use detalloc_audio::AudioBudget;
use detalloc_audio::record::{Misfit, fits};
use serde::Serialize;

use crate::cli::BudgetArgs;
use crate::failure::Failure;
use crate::json::Json;
use crate::number;

/// Runs the subcommand.
///
/// # Errors
///
/// [`Failure::Check`] if and only if a replay on the pools is refused something; [`Failure::CannotRun`] if and only if the
/// file cannot be read, is no whole recording, or holds no allocation, or the JSON cannot be written.
pub fn run(args: &BudgetArgs) -> Result<(), Failure> {
    let trace = fs::read(&args.file).map_err(|error| Failure::file(&args.file, error))?;
    let file = args.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let budget = Budget::of(file, &trace, args.headroom).map_err(|why| match why {
        Unusable::Trace(error) => Failure::file(&args.file, error),
        Unusable::Misfit(misfit @ (Misfit::Short(_) | Misfit::Impossible(_))) => {
            Failure::Check(format!("{}, with {} % headroom: {misfit}", args.file.display(), args.headroom))
        }
        Unusable::Misfit(misfit) => Failure::file(&args.file, misfit),
    })?;
    Json::reserve(args.json.as_deref())?.show(&budget, |_| budget.source())
}

/// Why there is no budget.
enum Unusable {
    Trace(String),
    Misfit(Misfit),
}

impl From<TraceError> for Unusable {
    fn from(error: TraceError) -> Self {
        Unusable::Trace(error.to_string())
    }
}

/// What was recorded, and pools for it.
#[derive(Debug, Serialize)]
struct Budget {
    /// The recording's file, without its folder.
    file: String,
    detalloc: &'static str,
    callbacks: u64,
    /// Those that were refused when they were recorded included.
    requests: u64,
    refused_when_recorded: u64,
    /// As it was asked for.
    peak_live_bytes: u64,
    headroom_percent: u32,
    pools: Vec<Pool>,
    /// All memory that the pools take, what they need beside their blocks included.
    needed_bytes: u64,
    needed_over_peak: f64,
}

#[derive(Debug, Serialize)]
struct Pool {
    block_bytes: usize,
    blocks: usize,
}

impl Budget {
    fn of(file: String, bytes: &[u8], headroom_percent: u32) -> Result<Self, Unusable> {
        let trace = Trace::parse(bytes)?;
        if trace.lost() > 0 {
            return Err(Unusable::Misfit(Misfit::Incomplete { lost: trace.lost() }));
        }
        let mut callbacks = 0;
        for record in trace.records() {
            callbacks += u64::from(matches!(record?, Record::Mark(_)));
        }
        let mut profile = Profile::new();
        requests(bytes, |request| match request {
            Request::Allocated(layout) => profile.allocated(layout),
            Request::Freed(layout) => profile.freed(layout),
        })?;
        let suggested = profile
            .suggest(Borrow::Larger, headroom_percent)
            .map_err(|error| Unusable::Trace(format!("no pools for this recording: {error}")))?;
        // As a plugin would have them; its sample rate and block size change nothing about pools.
        let budget = AudioBudget::new(48_000.0, 64).recorded(suggested.pools());
        let replayed = fits(bytes, &budget).map_err(Unusable::Misfit)?;
        let peak_live_bytes = number::length(profile.peak_live_bytes());
        let needed_bytes = number::length(replayed.bytes_needed);
        Ok(Budget {
            file,
            detalloc: env!("CARGO_PKG_VERSION"),
            callbacks,
            requests: number::length(replayed.requests),
            refused_when_recorded: number::length(replayed.refused_when_recorded),
            peak_live_bytes,
            headroom_percent,
            pools: suggested
                .pools()
                .iter()
                .map(|&PoolConfig { block_bytes, blocks, .. }| Pool { block_bytes, blocks })
                .collect(),
            needed_bytes,
            needed_over_peak: number::real(needed_bytes) / number::real(peak_live_bytes.max(1)),
        })
    }

    fn source(&self) -> String {
        let pools: String = self
            .pools
            .iter()
            .map(|pool| {
                format!("    detalloc_audio::PoolConfig::new({}, {}),\n", pool.block_bytes, pool.blocks)
            })
            .collect();
        format!(
            "/// Pools for what was recorded in {}: {} requests in {} callbacks ({} refused then), at most {} bytes live at\n\
             /// once, and {} % more blocks. Its replay refuses nothing and needs {} bytes, {:.2} times that peak.\n\
             ///\n\
             /// Printed by `cargo xtask budget` of detalloc {}, for `AudioBudget::recorded(&RECORDED)`.\n\
             pub const RECORDED: [detalloc_audio::PoolConfig; {}] = [\n{pools}];\n",
            self.file,
            self.requests,
            self.callbacks,
            self.refused_when_recorded,
            self.peak_live_bytes,
            self.headroom_percent,
            self.needed_bytes,
            self.needed_over_peak,
            self.detalloc,
            self.pools.len(),
        )
    }
}
