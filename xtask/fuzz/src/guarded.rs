//! Guards: whatever is written where nobody should is found, at the byte where it was written, and nothing else is.

use crate::{
    heap::config,
    input::Input,
    model::Model,
    world::{Block, World, drive, region},
};
use core::{alloc::Layout, ptr::NonNull};
use detalloc::{
    Allocate, FreeError, Heap, Meter, RemoteFree, Stats,
    guard::{ALLOCATED, CANARY, Guarded, Harm},
};

/// What the guard adds to every block, in bytes: eight canaries, size and seal.
const GUARD_BYTES: usize = 8 + 2 * size_of::<usize>();

/// Runs one input.
///
/// # Panics
/// If the guarded heap and the model disagree, or a guard finds what is not there or misses what is.
#[must_use]
pub fn run(data: &[u8]) -> u64 {
    let mut input = Input::new(data);
    let kind = input.byte();
    let config = config(&mut input, 2 * GUARD_BYTES);
    let mut memory = Vec::new();
    let region = region(&mut memory, config.bytes_needed(), usize::from(kind >> 4));
    let range = region.as_ptr_range();
    let range = range.start.addr()..range.end.addr();
    let mut model = Model::new(&config, false);
    let heap = Guarded::<Heap>::new(region, &config).expect("a region of `bytes_needed`");
    let (remote, meter) = (heap.remote(), heap.meter());
    let mut world = Watched { heap, remote, meter, damages: 0 };
    let operations = drive(&mut world, &mut model, range, &mut input);
    after_the_end(world.heap, &mut input) + operations
}

struct Watched<'r> {
    heap: Guarded<Heap<'r>>,
    remote: RemoteFree<'r>,
    meter: Meter<'r>,
    /// How often damage was found, as it should be.
    damages: usize,
}

impl<'r> World for Watched<'r> {
    type Heap = Guarded<Heap<'r>>;
    const OVERHEAD_BYTES: usize = GUARD_BYTES;

    fn heap(&mut self) -> &mut Self::Heap {
        &mut self.heap
    }

    unsafe fn free_remotely(&mut self, block: NonNull<u8>) -> Option<Result<(), FreeError>> {
        // SAFETY: the caller's promise.
        Some(unsafe { self.remote.free(block) })
    }

    fn adopt(&mut self, groups: usize) -> Option<usize> {
        Some(self.heap.adopt_remote_frees(groups))
    }

    unsafe fn reset(&mut self) -> bool {
        // SAFETY: the caller's promise, and there is no other thread.
        unsafe { self.heap.reset() };
        true
    }

    /// Writes past the end of a block, sees that it is found, and puts it back.
    fn own_operation(&mut self, input: &mut Input<'_>, block: Option<&Block>) {
        let Some(block) = block else { return };
        let past = block.layout.size() + usize::from(input.byte() % 8);
        let written = input.byte();
        // SAFETY: a canary of a live block, of which there are eight at least.
        unsafe { block.start.add(past).write(written) };
        let expected = if written == CANARY { Ok(()) } else { Err(FreeError::Overrun { at_bytes: past }) };
        assert_eq!(self.heap.check(block.start), expected);
        if expected.is_err() {
            // SAFETY: refused, as it is damaged, and live afterwards.
            assert_eq!(unsafe { self.heap.free(block.start) }, expected);
            self.damages += 1;
            assert_eq!(self.heap.usable_bytes(block.start).map(|_| ()), expected);
            // SAFETY: as above.
            unsafe { block.start.add(past).write(CANARY) };
        }
        assert_eq!(self.heap.check(block.start), Ok(()));
    }

    fn stats(&self) -> Stats {
        self.meter.snapshot()
    }

    fn check(&self, model: &Model) {
        assert_eq!(self.heap.validate(), Ok(()));
        assert_eq!(self.heap.live_blocks(), model.live_blocks());
        assert_eq!(self.heap.damages(), self.damages);
    }
}

/// A block that was freed is written to: the next one that gets it finds that.
fn after_the_end(mut heap: Guarded<Heap<'_>>, input: &mut Input<'_>) -> u64 {
    let layout = Layout::new::<u64>();
    // SAFETY: all blocks are at home.
    unsafe { heap.reset() };
    let Ok(block) = heap.allocate(layout) else { return 1 };
    // SAFETY: a new block of eight bytes, all written by the guard.
    assert_eq!(unsafe { block.cast::<[u8; 8]>().read() }, [ALLOCATED; 8]);
    // SAFETY: given up, but for the bug that is on purpose.
    assert_eq!(unsafe { heap.free(block) }, Ok(()));
    let (before, at) = (heap.damages(), usize::from(input.byte() % 8));
    // SAFETY: within the region, which nobody else uses.
    unsafe { block.add(at).write(0) };
    assert_eq!(heap.allocate(layout), Ok(block), "the lowest comes first");
    assert_eq!(heap.damages(), before + 1);
    if before == 0 {
        let damage = heap.damage().expect("it was found");
        let expected = (Harm::WriteToFree, block.as_ptr().addr(), at);
        assert_eq!((damage.harm, damage.block_addr, damage.at_bytes), expected);
    }
    4
}
