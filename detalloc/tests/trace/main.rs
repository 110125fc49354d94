//! What a recorder and a reader promise: nothing is changed, nothing is lost unsaid, and no bytes do harm.
//! With the feature `alloc`, what a replay promises.

#[path = "../common/random.rs"]
mod random;

mod hostile;
mod memory;
mod recording;
#[cfg(feature = "alloc")]
mod replaying;

use core::{alloc::Layout, mem::MaybeUninit, ptr::NonNull};
use detalloc::{
    Allocate, Config, Event, Heap, Observed, Observer, PoolConfig, ResizeError,
    trace::{BlockId, HEADER_BYTES, MAX_RECORD_BYTES, Record, Recorder, RecorderTooSmall, Trace, TraceError},
};
use random::Random;

const CONFIG: Config = Config::constant(&[
    PoolConfig::new(64, 300),
    PoolConfig::new(256, 200),
    PoolConfig::new(1024, 100),
    PoolConfig::new(4096, 40),
]);

fn region() -> Vec<MaybeUninit<u8>> {
    vec![MaybeUninit::uninit(); CONFIG.bytes_needed()]
}

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

/// A seeded history of operations of all kinds; some are refused. The answers are what the blocks' distances
/// from the start of the region were.
fn work(heap: &mut impl Allocate, start: usize, operations: usize) -> Vec<Option<usize>> {
    let mut random = Random(0x5EED);
    let mut live: Vec<(NonNull<u8>, Layout)> = Vec::new();
    let mut answers = Vec::new();
    for _ in 0..operations {
        let size = if random.below(50) == 0 { 5000 } else { 1 + random.below(4096) };
        if live.len() < 100 || random.below(5) < 2 {
            let layout = layout(size, 1 << random.below(8));
            let block = heap.allocate(layout).ok();
            live.extend(block.map(|block| (block, layout)));
            answers.push(block.map(|block| block.as_ptr().addr() - start));
        } else if random.below(4) == 0 {
            let index = random.below(live.len());
            let (block, old) = live[index];
            // SAFETY: the block is live and of this layout; only the result is used afterwards.
            let resized = unsafe { heap.reallocate(block, old, size) }.ok();
            if let Some(resized) = resized {
                live[index] = (resized, layout(size, old.align()));
            }
            answers.push(resized.map(|block| block.as_ptr().addr() - start));
        } else {
            let (block, layout) = live.swap_remove(random.below(live.len()));
            // SAFETY: the block is live, and not used afterwards.
            unsafe { if random.below(2) == 0 { heap.free(block) } else { heap.free_layout(block, layout) } }
                .unwrap();
        }
    }
    answers
}

/// The trace of such a history.
fn recorded(operations: usize) -> Vec<u8> {
    let (mut region, mut memory) = (region(), vec![0; 16 * operations + 100]);
    let heap = Heap::new(&mut region, &CONFIG).unwrap();
    let mut heap = Observed::new(heap, Recorder::new(&mut memory).unwrap());
    work(&mut heap, 0, operations);
    assert_eq!(heap.observer().lost(), 0);
    heap.observer().trace().to_vec()
}

/// The trace of these events.
fn trace_of(events: &[Event]) -> Vec<u8> {
    let mut memory = vec![0; HEADER_BYTES + MAX_RECORD_BYTES * events.len()];
    let mut recorder = Recorder::new(&mut memory).unwrap();
    events.iter().for_each(|event| recorder.observe((), event));
    recorder.into_trace().to_vec()
}

fn records(trace: &[u8]) -> Vec<Record> {
    Trace::parse(trace).unwrap().records().map(Result::unwrap).collect()
}

/// A block at an address that nobody looks at.
fn block(address: usize) -> NonNull<u8> {
    NonNull::new(core::ptr::without_provenance_mut(address)).unwrap()
}
