//! A heap and its region as one value.
//!
//! The heap borrows the region for `'static`, which is longer than the region lives. So nothing that carries that
//! lifetime may get out:
//!
//! - **(O1)** The heap is used by value only through [`Allocate`], which has no lifetime, and is shown by reference only
//!   with the lifetime shortened to that of the borrow.
//! - **(O2)** The region is given back when the last [`HeapHandle`] is gone and the heap too, and it does not move.
//! - **(O3)** What borrows the region lies in a `MaybeUninit`, because a plain reference must not outlive what it
//!   points to even while it is being dropped or passed on.

use crate::{
    allocate::Allocate,
    config::Config,
    error::{AllocError, FreeError, InitError, ResizeError, StillLive},
    guard::Guarded,
    heap::Heap,
    remote_free::RemoteFree,
    stats::Meter,
};
use alloc::sync::Arc;
use core::{
    alloc::Layout,
    fmt,
    mem::{ManuallyDrop, MaybeUninit},
    ptr::{self, NonNull},
};

#[cfg(all(feature = "os", any(target_os = "linux", target_os = "macos", windows)))]
use super::MappedRegion;

/// A heap in memory of its own, from the global allocator.
///
/// ```
/// use core::alloc::Layout;
/// use detalloc::{Allocate, Config, PoolConfig, memory::OwnedHeap};
///
/// const CONFIG: Config = Config::constant(&[PoolConfig::new(64, 128)]);
///
/// let mut heap = OwnedHeap::new(&CONFIG)?;
/// let block = heap.allocate(Layout::new::<[f32; 12]>())?;
/// // A handle is no borrow: the heap stays usable, and the handle may outlive it.
/// let handle = heap.handle();
/// let address = block.as_ptr() as usize;
/// std::thread::spawn(move || {
///     let block = core::ptr::NonNull::new(address as *mut u8).unwrap();
///     // SAFETY: nothing uses the block after this.
///     unsafe { handle.remote().free(block) }
/// })
/// .join()
/// .unwrap()?;
/// assert_eq!(heap.adopt_remote_frees(1), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type OwnedHeap = Owned<Heap<'static>>;

/// A heap together with its region, which is given back when the heap and all its handles are gone: [`OwnedHeap`], or
/// `Owned<Guarded<Heap<'static>>>`, or `Owned<DebugGuarded<Heap<'static>>>`.
///
/// Setting up and dropping is not for real-time paths: both ask the system for memory or give it back.
pub struct Owned<H> {
    heap: MaybeUninit<H>,
    region: Arc<Region>,
}

impl<H: InRegion> Owned<H> {
    /// Sets up a heap in memory of the global allocator, and touches every page of it.
    ///
    /// # Errors
    /// [`InitError::OutOfMemory`] if and only if the global allocator refuses.
    ///
    /// # Time complexity
    /// Linear in the size of the region at worst. Not for real-time paths.
    pub fn new(config: &Config) -> Result<Self, InitError> {
        let layout = config.layout();
        let region = Region::allocate(layout).ok_or(InitError::OutOfMemory { needed: layout.size() })?;
        Self::build(region, config)
    }

    /// Sets up a heap in mapped memory.
    ///
    /// # Errors
    /// [`InitError::TooSmall`] if and only if the region ends before the configuration does; it is unmapped then.
    ///
    /// # Time complexity
    /// Linear in the size of the region at worst. Not for real-time paths.
    #[cfg(all(feature = "os", any(target_os = "linux", target_os = "macos", windows)))]
    pub fn in_mapped(mut region: MappedRegion, config: &Config) -> Result<Self, InitError> {
        let bytes = NonNull::from(&mut *region);
        Self::build(Region { bytes, memory: Memory::Mapped(region) }, config)
    }

    fn build(region: Region, config: &Config) -> Result<Self, InitError> {
        let mut bytes = region.bytes;
        // SAFETY: (O1, O2) nobody else uses the region, and the heap, which alone gets it, is dropped before it.
        let heap = H::build(unsafe { bytes.as_mut() }, config)?;
        Ok(Self { heap: MaybeUninit::new(heap), region: Arc::new(region) })
    }

    /// A handle for other threads. It keeps the region alive, and whoever drops the last one gives the region back.
    #[must_use]
    pub fn handle(&self) -> HeapHandle {
        let heap = self.get().base();
        HeapHandle {
            remote: MaybeUninit::new(heap.remote()),
            meter: MaybeUninit::new(heap.meter()),
            region: Arc::clone(&self.region),
        }
    }

    /// Takes over blocks that other threads have freed: see [`Heap::adopt_remote_frees`].
    ///
    /// # Time complexity
    /// Linear in `groups`.
    pub fn adopt_remote_frees(&mut self, groups: usize) -> usize {
        self.get_mut().adopt(groups)
    }

    /// Takes every block back at once: see [`Heap::reset`].
    ///
    /// # Time complexity
    /// As there.
    ///
    /// # Safety
    /// As there.
    pub unsafe fn reset(&mut self) {
        // SAFETY: the caller's promise is the same.
        unsafe { self.get_mut().reset() }
    }

    /// Ends the heap and says whether anything was still in use: see [`Heap::destroy`]. Dropping it does the same in
    /// silence.
    ///
    /// # Errors
    /// As there.
    ///
    /// # Time complexity
    /// As there. Not for real-time paths.
    pub fn destroy(self) -> Result<(), StillLive> {
        let this = ManuallyDrop::new(self);
        // SAFETY: both are read once and `this` is not dropped. The heap ends before the region is given back (O2).
        let (heap, _region) = unsafe { (this.heap.assume_init_read(), ptr::read(&this.region)) };
        heap.destroy()
    }
}

impl<H> Owned<H> {
    fn get(&self) -> &H {
        // SAFETY: it is initialised from `build` to `drop`.
        unsafe { self.heap.assume_init_ref() }
    }

    fn get_mut(&mut self) -> &mut H {
        // SAFETY: as above.
        unsafe { self.heap.assume_init_mut() }
    }

    /// How large the region is, in bytes.
    #[must_use]
    pub fn region_bytes(&self) -> usize {
        self.region.bytes.len()
    }
}

impl Owned<Heap<'static>> {
    /// The heap, to read: statistics, validation. What it gives lives as long as this borrow:
    ///
    /// ```compile_fail,E0505
    /// # use detalloc::{Config, PoolConfig, memory::OwnedHeap};
    /// # let heap = OwnedHeap::new(&Config::constant(&[PoolConfig::new(64, 8)])).unwrap();
    /// let meter = heap.heap().meter();
    /// drop(heap);
    /// meter.snapshot();
    /// ```
    #[must_use]
    pub fn heap(&self) -> &Heap<'_> {
        self.get()
    }
}

impl Owned<Guarded<Heap<'static>>> {
    /// The heap, to read: damage, statistics, validation. (The lifetime of what it gives is that of this borrow.)
    #[must_use]
    pub fn heap(&self) -> &Guarded<Heap<'_>> {
        self.get()
    }
}

// SAFETY: whatever the heap inside promises; its region lives as long as it does (O2).
unsafe impl<H: Allocate> Allocate for Owned<H> {
    #[inline]
    fn allocate(&mut self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        self.get_mut().allocate(layout)
    }

    #[inline]
    unsafe fn free(&mut self, block: NonNull<u8>) -> Result<(), FreeError> {
        // SAFETY: the caller's promise is the same.
        unsafe { self.get_mut().free(block) }
    }

    #[inline]
    unsafe fn free_layout(&mut self, block: NonNull<u8>, layout: Layout) -> Result<(), FreeError> {
        // SAFETY: the caller's promise is the same.
        unsafe { self.get_mut().free_layout(block, layout) }
    }

    #[inline]
    fn usable_bytes(&self, block: NonNull<u8>) -> Result<usize, FreeError> {
        self.get().usable_bytes(block)
    }

    #[inline]
    unsafe fn reallocate(
        &mut self,
        block: NonNull<u8>,
        layout: Layout,
        new_bytes: usize,
    ) -> Result<NonNull<u8>, ResizeError> {
        // SAFETY: the caller's promise is the same.
        unsafe { self.get_mut().reallocate(block, layout, new_bytes) }
    }
}

impl<H> Drop for Owned<H> {
    fn drop(&mut self) {
        // SAFETY: it is initialised, and used for the last time; the region is still there (O2).
        unsafe { self.heap.assume_init_drop() };
    }
}

impl<H> fmt::Debug for Owned<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Owned").field("region_bytes", &self.region_bytes()).finish_non_exhaustive()
    }
}

/// What other threads do with an [`Owned`] heap: free, and read its counts.
///
/// Copies are made with an atomic count, and dropping the last one after the heap itself gives memory back to the
/// system: leave both to threads that are not real-time, and hand real-time ones a reference.
#[derive(Clone)]
pub struct HeapHandle {
    remote: MaybeUninit<RemoteFree<'static>>,
    meter: MaybeUninit<Meter<'static>>,
    region: Arc<Region>,
}

impl HeapHandle {
    /// The handle with which any thread gives blocks back, even when their heap is gone.
    #[must_use]
    pub fn remote(&self) -> RemoteFree<'_> {
        // SAFETY: it was initialised; the lifetime is shortened to one for which the region is kept (O1, O2).
        unsafe { self.remote.assume_init() }
    }

    /// The handle with which any thread reads the counts.
    #[must_use]
    pub fn meter(&self) -> Meter<'_> {
        // SAFETY: as above.
        unsafe { self.meter.assume_init() }
    }
}

impl fmt::Debug for HeapHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeapHandle").field("region_bytes", &self.region.bytes.len()).finish_non_exhaustive()
    }
}

/// Memory that somebody has to give back.
struct Region {
    bytes: NonNull<[MaybeUninit<u8>]>,
    memory: Memory,
}

/// Whom it goes back to.
enum Memory {
    Global(Layout),
    #[cfg(all(feature = "os", any(target_os = "linux", target_os = "macos", windows)))]
    #[expect(dead_code, reason = "kept to be dropped")]
    Mapped(MappedRegion),
}

// SAFETY: memory belongs to no thread, and what lies in it is reached through the heap and its handles alone.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

impl Region {
    /// Memory of the global allocator, if it has some.
    fn allocate(layout: Layout) -> Option<Self> {
        // SAFETY: a region is never empty: it has a header.
        let start = NonNull::new(unsafe { alloc::alloc::alloc(layout) })?.cast();
        Some(Self {
            bytes: NonNull::slice_from_raw_parts(start, layout.size()),
            memory: Memory::Global(layout),
        })
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        match self.memory {
            // SAFETY: it was allocated with this layout, and whatever used it is gone (O2).
            Memory::Global(layout) => unsafe { alloc::alloc::dealloc(self.bytes.as_ptr().cast(), layout) },
            #[cfg(all(feature = "os", any(target_os = "linux", target_os = "macos", windows)))]
            Memory::Mapped(_) => {}
        }
    }
}

/// A heap that can be set up in a region: plain or guarded. Sealed.
pub trait InRegion: Allocate + Sized {
    /// Sets it up. It keeps the region to itself: what borrows it is reached through the heap alone.
    fn build(region: &'static mut [MaybeUninit<u8>], config: &Config) -> Result<Self, InitError>;
    /// The plain heap in it.
    fn base(&self) -> &Heap<'static>;
    /// [`Heap::adopt_remote_frees`].
    fn adopt(&mut self, groups: usize) -> usize;
    /// [`Heap::reset`].
    ///
    /// # Safety
    /// As there.
    unsafe fn reset(&mut self);
    /// [`Heap::destroy`].
    ///
    /// # Errors
    /// As there.
    fn destroy(self) -> Result<(), StillLive>;
}

impl InRegion for Heap<'static> {
    fn build(region: &'static mut [MaybeUninit<u8>], config: &Config) -> Result<Self, InitError> {
        Heap::new(region, config)
    }

    fn base(&self) -> &Heap<'static> {
        self
    }

    fn adopt(&mut self, groups: usize) -> usize {
        self.adopt_remote_frees(groups)
    }

    unsafe fn reset(&mut self) {
        // SAFETY: the caller's promise is the same. The inherent function, not this one.
        unsafe { Heap::reset(self) }
    }

    fn destroy(self) -> Result<(), StillLive> {
        Heap::destroy(self)
    }
}

impl InRegion for Guarded<Heap<'static>> {
    fn build(region: &'static mut [MaybeUninit<u8>], config: &Config) -> Result<Self, InitError> {
        Guarded::<Heap<'static>>::new(region, config)
    }

    fn base(&self) -> &Heap<'static> {
        self
    }

    fn adopt(&mut self, groups: usize) -> usize {
        self.adopt_remote_frees(groups)
    }

    unsafe fn reset(&mut self) {
        // SAFETY: the caller's promise is the same. The inherent function, not this one.
        unsafe { Guarded::<Heap<'static>>::reset(self) }
    }

    fn destroy(self) -> Result<(), StillLive> {
        Guarded::<Heap<'static>>::destroy(self)
    }
}
