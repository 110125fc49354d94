//! Every allocation of a program fails in turn, and it still ends in order.
#![cfg(feature = "fault-injection")]

use detalloc_audio::{AudioBudget, ReapTask, Refusal, Rt, RtBox, RtHeap, RtVec, Tailed};

#[cfg(debug_assertions)]
#[global_allocator]
static GLOBAL: detalloc_audio::AllocDisabler = detalloc_audio::AllocDisabler;

#[derive(Default)]
struct State {
    voices: RtVec<RtBox<String>>,
    grains: RtVec<RtBox<Tailed<u32, [f32]>>>,
}

/// Uses every kind of handle, and hands on the first refusal.
fn callback(rt: &Rt<'_>, state: &mut State, name: &mut String) -> Result<(), Refusal> {
    state.voices = rt.vec(4)?;
    state.grains = rt.vec(4)?;
    for n in 0..4 {
        match rt.boxed(core::mem::take(name)) {
            Ok(voice) => state.voices.try_push(voice).map_err(|refused| refused.refusal)?,
            Err(refused) => {
                // It would be freed here otherwise.
                *name = refused.value;
                return Err(refused.refusal);
            }
        }
        let grain = rt.tailed(n, 16, 0.0).map_err(|refused| refused.refusal)?;
        state.grains.try_push(grain).map_err(|refused| refused.refusal)?;
    }
    Ok(())
}

#[test]
fn every_allocation_in_turn_may_fail() {
    let budget = AudioBudget::new(48_000.0, 64)
        .objects::<String>(4)
        .slices::<RtBox<String>>(4, 1)
        .slices::<RtBox<Tailed<u32, [f32]>>>(4, 1)
        .tailed::<u32, f32>(16, 4);
    let mut failures = 0;
    for n in 0.. {
        let mut heap = RtHeap::reaped_by_task();
        heap.reconfigure(&budget).unwrap();
        heap.refuse_nth(Some(n));
        let (mut state, mut name) = (State::default(), String::from("a name on the system heap"));
        let result = heap.enter(|rt| callback(rt, &mut state, &mut name));
        heap.enter(|_| drop(core::mem::take(&mut state)));
        ReapTask.run();
        heap.enter(|_| ());
        let counts = heap.meter().unwrap().snapshot();
        assert_eq!(counts.used_bytes(), 0, "nothing is lost when allocation {n} fails");
        assert_eq!(counts.refused, usize::from(result.is_err()));
        if result.is_ok() {
            break;
        }
        failures += 1;
    }
    assert_eq!(failures, 10, "each of the allocations has failed once");
}
