//! detalloc-audio: callbacks of two heaps, every kind of handle, dropped inside, outside, in another heap's callback and on
//! another thread; looks of the reaper; new budgets. Each block is accounted for, and each value is destroyed once.
//!
//! A task does the reaper's work, and the other thread does one thing at a time while this one waits: so the same bytes always do the
//! same. Nothing in a callback allocates, the model included.

mod handle;
mod model;
mod other;
mod recorded;

pub use recorded::run_recorded;

use crate::input::Input;
use core::{
    alloc::Layout,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};
use detalloc_audio::{AudioBudget, Foreign, ReapTask, Refusal, Rt, RtHeap, RtVec};
use handle::{Handle, KINDS, Kind, Made, Value};
use model::{Model, Where};
use std::sync::Arc;

/// The most handles that are held.
const MOST: usize = 512;

/// The most values that may be on their way by the lane of foreign ones.
const FOREIGN: usize = 64;

const SCRATCH_BYTES: usize = 1024;

/// Runs one input.
///
/// # Panics
/// If a block or a value is lost, there twice, or refused where there is room.
#[must_use]
pub fn run(data: &[u8]) -> u64 {
    play(data, |_| ())
}

/// Runs one input, and shows the run before its end. Afterwards nothing of it is left.
fn play(data: &[u8], at_end: impl FnOnce(&Run)) -> u64 {
    let mut input = Input::new(data);
    let kind = input.byte();
    let mut run = Run::new(&mut input, kind & 7 == 7);
    while !input.is_empty() {
        run.step(&mut input);
        run.check();
    }
    run.drop_all();
    at_end(&run);
    run.operations
}

struct Run {
    heaps: [RtHeap; 2],
    models: [Model; 2],
    held: Vec<Handle>,
    /// How many values with a destructor were made, and how many were destroyed.
    made: usize,
    dropped: Arc<AtomicUsize>,
    /// The reaper adds memory: then nothing is said of what is refused.
    tops_up: bool,
    operations: u64,
    tag: u64,
}

impl Run {
    fn new(input: &mut Input<'_>, tops_up: bool) -> Self {
        let mut run = Self {
            heaps: [const { RtHeap::reaped_by_task() }; 2],
            models: [Model::default(), Model::default()],
            held: Vec::with_capacity(MOST),
            made: 0,
            dropped: Arc::default(),
            tops_up,
            operations: 0,
            tag: 1,
        };
        // What others have left.
        ReapTask.run();
        other::start();
        for heap in 0..2 {
            run.reconfigure(heap, input);
        }
        run
    }

    fn budget(input: &mut Input<'_>, tops_up: bool) -> AudioBudget {
        let mut count = || usize::from(input.byte() % 16);
        // At most six pools of less than 64 blocks, so that a callback adopts all that has come home.
        let mut budget = AudioBudget::new(48_000.0, 64).objects::<u64>(1 + count());
        for (bytes, count) in [(32, count()), (64, count()), (320, count()), (1024, count())] {
            if count > 0 {
                budget = budget.slices::<u8>(bytes, count);
            }
        }
        budget = budget.foreign(2 * FOREIGN).scratch::<u8>(SCRATCH_BYTES);
        if tops_up { budget.top_up(64 << 10).low_water_percent(50) } else { budget }
    }

    fn reconfigure(&mut self, heap: usize, input: &mut Input<'_>) {
        let budget = Self::budget(input, self.tops_up);
        let before = self.heaps[heap].config().copied();
        self.heaps[heap].reconfigure(&budget).expect("a small budget");
        let config = *self.heaps[heap].config().expect("it has memory now");
        // Otherwise it was the same budget, and nothing has happened.
        if before != Some(config) {
            self.models[heap].renew(&config);
            if before.is_some() {
                self.looked();
            }
        }
    }

    fn looked(&mut self) {
        self.models.iter_mut().for_each(Model::look);
    }

    fn step(&mut self, input: &mut Input<'_>) {
        self.operations += 1;
        match input.byte() % 16 {
            0..=6 => self.callback(input),
            7 | 8 => self.drop_outside(input),
            9 | 10 => self.drop_on_the_other(input),
            11 => {
                ReapTask.run();
                self.looked();
            }
            12 => {
                other::look();
                self.looked();
            }
            13 => self.nowhere(),
            14 => self.callback_on_the_other(input),
            _ => {
                let heap = usize::from(input.byte() & 1);
                if input.one_in(4) {
                    self.reconfigure(heap, input);
                }
            }
        }
    }

    /// Where there is no memory, or another heap's callback, nothing is given out.
    fn nowhere(&mut self) {
        RtHeap::reaped_by_task().enter(|rt| {
            assert_eq!(rt.boxed(1_u64).unwrap_err().refusal, Refusal::Unconfigured);
        });
        let [one, two] = &mut self.heaps;
        one.enter(|_| two.enter(|rt| assert_eq!(rt.boxed(1_u64).unwrap_err().refusal, Refusal::Nested)));
        self.models[0].enter();
    }

    fn callback(&mut self, input: &mut Input<'_>) {
        let heap = usize::from(input.byte() & 1);
        let steps = input.byte() % 32;
        if self.models.iter().map(|model| model.foreign).sum::<usize>() + usize::from(steps) > FOREIGN {
            ReapTask.run();
            self.looked();
        }
        let mut taken = core::mem::take(&mut self.heaps[heap]);
        self.models[heap].enter();
        taken.enter(|rt| {
            let mut scratch = 0;
            for _ in 0..=steps {
                self.operations += 1;
                self.inside(heap, rt, &mut scratch, input);
            }
        });
        self.heaps[heap] = taken;
    }

    fn inside(&mut self, heap: usize, rt: &Rt<'_>, scratch: &mut usize, input: &mut Input<'_>) {
        match input.byte() % 16 {
            0..=7 => self.make(heap, rt, input),
            8..=11 => {
                if let Some(handle) = self.pick(input) {
                    self.drop_at(handle, Where::Inside(heap));
                }
            }
            12 => {
                if let Some(handle) = self.pick(input) {
                    self.gone(&handle, Where::Elsewhere);
                    other::drop(handle);
                }
            }
            13 => {
                self.made += 1;
                self.models[heap].foreign += 1;
                drop(Foreign::new(Value::new(self.tag, &self.dropped)));
            }
            14 => {
                let len = input.below(300);
                let begin = scratch.next_multiple_of(64);
                match rt.scratch::<u8>(len, 7) {
                    Ok(bytes) => {
                        assert!(begin + len <= SCRATCH_BYTES && bytes.iter().all(|&byte| byte == 7));
                        assert!(bytes.len() == len && bytes.as_ptr().addr().is_multiple_of(64));
                        bytes.fill(9);
                        *scratch = begin + len;
                    }
                    Err(refusal) => assert!(
                        begin + len > SCRATCH_BYTES && matches!(refusal, Refusal::Scratch(_)),
                        "{refusal}"
                    ),
                }
            }
            _ => self.look_around(heap, rt, input),
        }
    }

    fn look_around(&mut self, heap: usize, rt: &Rt<'_>, input: &mut Input<'_>) {
        let layout = Layout::from_size_align(input.below(1100), 8).expect("small");
        let pressure = rt.pressure(layout);
        if !self.tops_up {
            self.models[heap].check_pressure(layout, pressure.map(|left| (left.free_blocks, left.blocks)));
        }
        let clone = match self.held.get(input.below(self.held.len())) {
            Some(handle) if self.held.len() < MOST => handle.share(),
            _ => None,
        };
        self.held.extend(clone);
    }

    fn make(&mut self, heap: usize, rt: &Rt<'_>, input: &mut Input<'_>) {
        let kind = KINDS[input.below(KINDS.len())];
        let len = input.below(48);
        if self.held.len() == MOST {
            return;
        }
        self.tag += 1;
        let dropped = Arc::clone(&self.dropped);
        let (made, values) = Made::new(kind, rt, len, self.tag, &dropped);
        self.made += values;
        let model = &mut self.models[heap];
        let expected = model.allocate(kind.layout(len));
        match (made, expected) {
            (Ok(made), Some(pool)) => {
                self.held.push(Handle::new(made, self.tag, heap, model.generation, pool));
            }
            (Ok(made), None) if self.tops_up => {
                // In memory that the model knows nothing of.
                self.held.push(Handle::new(made, self.tag, heap, usize::MAX, 0));
                model.served_elsewhere();
            }
            (Err(Refusal::Pools(_)), None) => {}
            (Err(refusal), Some(_)) if self.tops_up => panic!("{kind:?} of {len}: {refusal}"),
            (made, expected) => {
                panic!("{kind:?} of {len}: {:?} where the model says {expected:?}", made.err());
            }
        }
    }

    fn pick(&mut self, input: &mut Input<'_>) -> Option<Handle> {
        let number = input.below(self.held.len());
        let handle = (number < self.held.len()).then(|| self.held.swap_remove(number))?;
        handle.check();
        Some(handle)
    }

    /// What the drop of a handle, which follows, means for its heap.
    fn gone(&mut self, handle: &Handle, place: Where) {
        if let Some(kind) = handle.is_last() {
            let of_this_heap = place == Where::Inside(handle.heap);
            if let (Where::Inside(heap), true, false) = (place, kind.has_destructor(), of_this_heap) {
                self.models[heap].foreign += 1;
            }
            let model = &mut self.models[handle.heap];
            if handle.generation == model.generation {
                model.dropped(handle.pool, kind.has_destructor(), place, of_this_heap);
            }
        }
    }

    fn drop_at(&mut self, handle: Handle, place: Where) {
        self.gone(&handle, place);
        drop(handle);
    }

    fn drop_outside(&mut self, input: &mut Input<'_>) {
        for _ in 0..=input.byte() % 8 {
            if let Some(handle) = self.pick(input) {
                self.operations += 1;
                self.drop_at(handle, Where::Elsewhere);
            }
        }
    }

    fn drop_on_the_other(&mut self, input: &mut Input<'_>) {
        for _ in 0..=input.byte() % 4 {
            if let Some(handle) = self.pick(input) {
                self.operations += 1;
                self.gone(&handle, Where::Elsewhere);
                other::drop(handle);
            }
        }
    }

    /// As hosts do: the next callback is on another thread.
    fn callback_on_the_other(&mut self, input: &mut Input<'_>) {
        let heap = usize::from(input.byte() & 1);
        if self.held.len() == MOST {
            return;
        }
        self.tag += 1;
        self.models[heap].enter();
        let (back, made) = other::callback(core::mem::take(&mut self.heaps[heap]), self.tag);
        self.heaps[heap] = back;
        let kind = Kind::Small;
        let expected = self.models[heap].allocate(kind.layout(0));
        let generation = self.models[heap].generation;
        match (made, expected) {
            (Some(made), Some(pool)) => self.held.push(Handle::new(made, self.tag, heap, generation, pool)),
            (Some(made), None) if self.tops_up => {
                self.held.push(Handle::new(made, self.tag, heap, usize::MAX, 0));
                self.models[heap].served_elsewhere();
            }
            (made, expected) => assert_eq!(made.is_some(), expected.is_some()),
        }
    }

    fn check(&self) {
        for (heap, model) in self.heaps.iter().zip(&self.models) {
            let snapshot = heap.meter().expect("it has memory").snapshot();
            assert_eq!((snapshot.abandoned, snapshot.carried, snapshot.violations), (0, 0, 0));
            assert_eq!(snapshot.refused, model.refused);
            assert_eq!(snapshot.callbacks.count, model.callbacks);
            if !self.tops_up {
                model.check(&snapshot);
            }
        }
        assert!(self.dropped.load(Relaxed) <= self.made);
    }

    /// Nothing is left of it but the memory.
    fn drop_all(&mut self) {
        while let Some(handle) = self.held.pop() {
            handle.check();
            self.drop_at(handle, Where::Elsewhere);
        }
        ReapTask.run();
        self.looked();
        self.check();
        assert_eq!(self.dropped.load(Relaxed), self.made, "every value is destroyed once");
        for (heap, model) in self.heaps.iter_mut().zip(&mut self.models) {
            heap.enter(|rt| drop::<Result<RtVec<u8>, _>>(rt.vec(100_000)));
            model.enter();
            model.refuse();
            // What comes home to memory that was added counts until that is wanted.
            let used_bytes = heap.meter().expect("it has memory").snapshot().used_bytes();
            assert!(used_bytes == 0 || self.tops_up, "{used_bytes} bytes are lost");
        }
    }
}
