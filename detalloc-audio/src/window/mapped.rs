//! A window that is reserved with the first region and given up with the last, so that a host may load and unload a
//! library as often as it likes.
//!
//! Orderings: Relaxed is enough. Who asks whose a block is has got that block from somebody, and with it all that happened before it
//! was allocated: the base and the owner were stored by then, and stay until it is at home. What is asked about a block of the
//! system heap does not depend on what is found: it lies in no window that there is, and the base leads nowhere before a
//! window's addresses go back to the system.

use crate::shared::Shared;
use core::{
    alloc::Layout,
    ptr::{self, NonNull},
    sync::atomic::{AtomicPtr, AtomicUsize, Ordering::Relaxed},
};
use std::sync::{Mutex, PoisonError};

/// More than the pools of any session, and nothing beside the 47 bits of addresses that a process has.
const WINDOW_BYTES: usize = 1 << 36;
const SLOT_BYTES: usize = 1 << 20;
const SLOTS: usize = WINDOW_BYTES / SLOT_BYTES;

/// Before there is a window: so high that no address of a process lies in it.
const NOWHERE: usize = usize::MAX - WINDOW_BYTES;

static BASE: AtomicUsize = AtomicUsize::new(NOWHERE);
static OWNERS: [AtomicPtr<Shared>; SLOTS] = [const { AtomicPtr::new(ptr::null_mut()) }; SLOTS];
static WINDOW: Mutex<Window> = Mutex::new(Window::NotYet);

enum Window {
    NotYet,
    Refused,
    /// Which slots are taken.
    Open {
        base: NonNull<u8>,
        taken: Vec<bool>,
    },
}

// SAFETY: the addresses belong to no thread.
unsafe impl Send for Window {}

fn with_window<R>(body: impl FnOnce(NonNull<u8>, &mut Vec<bool>) -> Option<R>) -> Option<R> {
    let mut window = WINDOW.lock().unwrap_or_else(PoisonError::into_inner);
    if matches!(*window, Window::NotYet) {
        *window = open();
    }
    match &mut *window {
        Window::Open { base, taken } => body(*base, taken),
        Window::NotYet | Window::Refused => None,
    }
}

fn open() -> Window {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANON | libc::MAP_NORESERVE;
    // SAFETY: a new mapping at an address of the system's choice touches nothing that is there.
    let base = unsafe { libc::mmap(ptr::null_mut(), WINDOW_BYTES, libc::PROT_NONE, flags, -1, 0) };
    match NonNull::new(base.cast::<u8>()) {
        Some(base) if base.as_ptr().cast() != libc::MAP_FAILED => {
            BASE.store(base.as_ptr().addr(), Relaxed);
            Window::Open { base, taken: vec![false; SLOTS] }
        }
        _ => Window::Refused,
    }
}

fn slots_for(bytes: usize) -> usize {
    bytes.div_ceil(SLOT_BYTES)
}

fn first_slot(start: NonNull<u8>) -> usize {
    start.as_ptr().addr().wrapping_sub(BASE.load(Relaxed)) / SLOT_BYTES
}

pub(super) fn take(layout: Layout) -> Option<NonNull<u8>> {
    let slots = slots_for(layout.size());
    with_window(|base, taken| {
        let mut run = 0;
        let end = taken.iter().position(|&slot| {
            run = if slot { 0 } else { run + 1 };
            run == slots
        })?;
        let first = end + 1 - slots;
        // SAFETY: the slot lies in the window.
        let start = unsafe { base.add(first * SLOT_BYTES) };
        if start.as_ptr().addr() % layout.align() != 0 {
            return None;
        }
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: pages of the window that nobody has.
        if unsafe { libc::mprotect(start.as_ptr().cast(), layout.size(), access) } != 0 {
            return None;
        }
        taken[first..=end].fill(true);
        Some(start)
    })
}

pub(super) fn assign(start: NonNull<u8>, bytes: usize, owner: *mut Shared) {
    let first = first_slot(start);
    for slot in &OWNERS[first..first + slots_for(bytes)] {
        slot.store(owner, Relaxed);
    }
}

pub(super) fn give_back(start: NonNull<u8>, bytes: usize) {
    assign(start, bytes, ptr::null_mut());
    let flags = libc::MAP_PRIVATE | libc::MAP_ANON | libc::MAP_NORESERVE | libc::MAP_FIXED;
    // SAFETY: these pages were taken and nothing in them is used any more: the memory goes, the addresses stay.
    let emptied = unsafe { libc::mmap(start.as_ptr().cast(), bytes, libc::PROT_NONE, flags, -1, 0) };
    if emptied == libc::MAP_FAILED {
        // The system cannot take the pages back now, so they stay taken.
        return;
    }
    let first = first_slot(start);
    let mut window = WINDOW.lock().unwrap_or_else(PoisonError::into_inner);
    let Window::Open { base, taken } = &mut *window else { return };
    taken[first..first + slots_for(bytes)].fill(false);
    if !taken.contains(&true) {
        // First, so that nobody takes an address for ours that the system has given to somebody else.
        BASE.store(NOWHERE, Relaxed);
        // SAFETY: the whole window, in which nothing is used any more.
        unsafe { libc::munmap(base.as_ptr().cast(), WINDOW_BYTES) };
        *window = Window::NotYet;
    }
}

#[inline]
pub(super) fn region_of(address: *mut u8) -> Option<NonNull<Shared>> {
    let distance = address.addr().wrapping_sub(BASE.load(Relaxed));
    if distance >= WINDOW_BYTES {
        return None;
    }
    NonNull::new(OWNERS[distance / SLOT_BYTES].load(Relaxed))
}
