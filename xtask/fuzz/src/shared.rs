//! Heaps that any thread may use: `SharedHeap` and `Spin`. Here one thread does, so that every step is known.

use crate::{
    heap::config,
    input::Input,
    model::Model,
    world::{World, drive, region},
};
use core::ptr::NonNull;
use detalloc::{FreeError, Heap, Meter, SharedHeap, Spin, Stats};

/// Runs one input.
///
/// # Panics
/// If the heap and the model disagree.
#[must_use]
pub fn run(data: &[u8]) -> u64 {
    let mut input = Input::new(data);
    let kind = input.byte();
    let config = config(&mut input, 0);
    let mut memory = Vec::new();
    let bytes = if kind & 1 == 0 { SharedHeap::bytes_needed(&config) } else { config.bytes_needed() };
    let region = region(&mut memory, bytes, usize::from(kind >> 4));
    let range = region.as_ptr_range();
    let range = range.start.addr()..range.end.addr();
    let mut model = Model::new(&config, true);
    if kind & 1 == 0 {
        let heap = SharedHeap::new(region, &config).expect("a region of `bytes_needed`");
        let operations = drive(&mut Shared(&heap), &mut model, range, &mut input);
        assert_eq!(heap.destroy(), Ok(()));
        operations
    } else {
        let heap = Heap::new(region, &config).expect("a region of `bytes_needed`");
        let meter = heap.meter();
        let spin = Spin::new(heap);
        let operations = drive(&mut Locked { heap: &spin, meter }, &mut model, range, &mut input);
        assert_eq!(spin.into_inner().destroy(), Ok(()));
        operations
    }
}

struct Shared<'h, 'r>(&'h SharedHeap<'r>);

impl<'h, 'r> World for Shared<'h, 'r> {
    type Heap = &'h SharedHeap<'r>;
    const IS_LOWEST_FIRST: bool = false;

    fn heap(&mut self) -> &mut Self::Heap {
        &mut self.0
    }

    unsafe fn free_remotely(&mut self, block: NonNull<u8>) -> Option<Result<(), FreeError>> {
        // SAFETY: the caller's promise.
        Some(unsafe { self.0.free(block) })
    }

    fn adopt(&mut self, _: usize) -> Option<usize> {
        None
    }

    fn stats(&self) -> Stats {
        self.0.snapshot()
    }

    fn check(&self, model: &Model) {
        assert_eq!(self.0.validate(), Ok(()));
        assert_eq!(self.0.live_blocks(), model.live_blocks());
    }
}

struct Locked<'h, 'r> {
    heap: &'h Spin<Heap<'r>>,
    meter: Meter<'r>,
}

impl<'h, 'r> World for Locked<'h, 'r> {
    type Heap = &'h Spin<Heap<'r>>;

    fn heap(&mut self) -> &mut Self::Heap {
        &mut self.heap
    }

    unsafe fn free_remotely(&mut self, _: NonNull<u8>) -> Option<Result<(), FreeError>> {
        None
    }

    fn adopt(&mut self, _: usize) -> Option<usize> {
        None
    }

    fn stats(&self) -> Stats {
        self.meter.snapshot()
    }

    fn check(&self, model: &Model) {
        assert_eq!(
            self.heap.lock(|heap| (heap.validate(), heap.live_blocks())),
            (Ok(()), model.live_blocks())
        );
    }
}
