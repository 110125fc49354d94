//! What else of the C interface lies in a buffer: an arena, against the bytes that it has handed out, and a ring, against a queue.

use crate::input::Input;
use core::{ffi::c_void, mem::MaybeUninit, ptr};
use detalloc_c::{
    det_arena_alloc, det_arena_destroy, det_arena_init, det_arena_peak, det_arena_reset, det_arena_t,
    det_arena_used,
    det_error_t::{self, *},
    det_last_error, det_ring_commit, det_ring_destroy, det_ring_grant, det_ring_init, det_ring_read,
    det_ring_release, det_ring_size, det_ring_t,
};
use std::collections::VecDeque;

fn last_error() -> det_error_t {
    // SAFETY: null is allowed.
    unsafe { det_last_error(ptr::null()) }
}

/// A buffer of any size, alignment and contents, and where it begins.
fn buffer(size: usize, input: &mut Input<'_>) -> (Vec<MaybeUninit<u8>>, *mut c_void) {
    let shift = usize::from(input.byte() % 64);
    let mut memory = vec![MaybeUninit::new(input.byte()); size + shift];
    let start = memory[shift..].as_mut_ptr().cast();
    (memory, start)
}

pub(super) struct Arena {
    arena: *mut det_arena_t,
    /// What is handed out: where, how much, and which byte it is filled with.
    taken: Vec<(*mut u8, usize, u8)>,
    peak: usize,
    _memory: Vec<MaybeUninit<u8>>,
}

impl Arena {
    pub(super) fn new(input: &mut Input<'_>) -> Option<Self> {
        let size = input.below(2048);
        let (memory, start) = buffer(size, input);
        // SAFETY: a buffer of so many bytes.
        let arena = unsafe { det_arena_init(start, size) };
        if arena.is_null() {
            assert!(size < 256 && last_error() == DET_ERR_BUFFER_TOO_SMALL, "{size} bytes are not enough");
            return None;
        }
        Some(Self { arena, taken: Vec::new(), peak: 0, _memory: memory })
    }

    pub(super) fn step(&mut self, input: &mut Input<'_>) {
        // SAFETY: (here and below) the arena, and bytes that it has handed out.
        let used = unsafe { det_arena_used(self.arena) };
        if input.one_in(16) {
            self.check();
            self.taken.clear();
            // SAFETY: nobody uses what was handed out any more.
            assert_eq!(unsafe { (det_arena_reset(self.arena), det_arena_used(self.arena)) }, (DET_OK, 0));
            return;
        }
        let size = if input.one_in(8) { input.size() } else { input.below(200) };
        let align = if input.flag() { 1 << input.below(13) } else { input.below(70) };
        // SAFETY: as above.
        let start = unsafe { det_arena_alloc(self.arena, size, align) }.cast::<u8>();
        if start.is_null() {
            let error = last_error();
            assert!(error == DET_ERR_FULL || error == DET_ERR_INVALID_PARAM, "{size} bytes: {error:?}");
            assert!(
                error == DET_ERR_FULL || !align.is_power_of_two() || size > isize::MAX.unsigned_abs() - align
            );
            // SAFETY: as above.
            assert_eq!(unsafe { det_arena_used(self.arena) }, used);
            return;
        }
        assert!(align.is_power_of_two() && start.addr().is_multiple_of(align), "{start:p} for {align}");
        let byte = input.byte();
        // SAFETY: nobody else's, and so many bytes.
        unsafe { start.write_bytes(byte, size) };
        self.taken.push((start, size, byte));
    }

    fn check(&mut self) {
        // SAFETY: as above.
        let (used, peak) = unsafe { (det_arena_used(self.arena), det_arena_peak(self.arena)) };
        let held: usize = self.taken.iter().map(|&(_, size, _)| size).sum();
        self.peak = self.peak.max(used);
        assert!(used >= held && peak == self.peak, "{used} bytes in use, {held} held, {peak} at most");
        for &(start, size, byte) in &self.taken {
            // SAFETY: as above.
            assert!((0..size).all(|at| unsafe { *start.add(at) } == byte), "what was handed out has changed");
        }
    }

    pub(super) fn end(mut self) {
        self.check();
        // SAFETY: nobody uses what was handed out any more.
        let ended = unsafe { (det_arena_destroy(self.arena), det_arena_destroy(self.arena)) };
        assert_eq!(ended, (DET_OK, DET_ERR_NOT_INITIALIZED));
    }
}

pub(super) struct Ring {
    ring: *mut det_ring_t,
    /// What is open: where, how much, and which byte it is filled with.
    grant: Option<(*mut u8, usize, u8)>,
    sent: VecDeque<(usize, u8)>,
    is_open: bool,
    _memory: Vec<MaybeUninit<u8>>,
}

impl Ring {
    pub(super) fn new(input: &mut Input<'_>) -> Option<Self> {
        let (count, longest) = (input.below(9), input.below(70));
        let enough = det_ring_size(count, longest);
        let size = if input.one_in(4) { input.below(enough) } else { enough };
        let (memory, start) = buffer(size, input);
        // SAFETY: a buffer of so many bytes.
        let ring = unsafe { det_ring_init(start, size) };
        if ring.is_null() {
            assert!((count == 0 || size < enough) && last_error() == DET_ERR_BUFFER_TOO_SMALL);
            return None;
        }
        Some(Self { ring, grant: None, sent: VecDeque::new(), is_open: false, _memory: memory })
    }

    pub(super) fn step(&mut self, input: &mut Input<'_>) {
        match input.byte() % 8 {
            0..=2 => self.ask(input),
            3 | 4 => self.commit(input),
            5 => {
                // SAFETY: (here and below) the ring, whose both ends are here.
                let released = unsafe { det_ring_release(self.ring) };
                assert_eq!(released == DET_OK, self.is_open, "{released:?}");
                if core::mem::take(&mut self.is_open) {
                    self.sent.pop_front();
                }
            }
            _ => self.read(),
        }
    }

    fn ask(&mut self, input: &mut Input<'_>) {
        let size = if input.one_in(8) { input.size() } else { input.below(80) };
        // SAFETY: as above.
        let place = unsafe { det_ring_grant(self.ring, size) }.cast::<u8>();
        if place.is_null() {
            let error = last_error();
            assert!(error == DET_ERR_UNSUPPORTED_SIZE || error == DET_ERR_FULL && !self.sent.is_empty());
            return;
        }
        assert!(place.addr().is_multiple_of(16));
        let byte = input.byte();
        // SAFETY: a grant of so many bytes.
        unsafe { place.write_bytes(byte, size) };
        self.grant = Some((place, size, byte));
    }

    fn commit(&mut self, input: &mut Input<'_>) {
        let size = if input.flag() { usize::MAX } else { input.below(100) };
        if let Some((place, granted, byte)) = self.grant {
            // SAFETY: the grant, which is still open.
            assert!((0..granted).all(|at| unsafe { *place.add(at) } == byte), "the grant has changed");
        }
        // SAFETY: as above.
        let committed = unsafe { det_ring_commit(self.ring, size) };
        match self.grant.take() {
            None => assert_eq!(committed, DET_ERR_INVALID_PARAM),
            Some((_, granted, byte)) => {
                assert_eq!(committed, DET_OK);
                self.sent.push_back((size.min(granted), byte));
            }
        }
    }

    fn read(&mut self) {
        let mut length = usize::MAX;
        // SAFETY: as above, and a place for the length.
        let message = unsafe { det_ring_read(self.ring, &raw mut length) }.cast::<u8>();
        match self.sent.front() {
            None => assert!(message.is_null() && length == usize::MAX),
            Some(&(sent, byte)) => {
                assert_eq!((message.is_null(), length), (false, sent));
                self.is_open = true;
                // SAFETY: a message of so many bytes.
                assert!((0..sent).all(|at| unsafe { *message.add(at) } == byte), "the message has changed");
            }
        }
    }

    pub(super) fn end(self) {
        // SAFETY: nobody uses a grant or a message any more.
        let ended = unsafe { (det_ring_destroy(self.ring), det_ring_destroy(self.ring)) };
        assert_eq!(ended, (DET_OK, DET_ERR_NOT_INITIALIZED));
    }
}
