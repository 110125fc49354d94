//! ThreadSanitizer sees a race where there is one, so that its silence about the other tests says something: built with
//!
//! ```text
//! RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=thread --cfg tsan" \
//! cargo test -Zbuild-std --target x86_64-unknown-linux-gnu -p detalloc --test races
//! ```
//!
//! It does not know what fences do. So what leans on them, such as the counts of `basedrop`, is left to the models under loom.
#![cfg(tsan)]

use core::{alloc::Layout, mem::MaybeUninit, ptr::NonNull};
use detalloc::{Allocate, Config, Heap, PoolConfig};
use std::{process::Command, thread};

/// What its runtime ends a process with when it has found something.
const FOUND: i32 = 66;

/// It finds most races, not every one each time: of this one, about four in five.
const ROUNDS: usize = 32;

/// A block that two threads write, one after the other; nothing but the heap orders them, or nothing at all.
fn hand_over(through_the_heap: bool) {
    let config = Config::new(&[PoolConfig::new(64, 1)]).unwrap();
    let mut region = vec![MaybeUninit::uninit(); config.bytes_needed()];
    let mut heap = Heap::new(&mut region, &config).unwrap();
    let layout = Layout::new::<[u64; 8]>();
    let block = heap.allocate(layout).unwrap();
    let remote = heap.remote();
    let address = block.as_ptr().expose_provenance();
    thread::scope(|scope| {
        scope.spawn(move || {
            let block = NonNull::new(core::ptr::with_exposed_provenance_mut::<u64>(address)).unwrap();
            // SAFETY: the block is live, and this thread frees it after its last write; in the other case the race is what is
            // to be found.
            unsafe {
                block.write(1);
                if through_the_heap {
                    remote.free(block.cast()).unwrap();
                }
            }
        });
        if through_the_heap {
            let again = loop {
                if let Ok(block) = heap.allocate(layout) {
                    break block;
                }
            };
            // SAFETY: a live block of this size.
            unsafe { again.cast::<u64>().write(2) };
        } else {
            // SAFETY: as above.
            unsafe { block.cast::<u64>().write(2) };
        }
    });
}

#[test]
#[ignore = "what the children run"]
fn session() {
    if let Ok(session) = std::env::var("SESSION") {
        (0..ROUNDS).for_each(|_| hand_over(session == "heap"));
    }
}

fn ends(session: &str) -> Option<i32> {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "session", "--ignored"]).env("SESSION", session);
    child.output().unwrap().status.code()
}

#[test]
fn a_race_is_found() {
    assert_eq!(ends("none"), Some(FOUND));
}

#[test]
fn a_block_that_comes_home_from_another_thread_is_none() {
    assert_eq!(ends("heap"), Some(0));
}
