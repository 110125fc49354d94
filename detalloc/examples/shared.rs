//! Threads that allocate from one heap and free each other's blocks, without a lock:
//! `cargo run --release -p detalloc --example shared`.

use core::{alloc::Layout, mem::MaybeUninit, ptr::NonNull};
use detalloc::{Config, PoolConfig, SharedHeap};
use std::{sync::mpsc, thread};

const CONFIG: Config = Config::constant(&[PoolConfig::new(64, 64), PoolConfig::new(1024, 16)]);
const MESSAGES: usize = 10_000;

/// A message in a block of the heap; whoever has it owns the block.
struct Message(NonNull<usize>);

// SAFETY: the block is nobody else's, and the heap takes it back from any thread.
unsafe impl Send for Message {}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut region = vec![MaybeUninit::uninit(); SharedHeap::bytes_needed(&CONFIG)];
    let heap = SharedHeap::new(&mut region, &CONFIG)?;
    let (sender, receiver) = mpsc::sync_channel(100);
    let (refused, sum) = thread::scope(|scope| {
        let producers = [0, 1].map(|producer| {
            let (sender, heap) = (sender.clone(), &heap);
            scope.spawn(move || {
                let mut refused = 0;
                for number in (producer..MESSAGES).step_by(2) {
                    // A refusal is a value: here it is counted, and tried again once the receiver has run.
                    let block = loop {
                        match heap.allocate(Layout::new::<usize>()) {
                            Ok(block) => break block.cast(),
                            Err(_) => refused += 1,
                        }
                        thread::yield_now();
                    };
                    // SAFETY: the block is large and aligned enough, and nobody else's.
                    unsafe { block.write(number) };
                    sender.send(Message(block)).expect("the receiver outlives the senders");
                }
                refused
            })
        });
        drop(sender);
        let mut sum = 0;
        for Message(block) in receiver {
            // SAFETY: the sender wrote a number, and nothing uses the block afterwards.
            unsafe {
                sum += block.read();
                heap.free(block.cast()).expect("a live block of this heap");
            }
        }
        (producers.map(|producer| producer.join().expect("no panic")).iter().sum::<usize>(), sum)
    });
    assert_eq!(sum, MESSAGES * (MESSAGES - 1) / 2);
    println!("{MESSAGES} messages arrived, {refused} allocations had to be tried again");
    for pool in heap.snapshot().pools() {
        println!("{} bytes: at most {} of {} blocks live", pool.block_bytes, pool.peak, pool.blocks);
    }
    Ok(heap.destroy()?)
}
