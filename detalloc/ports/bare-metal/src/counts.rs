//! A program that counts the instructions per allocate and free: the least and the most over a history of all sizes, and on
//! the path of a class that has run dry. What is counted is the operation's function whole, its return included; loading its
//! arguments is not. It is a program of its own so that nothing else calls the allocator, and the compiler puts it into
//! those two functions as into any caller's.
#![no_std]
#![no_main]

mod clock;
mod operations;
mod start;

use crate::{
    clock::Clock,
    operations::{operation_allocate, operation_free},
};
use core::{
    alloc::Layout,
    mem::{MaybeUninit, transmute},
    ptr::{NonNull, null_mut, without_provenance_mut},
};
use detalloc::{Config, Heap, Preset};
use panic_halt as _;
use semihosting::{println, process};

/// The least and the most.
#[derive(Clone, Copy)]
struct Range {
    least: u32,
    most: u32,
}

impl Range {
    const EMPTY: Self = Self { least: u32::MAX, most: 0 };

    fn add(&mut self, count: u32) {
        self.least = self.least.min(count);
        self.most = self.most.max(count);
    }
}

/// The shape whose operations are counted.
const CONFIG: Config = Preset::Embedded.config();

static mut REGION: [MaybeUninit<u8>; CONFIG.bytes_needed()] = [MaybeUninit::uninit(); CONFIG.bytes_needed()];

fn main() -> ! {
    let region = &raw mut REGION;
    // SAFETY: called once, and nothing else names the static.
    let well = count(unsafe { &mut *region });
    println!("{}", if well { "all well" } else { "not well" });
    process::exit(i32::from(!well));
}

/// Counts and prints.
fn count(region: &mut [MaybeUninit<u8>]) -> bool {
    let (Some(clock), Ok(mut heap)) = (Clock::start(), Heap::new(region, &CONFIG)) else {
        println!("FAILED the clock goes by the instructions, and there is a heap");
        return false;
    };
    let counted = count_with(&clock, &mut heap);
    if counted.is_none() {
        println!("FAILED a count is a whole number of instructions, and what was counted did what it is for");
    }
    let Some([short, dry, free]) = counted else { return false };
    for (name, range) in [("allocate", short), ("allocate-dry", dry), ("free", free)] {
        println!("instructions {name} {} {}", range.least, range.most);
    }
    let blocks: usize = CONFIG.pools().iter().map(|pool| pool.blocks * pool.block_bytes).sum();
    println!("embedded {} pools {} blocks-bytes {}", CONFIG.bytes_needed(), CONFIG.pools().len(), blocks);
    true
}

/// Of allocations whose class has a block, of those whose class has run dry, and of frees.
fn count_with(clock: &Clock, heap: &mut Heap<'_>) -> Option<[Range; 3]> {
    let (mut short, mut dry, mut free) = (Range::EMPTY, Range::EMPTY, Range::EMPTY);
    let mut sizes = 1_u32;
    let mut blocks: [Option<NonNull<u8>>; 48] = [None; 48];
    for _ in 0..400 {
        sizes = sizes.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let slot = (sizes >> 20) as usize % blocks.len();
        let size = 1 + (sizes >> 8) as usize % 256;
        let owner = (&raw mut *heap).cast::<u8>();
        if let Some(block) = blocks[slot].take() {
            let function = operation_free as *const ();
            // SAFETY: the heap and a block of it, to which the slot held the only pointer.
            let (count, _) = unsafe { clock.instructions(function, [owner, block.as_ptr(), null_mut()]) };
            free.add(count?);
        } else {
            let layout = Layout::from_size_align(size, 8).ok()?;
            // SAFETY: it has two words, which are integers.
            let [first, second] = unsafe { transmute::<Layout, [usize; 2]>(layout) };
            let arguments = [owner, without_provenance_mut(first), without_provenance_mut(second)];
            let before = borrowed(heap);
            // SAFETY: the heap and a layout.
            let (count, block) = unsafe { clock.instructions(operation_allocate as *const (), arguments) };
            let range = if borrowed(heap) == before { &mut short } else { &mut dry };
            range.add(count?);
            blocks[slot] = NonNull::new(block);
        }
    }
    let is_well = heap.live_blocks() == blocks.iter().flatten().count() && heap.validate().is_ok();
    is_well.then_some([short, dry, free])
}

/// How many allocations found their class dry.
fn borrowed(heap: &Heap<'_>) -> usize {
    let stats = heap.meter().snapshot();
    stats.pools().iter().map(|pool| pool.borrowed + pool.refused).sum()
}
