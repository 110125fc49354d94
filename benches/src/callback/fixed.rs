//! The control: a place for every grain, made and written to before the first callback. It allocates and frees nothing.

use super::{
    memory::{Memory, Samples},
    score::Score,
};
use crate::allocators;
use std::{cell::Cell, mem, rc::Rc};

/// Where the memory of a slot is while no grain has it.
type Place = Rc<Cell<Vec<f32>>>;

/// A place for each slot, as large as the largest grain of that slot.
pub(super) struct Fixed(Vec<Place>);

impl Fixed {
    pub(super) fn new(score: &Score) -> Self {
        let place = |samples| {
            // Ones: zeroes would come from the system untouched.
            let mut place = vec![1.0; samples];
            place.clear();
            Rc::new(Cell::new(place))
        };
        Self(score.largest_of_each_slot().into_iter().map(place).collect())
    }
}

/// A place that a grain has taken.
pub(super) struct Taken {
    samples: Vec<f32>,
    place: Place,
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.samples.clear();
        self.place.set(mem::take(&mut self.samples));
    }
}

impl Samples for Taken {
    fn append(&mut self, samples: &[f32]) {
        self.samples.extend_from_slice(samples);
    }

    fn samples(&self) -> &[f32] {
        &self.samples
    }
}

impl Memory for Fixed {
    type Block = Taken;
    type Scope<'s> = Vec<Place>;
    type Loaded = Vec<u8>;
    const FREES_LOADED: bool = false;

    fn callback<R>(&mut self, run: impl FnOnce(&Vec<Place>) -> R) -> R {
        run(&self.0)
    }

    fn allocate(places: &Vec<Place>, slot: usize, _: usize) -> Option<Taken> {
        let place = places.get(slot)?;
        Some(Taken { samples: place.take(), place: Rc::clone(place) })
    }

    fn loader(&self) -> impl Fn(usize) -> Vec<u8> + Send + 'static {
        |bytes| vec![1; bytes]
    }

    fn releaser(&self) -> fn() {
        allocators::trim
    }
}
