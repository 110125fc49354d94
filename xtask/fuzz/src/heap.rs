//! The heap of one owner, in every way that it can be had: checked and unchecked, borrowing and not, behind [`Local`].

use crate::{
    input::Input,
    model::Model,
    world::{World, drive, region},
};
use core::{alloc::Layout, ptr::NonNull};
use detalloc::{Borrow, Config, FreeError, Heap, Local, Meter, PoolConfig, RemoteFree, Stats, class};

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
    let region = region(&mut memory, config.bytes_needed(), usize::from(kind >> 4));
    let range = region.as_ptr_range();
    let range = range.start.addr()..range.end.addr();
    let mut model = Model::new(&config, false);
    match kind % 4 {
        0 | 1 => {
            let heap = Heap::new(region, &config).expect("a region of `bytes_needed`");
            let operations = drive(&mut Owned::new(heap), &mut model, range, &mut input);
            operations + 1
        }
        2 => {
            // SAFETY: the world is not `IS_CHECKED`, so that only live blocks are freed.
            let heap = unsafe { Heap::unchecked(region, &config) }.expect("a region of `bytes_needed`");
            drive(&mut Owned::new(heap), &mut model, range, &mut input)
        }
        _ => {
            let heap = Heap::new(region, &config).expect("a region of `bytes_needed`");
            let (remote, meter) = (heap.remote(), heap.meter());
            let local = Local::new(heap);
            drive(&mut Behind { heap: &local, remote, meter }, &mut model, range, &mut input)
        }
    }
}

/// A few pools, most of them small enough to run dry; at least as large as that.
pub(crate) fn config(input: &mut Input<'_>, least_bytes: usize) -> Config {
    let kind = input.byte();
    let mut pools = Vec::new();
    let mut class = class::class_of(least_bytes.max(1), 1);
    for _ in 0..=kind % 6 {
        let choice = input.byte();
        class += usize::from(choice % 16);
        let bytes = class::class_bytes(class);
        if bytes > 16_384 {
            break;
        }
        let blocks = match choice >> 5 {
            0..=4 => 1 + usize::from(input.byte() % 8),
            5 => 1 + usize::from(input.byte()),
            6 if bytes <= 64 => 4090 + usize::from(input.byte()),
            _ => 60 + usize::from(input.byte() % 16),
        };
        pools.push(PoolConfig::new(bytes, blocks));
        class += 1;
    }
    if pools.is_empty() {
        pools.push(PoolConfig::new(class::class_bytes(class), 4));
    }
    let borrow = if kind & 0x40 == 0 { Borrow::Larger } else { Borrow::Never };
    Config::new(&pools).expect("pools that are possible").with_borrow(borrow)
}

struct Owned<'r, P: detalloc::Policy> {
    heap: Heap<'r, P>,
    remote: RemoteFree<'r>,
    meter: Meter<'r>,
}

impl<'r, P: detalloc::Policy> Owned<'r, P> {
    fn new(heap: Heap<'r, P>) -> Self {
        Self { remote: heap.remote(), meter: heap.meter(), heap }
    }
}

impl<'r, P: detalloc::Policy> World for Owned<'r, P> {
    type Heap = Heap<'r, P>;
    const IS_CHECKED: bool = P::CHECKED;
    const HAS_PEAKS: bool = P::COUNTED;

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

    fn allocate_ready(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        self.heap.prefetch(layout);
        self.heap.allocate_ready(layout)
    }

    fn stats(&self) -> Stats {
        self.meter.snapshot()
    }

    fn check(&self, model: &Model) {
        assert_eq!(self.heap.validate(), Ok(()));
        assert_eq!(self.heap.live_blocks(), model.live_blocks());
        for bytes in model.pools.iter().flat_map(|pool| [pool.block_bytes, pool.block_bytes + 1]) {
            let layout = Layout::from_size_align(bytes, 1).expect("small");
            let room = self.heap.room(layout).map(|room| (room.free_blocks, room.blocks));
            assert_eq!(room, model.room(layout), "room for {bytes} bytes");
        }
    }
}

/// Behind a layer that hands everything through.
struct Behind<'h, 'r, H> {
    heap: &'h H,
    remote: RemoteFree<'r>,
    meter: Meter<'r>,
}

impl<'h, 'r> World for Behind<'h, 'r, Local<Heap<'r>>> {
    type Heap = &'h Local<Heap<'r>>;

    fn heap(&mut self) -> &mut Self::Heap {
        &mut self.heap
    }

    unsafe fn free_remotely(&mut self, block: NonNull<u8>) -> Option<Result<(), FreeError>> {
        // SAFETY: the caller's promise.
        Some(unsafe { self.remote.free(block) })
    }

    fn adopt(&mut self, _: usize) -> Option<usize> {
        None
    }

    fn stats(&self) -> Stats {
        self.meter.snapshot()
    }

    fn check(&self, _: &Model) {
        assert_eq!(self.heap.with(|heap| heap.validate()), Some(Ok(())));
    }
}
