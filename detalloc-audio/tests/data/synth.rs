/// Pools for what was recorded in synth.trace: 95 requests in 7501 callbacks (0 refused then), at most 648 bytes live at
/// once, and 25 % more blocks. Its replay refuses nothing and needs 2175 bytes, 3.36 times that peak.
///
/// Printed by `cargo xtask budget` of detalloc 0.1.0, for `AudioBudget::recorded(&RECORDED)`.
pub const RECORDED: [detalloc_audio::PoolConfig; 2] = [
    detalloc_audio::PoolConfig::new(64, 9),
    detalloc_audio::PoolConfig::new(256, 2),
];
