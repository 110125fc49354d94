//! A program that counts the instructions per allocate and free: the least and the most over a history of all sizes, and on the path of a class that
//! has run dry. What is counted is the operation's function whole, its return included; loading its arguments is not. It is
//! a program of its own so that nothing else calls the allocator, and the compiler puts it into those two functions as into
//! any caller's.
#![no_std]
#![no_main]

mod clock;
mod operations;
mod start;

use crate::{
    clock::Clock,
    operations::{operation_allocate, operation_free},
};
use core::{alloc::Layout, arch::naked_asm, hint::black_box, mem::MaybeUninit};
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

/// An operation that only returns.
///
/// # Safety
/// None is needed: it touches nothing.
#[unsafe(naked)]
unsafe extern "C" fn nothing(_heap: &mut Heap<'_>, _bytes: usize, _align: usize) {
    #[cfg(target_arch = "arm")]
    naked_asm!("bx lr");
    #[cfg(target_arch = "riscv32")]
    naked_asm!("ret");
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
    let clock = Clock::start();
    let Ok(mut heap) = Heap::new(region, &CONFIG) else { return false };
    let (mut short, mut dry, mut free) = (Range::EMPTY, Range::EMPTY, Range::EMPTY);
    // What calling costs, the return included.
    let (bytes, align) = black_box((8, 8));
    let owner = black_box(&mut heap);
    // SAFETY: it only returns.
    let (call, ()) = clock.instructions(|| unsafe { nothing(owner, bytes, align) });
    let of_operation = |count: u32| (count + 1).saturating_sub(call);
    let mut sizes = 1_u32;
    let mut blocks = [None; 48];
    for _ in 0..400 {
        sizes = sizes.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let slot = (sizes >> 20) as usize % blocks.len();
        let size = 1 + (sizes >> 8) as usize % 256;
        if let Some(block) = blocks[slot].take() {
            let (owner, block) = black_box((&mut heap, block));
            // SAFETY: the slot held the block's only pointer.
            let (count, freed) = clock.instructions(|| unsafe { operation_free(owner, block) });
            if freed.is_err() {
                return false;
            }
            free.add(of_operation(count));
        } else {
            let Ok(layout) = Layout::from_size_align(size, 8) else { return false };
            let borrowed = |heap: &Heap<'_>| {
                let stats = heap.meter().snapshot();
                stats.pools().iter().map(|pool| pool.borrowed + pool.refused).sum::<usize>()
            };
            let before = borrowed(&heap);
            let (owner, layout) = black_box((&mut heap, layout));
            let (count, block) = clock.instructions(|| operation_allocate(owner, layout));
            let range = if borrowed(&heap) == before { &mut short } else { &mut dry };
            range.add(of_operation(count));
            blocks[slot] = block;
        }
    }
    for (name, range) in [("allocate", short), ("allocate-dry", dry), ("free", free)] {
        println!("instructions {name} {} {}", range.least, range.most);
    }
    let blocks: usize = CONFIG.pools().iter().map(|pool| pool.blocks * pool.block_bytes).sum();
    println!("embedded {} pools {} blocks-bytes {}", CONFIG.bytes_needed(), CONFIG.pools().len(), blocks);
    true
}
