//! A granular instrument and effect whose grains live in deterministic pools, as CLAP and VST3.
//!
//! It records its input into a rolling buffer, or plays a WAV file that the plugin's state names by its path. The density
//! control (with live input) and held keys spawn grains; every grain is one object in the instance's pools, with its own
//! window and its own slice of the source. When the pools run dry the oldest grain is stolen, with a fade, and counted.
//! The audio thread allocates nothing else, takes no lock and frees nothing.
//!
//! - [`engine`] is all of that without a plugin format, for tests and benchmarks.
//! - The library exports `graincloud_report`: what every live instance has done, as JSON.

pub mod engine;
mod handover;
mod loader;
mod params;
mod plugin;
mod report;
mod sync;

pub use plugin::Graincloud;
pub use report::graincloud_report;

/// In debug builds any use of the system heap inside a callback aborts.
#[cfg(debug_assertions)]
#[global_allocator]
static ALLOCATOR: detalloc_audio::AllocDisabler = detalloc_audio::AllocDisabler;

nice_plug::nice_export_clap!(Graincloud);
nice_plug::nice_export_vst3!(Graincloud);
