//! A granular instrument and effect whose grains live in deterministic pools.

pub mod engine;
