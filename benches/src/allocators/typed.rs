//! Typed pools: one for each power of two, 16 B to 16 KiB. Which one serves a layout is found outside of what is
//! measured, as the type does it in a program.

use super::{Calls, Room, Subject};
use core::{alloc::Layout, any::Any, mem::MaybeUninit, ptr, ptr::NonNull};
use detalloc::Pool;
use std::{rc::Rc, thread};

/// What a pool holds: so many bytes.
#[repr(C, align(16))]
struct Block<const BYTES: usize>([MaybeUninit<u8>; BYTES]);

/// The block sizes are 16 bytes doubled so many times.
struct Typed {
    calls: Vec<Calls>,
    /// What the calls go to.
    _pools: Vec<Rc<dyn Any>>,
}

/// The pools, each with as many free blocks as all pools of the room together whose blocks have this size or more than half
/// of it.
pub(super) fn pools(room: &Room) -> Box<dyn Subject> {
    let pools: [(Calls, Rc<dyn Any>); 11] = [
        pool::<16, 2048>(room),
        pool::<32, 2048>(room),
        pool::<64, 2048>(room),
        pool::<128, 2048>(room),
        pool::<256, 2048>(room),
        pool::<512, 2048>(room),
        pool::<1024, 2048>(room),
        pool::<2048, 1024>(room),
        pool::<4096, 1024>(room),
        pool::<8192, 1024>(room),
        pool::<16_384, 1024>(room),
    ];
    let (calls, pools) = pools.into_iter().unzip();
    Box::new(Typed { calls, _pools: pools })
}

// SAFETY: the two functions of each pool are those of its type, and its slots are no smaller than what it serves.
unsafe impl Subject for Typed {
    fn calls(&mut self, layout: Layout) -> Calls {
        let doubled = layout.size().next_power_of_two().trailing_zeros().saturating_sub(4);
        self.calls[usize::try_from(doubled).unwrap_or(usize::MAX)]
    }
}

fn pool<const BYTES: usize, const N: usize>(room: &Room) -> (Calls, Rc<dyn Any>) {
    // A pool is made on the stack.
    let make = || Box::new(Pool::<Block<BYTES>, N>::new());
    let maker = thread::Builder::new().stack_size(256 << 20).spawn(make).expect("memory for a stack");
    let pool = Rc::<Pool<Block<BYTES>, N>>::from(maker.join().expect("nothing that panics"));
    let own = |bytes: usize| bytes <= BYTES && bytes > if BYTES == 16 { 0 } else { BYTES / 2 };
    let blocks: usize = room.config.pools().iter().filter(|it| own(it.block_bytes)).map(|it| it.blocks).sum();
    for _ in blocks.min(N)..N {
        pool.allocate();
    }
    let allocator = Rc::as_ptr(&pool).cast_mut().cast();
    (Calls { allocator, allocate: allocate::<BYTES, N>, free: free::<BYTES, N> }, pool)
}

/// # Safety
/// The allocator is such a pool.
#[inline(never)]
unsafe extern "C-unwind" fn allocate<const BYTES: usize, const N: usize>(
    pool: *mut (),
    _: *mut u8,
    _: usize,
    _: usize,
) -> *mut u8 {
    // SAFETY: the caller's promise.
    let pool = unsafe { &*pool.cast::<Pool<Block<BYTES>, N>>() };
    pool.allocate().map_or(ptr::null_mut(), NonNull::as_ptr).cast()
}

/// # Safety
/// The allocator is such a pool, and the block is one of its slots and taken.
#[inline(never)]
unsafe extern "C-unwind" fn free<const BYTES: usize, const N: usize>(
    pool: *mut (),
    block: *mut u8,
    _: usize,
    _: usize,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let pool = &*pool.cast::<Pool<Block<BYTES>, N>>();
        pool.free(NonNull::new_unchecked(block).cast());
    }
}
