//! The engines of the callback bench: the same sound from all of them, and no refusal, in every scenario that needs no special
//! set-up of the process.

use detalloc_audio::{Inner, OnViolation, Routed};
use detalloc_benches::callback::{Engine, Scenario, play};

#[global_allocator]
static GLOBAL: Routed = Routed::contain(Inner).on_violation(OnViolation::Count);

/// More than a block of the tape takes.
const CALLBACKS: usize = 20;

#[test]
fn every_engine_plays_every_callback_and_leaves_no_grain_out() {
    for scenario in [Scenario::Quiet, Scenario::Loader, Scenario::LateTouch] {
        // It checks that all sound the same.
        let run = play(scenario, CALLBACKS);
        assert_eq!(run.engines.len(), Engine::ALL.len());
        for figures in run.engines {
            assert_eq!((figures.callbacks, figures.refused), (CALLBACKS, 0), "{:?}", figures.engine);
        }
    }
}
