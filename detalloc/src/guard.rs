//! Guards: a layer over a heap that finds writes past the end of a block and writes to free blocks.
//!
//! Behind the bytes that were asked for, every live block carries canaries ([`CANARY`]) and, at its very end, the
//! size and a seal over it. A free block is filled with [`FREED`] and sealed too, and a block that was just allocated
//! is filled with [`ALLOCATED`], so that nobody relies on what a block held before. Canaries are checked when a block
//! comes back, and free blocks when they are handed out again: then every byte of them must be what it was left as.
//! Under AddressSanitizer and Valgrind a bad access is reported at once, with its stack: build with
//! `RUSTFLAGS="-Zsanitizer=address --cfg asan"`, or with the feature `valgrind`.
//!
//! A guard touches every byte of a block with each operation, so the time is linear in the block size: it is for debug
//! builds and tests, which [`DebugGuarded`] and [`Config::with_debug_guards`] make a matter of one name. It sees no
//! reads (the sanitizers do), no write that skips all of a block's guard and lands in a live neighbour, and nothing in
//! front of a block but through the guard of the block before.
//!
//! Blocks that other threads free through [`Heap::remote`](crate::Heap::remote) come home behind the guard's back. They are not filled,
//! their canaries are checked when they are handed out again, and until then a sanitizer takes them for live.
//!
//! Invariants that the unsafe code leans on:
//!
//! - **(G1)** Every byte of a free block, and every byte of a live one behind the size that was asked for, is
//!   initialised and touched by the guard alone: [`Guarded::new`] cleared the region, or the caller of
//!   [`Guarded::over`] promised it, and since then the guard has filled whole blocks.
//! - **(G2)** The guard reaches them by the provenance of the heap's own pointer, exposed at allocation, because the
//!   caller's may cover no more than was asked for.

mod block;

use self::block::{Block, OVERHEAD_BYTES};
use crate::{
    allocate::Allocate,
    class::{MAX_BLOCK_BYTES, block_bytes_for},
    config::{Config, MAX_POOLS, PoolConfig},
    error::{AllocError, FreeError, InitError, ResizeError, StillLive},
    heap::Heap,
    plan::MAX_ALIGN_BYTES,
    sanitizer,
};
use core::{alloc::Layout, error, fmt, mem::MaybeUninit, ops::Deref, ptr::NonNull};

/// What fills a block that was just allocated.
pub const ALLOCATED: u8 = 0xCD;

/// What fills a live block from the size that was asked for to its seal: eight bytes or more.
pub const CANARY: u8 = 0xFD;

/// What fills a block that was freed.
pub const FREED: u8 = 0xDD;

/// [`Guarded`] in debug builds, and the heap itself in release builds. `DebugGuarded::<Heap>::new` is there in both.
#[cfg(debug_assertions)]
pub type DebugGuarded<H> = Guarded<H>;

/// [`Guarded`] in debug builds, and the heap itself in release builds. `DebugGuarded::<Heap>::new` is there in both.
#[cfg(not(debug_assertions))]
pub type DebugGuarded<H> = H;

/// What somebody did to memory that was not theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    /// Wrote past the end of a live block.
    Overrun {
        /// What was asked for, in bytes; nothing if that was overwritten as well.
        requested_bytes: Option<usize>,
    },
    /// Wrote to a block that was free: after it was freed, or past the end of the block before it. Or destroyed the seal
    /// of a live block that another thread then freed.
    WriteToFree,
}

/// One finding of a guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damage {
    /// What was done.
    pub harm: Harm,
    /// Where the block begins.
    pub block_addr: usize,
    /// The first byte of the block that is not what it was left as.
    pub at_bytes: usize,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { harm, block_addr, at_bytes } = self;
        match harm {
            Harm::Overrun { requested_bytes: Some(requested) } => {
                write!(
                    f,
                    "byte {at_bytes} of the block at {block_addr:#x} was written; it was asked for {requested}"
                )
            }
            Harm::Overrun { requested_bytes: None } => {
                write!(
                    f,
                    "the end of the block at {block_addr:#x} was overwritten, byte {at_bytes} and maybe before"
                )
            }
            Harm::WriteToFree => {
                write!(f, "byte {at_bytes} of the block at {block_addr:#x} was written while free")
            }
        }
    }
}

impl error::Error for Damage {}

/// A heap with guards on every block; see the [module](self).
///
/// It gives access to what the heap underneath can do by reference. [`Allocate::usable_bytes`] is exactly the size
/// that was asked for.
///
/// ```
/// use core::{alloc::Layout, mem::MaybeUninit};
/// use detalloc::{Allocate, Config, FreeError, Heap, PoolConfig, guard::Guarded};
///
/// const CONFIG: Config = Config::constant(&[PoolConfig::new(64, 8)]).with_guards();
/// let mut region = [MaybeUninit::uninit(); CONFIG.bytes_needed()];
/// let mut heap = Guarded::<Heap>::new(&mut region, &CONFIG)?;
///
/// let block = heap.allocate(Layout::new::<[u8; 40]>())?;
/// // SAFETY: in the block, but the bug is on purpose: index 40 of 40.
/// unsafe { block.add(40).write(1) };
/// // SAFETY: nothing uses the block after this.
/// assert_eq!(unsafe { heap.free(block) }, Err(FreeError::Overrun { at_bytes: 40 }));
/// assert_eq!(heap.damages(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Guarded<H> {
    heap: H,
    first: Option<Damage>,
    damages: usize,
    closed: sanitizer::Closed,
}

impl<'r> Guarded<Heap<'r>> {
    /// Sets up a heap as [`Heap::new`] does, in a region that it clears first. Blocks need room for their guards:
    /// see [`Config::with_guards`].
    ///
    /// # Errors
    /// As [`Heap::new`].
    ///
    /// # Time complexity
    /// Linear in the size of the region. Not for real-time paths.
    pub fn new(region: &'r mut [MaybeUninit<u8>], config: &Config) -> Result<Self, InitError> {
        region.fill(MaybeUninit::new(0));
        let heap = Heap::new(region, config)?;
        // SAFETY: the region was cleared; the heap is new, the only one there, and leaves free blocks alone.
        Ok(unsafe { Self::over(heap) })
    }

    /// Takes over blocks that other threads have freed, as [`Heap::adopt_remote_frees`].
    ///
    /// # Time complexity
    /// Linear in `groups`.
    pub fn adopt_remote_frees(&mut self, groups: usize) -> usize {
        self.heap.adopt_remote_frees(groups)
    }

    /// Takes every block back at once, as [`Heap::reset`]. Guards are checked when the blocks are handed out again, as
    /// those of blocks that other threads have freed.
    ///
    /// # Time complexity
    /// As underneath.
    ///
    /// # Safety
    /// As underneath.
    pub unsafe fn reset(&mut self) {
        // SAFETY: the caller's promise is the same.
        unsafe { self.heap.reset() }
    }

    /// Ends the heap and says whether anything was still in use, as [`Heap::destroy`].
    ///
    /// # Errors
    /// As underneath.
    ///
    /// # Time complexity
    /// As underneath.
    pub fn destroy(self) -> Result<(), StillLive> {
        self.heap.destroy()
    }
}

impl<H: Allocate> Guarded<H> {
    /// Guards a heap of any kind.
    ///
    /// # Safety
    /// No block of `heap` is live, and every byte of every block is initialised. As long as the guard exists, nothing
    /// else allocates from the heap, the heap leaves what lies in free blocks alone, and its answer to
    /// [`Allocate::usable_bytes`] for a block stays the same. (Bytes should be zero: others are taken for damage.)
    pub unsafe fn over(heap: H) -> Self {
        Self { heap, first: None, damages: 0, closed: sanitizer::Closed::new() }
    }

    /// Checks the guards of a live block. What it finds is not counted.
    ///
    /// # Errors
    /// [`FreeError::Overrun`] if and only if the guards are damaged; otherwise as [`Allocate::free`].
    ///
    /// # Time complexity
    /// Linear in the block size.
    pub fn check(&self, block: NonNull<u8>) -> Result<(), FreeError> {
        self.usable_bytes(block).map(|_| ())
    }

    /// The first damage that was found, if any.
    #[must_use]
    pub fn damage(&self) -> Option<Damage> {
        self.first
    }

    /// How often damage was found; a block that is refused again and again counts every time.
    #[must_use]
    pub fn damages(&self) -> usize {
        self.damages
    }

    fn note(&mut self, damage: Damage) -> FreeError {
        self.first.get_or_insert(damage);
        self.damages = self.damages.saturating_add(1);
        FreeError::Overrun { at_bytes: damage.at_bytes }
    }

    fn find(&self, block: NonNull<u8>) -> Result<Block, FreeError> {
        let usable = self.heap.usable_bytes(block)?;
        // SAFETY: a live block begins here, and all live blocks were allocated through the guard.
        Ok(unsafe { Block::found(block, usable) })
    }
}

// SAFETY: a block of the heap underneath that is as aligned and larger, whose first bytes the caller gets.
unsafe impl<H: Allocate> Allocate for Guarded<H> {
    /// As underneath, for a layout with room for the guards. Damage that is found in the block is noted, and the block
    /// is handed out.
    ///
    /// # Errors
    /// As underneath.
    ///
    /// # Time complexity
    /// Linear in the block size.
    fn allocate(&mut self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        let unsupported = AllocError::Unsupported { size_bytes: layout.size(), align_bytes: layout.align() };
        // A layout's size is at most `isize::MAX`.
        let needed = layout.size() + OVERHEAD_BYTES;
        let guarded = Layout::from_size_align(needed, layout.align()).map_err(|_| unsupported)?;
        let start = self.heap.allocate(guarded).map_err(|error| match error {
            AllocError::Unsupported { .. } => unsupported,
            other => other,
        })?;
        let usable = self.heap.usable_bytes(start).ok().filter(|&usable| usable >= needed);
        let usable = usable.ok_or(AllocError::Corrupt)?;
        // SAFETY: the heap has just allocated it, with room for the guards.
        let block = unsafe { Block::allocated(start, usable) };
        self.closed.include(block.addr(), usable);
        if let Err(damage) = block.check_free() {
            self.note(damage);
        }
        block.lay_live(layout.size());
        Ok(start)
    }

    /// As underneath. A block with damaged guards is refused and stays live, so that it can be looked at.
    ///
    /// # Errors
    /// [`FreeError::Overrun`] if and only if the block is live and its guards are damaged; otherwise as underneath.
    ///
    /// # Time complexity
    /// Linear in the block size.
    unsafe fn free(&mut self, block: NonNull<u8>) -> Result<(), FreeError> {
        let found = self.find(block).inspect_err(|error| {
            if *error == FreeError::DoubleFree {
                sanitizer::freed_twice(block.as_ptr().addr());
            }
        })?;
        let requested = found.check_live().map_err(|damage| self.note(damage))?;
        // SAFETY: the caller's promise is the same.
        unsafe { self.heap.free(found.start())? };
        found.lay_freed(requested);
        Ok(())
    }

    /// How many bytes were asked for: not one more may be used.
    ///
    /// # Errors
    /// As [`Guarded::check`].
    ///
    /// # Time complexity
    /// Linear in the block size.
    fn usable_bytes(&self, block: NonNull<u8>) -> Result<usize, FreeError> {
        self.find(block)?.check_live().map_err(|damage| FreeError::Overrun { at_bytes: damage.at_bytes })
    }

    unsafe fn reallocate(
        &mut self,
        block: NonNull<u8>,
        layout: Layout,
        new_bytes: usize,
    ) -> Result<NonNull<u8>, ResizeError> {
        let found = self.find(block).map_err(ResizeError::Block)?;
        let requested = found.check_live().map_err(|damage| ResizeError::Block(self.note(damage)))?;
        if found.has_room(new_bytes) {
            found.lay_resized(requested, new_bytes);
            return Ok(found.start());
        }
        let unsupported = AllocError::Unsupported { size_bytes: new_bytes, align_bytes: layout.align() };
        let larger = Layout::from_size_align(new_bytes, layout.align())
            .map_err(|_| ResizeError::Memory(unsupported))?;
        let moved = self.allocate(larger).map_err(ResizeError::Memory)?;
        // SAFETY: both blocks are live, they differ, and the new one is the larger.
        unsafe { found.start().copy_to_nonoverlapping(moved, requested) };
        // SAFETY: the caller gives the old block up.
        let freed = unsafe { self.free(found.start()) };
        debug_assert_eq!(freed, Ok::<_, FreeError>(()));
        Ok(moved)
    }
}

impl<H> Deref for Guarded<H> {
    type Target = H;

    /// What the heap underneath does by reference: statistics, validation, the handle for other threads.
    fn deref(&self) -> &H {
        &self.heap
    }
}

impl Config {
    /// As many blocks, each with room for its guards: for [`Guarded`]. A pool can still serve whatever it could, at the
    /// same alignment. But the borders between pools shift, so a request may meet the pool below its own, and when that
    /// is dry it has to borrow. (What would exceed the largest class or the address space stays as it was.)
    #[must_use]
    pub const fn with_guards(&self) -> Self {
        let mut pools = [PoolConfig::new(0, 0); MAX_POOLS];
        let (len, mut largest, mut pool) = (self.pools().len(), 0, 0);
        while pool < len {
            let PoolConfig { block_bytes, blocks } = self.pools()[pool];
            let natural = 1 << block_bytes.trailing_zeros();
            let align = if natural < MAX_ALIGN_BYTES { natural } else { MAX_ALIGN_BYTES };
            let mut guarded = block_bytes_for(block_bytes + OVERHEAD_BYTES, align);
            if guarded <= largest {
                guarded = block_bytes_for(largest + align, align);
            }
            if guarded > MAX_BLOCK_BYTES {
                return *self;
            }
            pools[pool] = PoolConfig::new(guarded, blocks);
            largest = guarded;
            pool += 1;
        }
        match Self::new(pools.split_at(len).0) {
            Ok(config) => config.with_borrow(self.borrow()),
            Err(_) => *self,
        }
    }

    /// [`Config::with_guards`] in debug builds, and as it is in release builds: for [`DebugGuarded`].
    #[must_use]
    pub const fn with_debug_guards(&self) -> Self {
        if cfg!(debug_assertions) { self.with_guards() } else { *self }
    }
}
