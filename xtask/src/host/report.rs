//! What the plugin says about its own memory, through the function its library exports for it.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::HostError;

/// The meters of every live instance of one loaded library.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
pub struct PluginReport {
    /// One entry per live instance, oldest first.
    pub instances: Vec<InstanceReport>,
}

/// The meters of one instance. Counts run since the instance was created.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct InstanceReport {
    /// What it granulates.
    pub source: SourceReport,
    /// Grains started.
    pub grains_spawned: u64,
    /// Grains sounding now.
    pub live: u64,
    /// The most grains that ever sounded at once.
    pub live_peak: u64,
    /// Grains ended early to make room.
    pub stolen: u64,
    /// Allocations the pools refused.
    pub refusals: u64,
    /// Samples that were not finite or denormal, replaced.
    #[serde(default)]
    pub denormals_or_nans_removed: u64,
    /// The pools.
    pub classes: Vec<PoolReport>,
}

/// Where an instance's sound comes from.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct SourceReport {
    /// `input` or `file`.
    pub kind: String,
    /// What a user reads about it.
    pub status: String,
}

/// One pool of an instance.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct PoolReport {
    /// Size of a block in bytes.
    pub block_bytes: u64,
    /// Blocks in the pool.
    pub blocks: u64,
    /// Blocks in use now.
    pub used: u64,
    /// The most blocks ever in use at once.
    pub peak: u64,
    /// Allocations of this class that were refused.
    pub refused: u64,
    /// Blocks this class lent to smaller ones or borrowed, as the plugin counts it.
    pub borrowed: u64,
}

type ReportFunction = unsafe extern "C" fn(*mut u8, usize) -> usize;

/// A plugin's library, opened beside the host that runs it. The dynamic linker gives the same image for the same file,
/// so this sees the host's instances.
pub struct Library {
    library: libloading::Library,
    symbol: String,
}

impl Library {
    /// Opens the library of `plugin` at `binary`.
    ///
    /// # Errors
    ///
    /// [`HostError::Load`] if and only if it cannot be loaded.
    pub fn open(binary: &Path, plugin: &str) -> Result<Self, HostError> {
        // SAFETY: this runs the library's initialisers, which for our plugins do nothing but what any Rust library's do.
        let library = unsafe { libloading::Library::new(binary) }
            .map_err(|error| HostError::Load { path: binary.to_path_buf(), reason: error.to_string() })?;
        Ok(Library { library, symbol: format!("{}_report", plugin.replace('-', "_")) })
    }

    /// The meters of the library's live instances.
    ///
    /// # Errors
    ///
    /// [`HostError::Refused`] if and only if the library has no report function or its report cannot be read.
    pub fn report(&self) -> Result<PluginReport, HostError> {
        let refused = HostError::refused("report");
        // SAFETY: our plugins export the function with this signature.
        let function = unsafe { self.library.get::<ReportFunction>(self.symbol.as_str()) }
            .map_err(|error| refused(error.to_string()))?;
        let mut buffer = Vec::new();
        loop {
            // SAFETY: the buffer is as long as the function is told; it writes no more than that.
            let needed = unsafe { function(buffer.as_mut_ptr(), buffer.len()) };
            if needed <= buffer.len() {
                buffer.truncate(needed);
                break;
            }
            // Another instance may appear between two calls: then it asks for more once again.
            buffer.resize(needed, 0);
        }
        serde_json::from_slice(&buffer).map_err(|error| refused(error.to_string()))
    }

    /// Leaves the library loaded for the rest of the process, so that stacks into it can still be named.
    pub fn keep_loaded(self) {
        std::mem::forget(self.library);
    }
}
