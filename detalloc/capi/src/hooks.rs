//! Functions of the caller's: after every allocation and free, of all allocators.

use core::{
    ffi::c_void,
    mem, ptr,
    sync::atomic::{AtomicPtr, Ordering},
};

/// Hears of every allocation that was served: of the block, the size that was asked for, and the user data.
pub type det_alloc_hook_t =
    Option<unsafe extern "C" fn(block: *mut c_void, size: usize, userdata: *mut c_void)>;

/// Hears of every block that was taken back: of the block, which is free by now, and the user data.
pub type det_free_hook_t = Option<unsafe extern "C" fn(block: *mut c_void, userdata: *mut c_void)>;

/// A function and its user data. Function pointers are kept as data pointers, as C's `dlsym` does.
pub(crate) struct Slot {
    function: AtomicPtr<()>,
    userdata: AtomicPtr<c_void>,
}

impl Slot {
    const fn new() -> Self {
        Self { function: AtomicPtr::new(ptr::null_mut()), userdata: AtomicPtr::new(ptr::null_mut()) }
    }

    fn set(&self, function: *mut (), userdata: *mut c_void) {
        // So that nobody who sees the function sees older user data.
        self.userdata.store(userdata, Ordering::Relaxed);
        self.function.store(function, Ordering::Release);
    }

    #[inline]
    pub(crate) fn is_set(&self) -> bool {
        // Relaxed: nothing is reached by it.
        !self.function.load(Ordering::Relaxed).is_null()
    }

    /// The function and its user data, if there is one.
    #[inline]
    pub(crate) fn get(&self) -> Option<(*mut (), *mut c_void)> {
        let function = self.function.load(Ordering::Acquire);
        (!function.is_null()).then(|| (function, self.userdata.load(Ordering::Relaxed)))
    }
}

pub(crate) static ALLOCATED: Slot = Slot::new();
pub(crate) static FREED: Slot = Slot::new();

/// Calls the hook for allocations.
pub(crate) fn call_allocated(function: *mut (), block: *mut u8, size: usize, userdata: *mut c_void) {
    // SAFETY: `det_set_alloc_hook` made it of a function of this type.
    let hook: det_alloc_hook_t = unsafe { mem::transmute(function) };
    // SAFETY: C's promise when it set the hook.
    hook.into_iter().for_each(|hook| unsafe { hook(block.cast(), size, userdata) });
}

/// Calls the hook for frees.
pub(crate) fn call_freed(function: *mut (), block: *mut u8, userdata: *mut c_void) {
    // SAFETY: `det_set_free_hook` made it of a function of this type.
    let hook: det_free_hook_t = unsafe { mem::transmute(function) };
    // SAFETY: C's promise when it set the hook.
    hook.into_iter().for_each(|hook| unsafe { hook(block.cast(), userdata) });
}

/// Sets the function that is called after every allocation of every allocator, or none with NULL. It runs on the allocating
/// thread, adds its own time, and must return: not throw, and not jump out.
///
/// While a hook runs, no other of the same allocator is called, on any thread, and `det_alloc_destroy` of it is refused as
/// `DET_ERR_BUSY`. So is whatever needs its heap, to allocate, free, ask for a size, adopt or validate; but a
/// `thread_safe` allocator serves all that. `det_remote_free` and the statistics are served always, and so is what is
/// asked of another allocator.
///
/// @param hook The function, or NULL.
/// @param userdata What the hook gets as its last argument.
///
/// Time: constant. Threads: while no other thread is in an operation of an allocator.
///
/// # Safety
/// The function and its user data stay valid until another is set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn det_set_alloc_hook(hook: det_alloc_hook_t, userdata: *mut c_void) {
    ALLOCATED.set(hook.map_or(ptr::null_mut(), |hook| hook as *mut ()), userdata);
}

/// Sets the function that is called after every free, as `det_set_alloc_hook`. Remote frees are not heard of.
///
/// @param hook The function, or NULL.
/// @param userdata What the hook gets as its last argument.
///
/// Time: constant. Threads: as `det_set_alloc_hook`.
///
/// # Safety
/// As [`det_set_alloc_hook`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn det_set_free_hook(hook: det_free_hook_t, userdata: *mut c_void) {
    FREED.set(hook.map_or(ptr::null_mut(), |hook| hook as *mut ()), userdata);
}
