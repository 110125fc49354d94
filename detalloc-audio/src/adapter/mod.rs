//! How a heap sits in what calls back: [`guarded`] around a stream's callback, and, with the feature `nice-plug`, a
//! layer of state and blocks in a plugin.
//!
//! Both give the callback at most as many frames at a time as were announced, because hosts and devices send more, fewer
//! and none at all. [`guarded`] names no framework's types: it fits any callback that gets a buffer and a word about it.
//! With the feature `cpal` it also knows cpal's own sample types and its raw buffers.

#[cfg(feature = "cpal")]
mod cpal;
#[cfg(feature = "nice-plug")]
pub mod nice_plug;
mod samples;
mod stream;

pub use samples::{Sample, Samples};
pub use stream::{Guarded, Watch, guarded};
