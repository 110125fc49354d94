//! The C interface: whatever C hands it, answers are blocks that are nobody else's or errors, and what is refused has changed
//! nothing. Hooks are the whole process's, so no two of these run at once.

mod lent;

use crate::input::Input;
use core::{ffi::c_void, mem::MaybeUninit, ptr};
use detalloc_c::{
    Flag, det_adopt_remote_frees, det_alloc, det_alloc_aligned, det_alloc_array, det_alloc_destroy,
    det_alloc_init, det_alloc_size, det_alloc_usable_size, det_allocator_t, det_calloc,
    det_config_for_use_case, det_config_t, det_default_config,
    det_error_t::{self, *},
    det_free, det_get_pool_stats, det_get_stats, det_last_error, det_pool_config_t, det_pool_stats_t,
    det_prefetch, det_realloc, det_remote_free, det_set_alloc_hook, det_set_free_hook, det_stats_t,
    det_validate,
};

/// Runs one input.
///
/// # Panics
/// If an answer is not what the header says.
#[must_use]
pub fn run(data: &[u8]) -> u64 {
    let mut input = Input::new(data);
    let config = config(&mut input);
    // SAFETY: a configuration.
    let needed = unsafe { det_alloc_size(&raw const config) };
    let shift = usize::from(input.byte());
    // Anything may lie in a buffer.
    let mut buffer = vec![MaybeUninit::new(input.byte()); needed.min(1 << 20) + shift];
    let start = buffer[shift..].as_mut_ptr().cast::<c_void>();
    let given = if input.one_in(8) { input.below(needed) } else { needed };
    // SAFETY: a buffer of at least so many bytes, and a configuration.
    let alloc = unsafe { det_alloc_init(start, given.min(1 << 20), &raw const config) };
    if alloc.is_null() {
        assert!(needed == 0 || given < needed || needed > 1 << 20, "{needed} bytes are not enough");
        // SAFETY: null is allowed everywhere.
        unsafe { assert_eq!((det_alloc(alloc, 1), det_free(alloc, start)), (ptr::null_mut(), DET_ERR_NULL)) };
        return 1;
    }
    assert!(needed > 0, "an impossible configuration was taken");
    let is_shared = config.thread_safe.is_set();
    let mut run = Run { alloc, is_shared, live: Vec::new(), freed: Vec::new(), serial: 0 };
    let mut arena = lent::Arena::new(&mut input);
    let mut ring = lent::Ring::new(&mut input);
    let mut heard = Heard { alloc, allocated: 0, freed: 0 };
    let (has_hooks, is_counted) = (input.flag(), config.enable_stats.is_set());
    if has_hooks {
        // SAFETY: functions of these types, and user data that outlives their being set.
        unsafe {
            det_set_alloc_hook(Some(hear_alloc), (&raw mut heard).cast());
            det_set_free_hook(Some(hear_free), (&raw mut heard).cast());
        }
    }
    let mut operations = 1;
    while !input.is_empty() {
        match (input.byte() % 8, &mut arena, &mut ring) {
            (0, Some(arena), _) => arena.step(&mut input),
            (1, _, Some(ring)) => ring.step(&mut input),
            _ => run.step(&mut input),
        }
        operations += 1;
    }
    // SAFETY: as above.
    unsafe {
        det_set_alloc_hook(None, ptr::null_mut());
        det_set_free_hook(None, ptr::null_mut());
    }
    let [.., allocated, freed] = run.counts();
    // Every block that was served was heard of, and every one that was taken back here.
    assert!(!has_hooks || !is_counted || (allocated, freed) == (heard.allocated, heard.freed));
    run.end();
    arena.into_iter().for_each(lent::Arena::end);
    ring.into_iter().for_each(lent::Ring::end);
    operations
}

/// What hooks have heard.
struct Heard {
    alloc: *mut det_allocator_t,
    allocated: usize,
    freed: usize,
}

unsafe extern "C" fn hear_alloc(block: *mut c_void, _: usize, heard: *mut c_void) {
    // SAFETY: what was set along with this function; and asking in a hook is allowed.
    unsafe {
        (*heard.cast::<Heard>()).allocated += 1;
        assert!(!block.is_null() && det_alloc_destroy((*heard.cast::<Heard>()).alloc) == DET_ERR_BUSY);
    }
}

unsafe extern "C" fn hear_free(block: *mut c_void, heard: *mut c_void) {
    // SAFETY: as above.
    unsafe {
        (*heard.cast::<Heard>()).freed += 1;
        assert!(!block.is_null() && det_alloc_destroy((*heard.cast::<Heard>()).alloc) == DET_ERR_BUSY);
    }
}

/// A configuration as C might write it: one of the library's, or pools of any numbers.
fn config(input: &mut Input<'_>) -> det_config_t {
    let kind = input.byte();
    let mut config = match kind % 4 {
        0 => det_default_config(),
        1 => det_config_for_use_case(3),
        2 => det_config_for_use_case(1),
        _ => {
            let mut config = det_default_config();
            config.pool_count = if kind & 64 == 0 { input.below(5) } else { input.size() };
            let mut least = 0;
            for pool in config.pools.iter_mut().take(config.pool_count) {
                let block_size = if input.one_in(16) { input.size() } else { least + 1 + input.below(300) };
                *pool = det_pool_config_t { block_size, block_count: input.below(70) };
                least = block_size.saturating_add(32).min(1 << 20);
            }
            config
        }
    };
    let on = config.borrow_larger;
    let flag = |bit: u8| if kind & bit == 0 { Flag::default() } else { on };
    (config.enable_stats, config.thread_safe, config.borrow_larger) = (flag(4), flag(8), flag(16));
    config
}

/// A block that is the program's, filled with one byte.
#[derive(Clone, Copy)]
struct Block {
    start: *mut u8,
    usable: usize,
    byte: u8,
}

struct Run {
    alloc: *mut det_allocator_t,
    is_shared: bool,
    live: Vec<Block>,
    /// Addresses that were blocks.
    freed: Vec<*mut u8>,
    serial: u8,
}

impl Run {
    fn step(&mut self, input: &mut Input<'_>) {
        let kind = input.byte();
        let size = if kind & 128 == 0 { input.below(600) } else { input.size() };
        let alloc = self.alloc;
        // SAFETY: (here and below) the allocator, and blocks and wrong pointers that nobody uses beside.
        unsafe {
            match kind % 17 {
                0..=4 => self.take(det_alloc(alloc, size), size, 16),
                5 => {
                    let align = if input.flag() { 1 << input.below(16) } else { input.below(300) };
                    self.take(det_alloc_aligned(alloc, size, align), size, align);
                }
                6 => {
                    let count = input.size();
                    let block = det_alloc_array(alloc, count, size);
                    self.take(block, count.saturating_mul(size), 16);
                }
                7 => {
                    let count = input.below(9);
                    let block = det_calloc(alloc, count, size).cast::<u8>();
                    let bytes = count.saturating_mul(size);
                    assert!(block.is_null() || (0..bytes).all(|at| *block.add(at) == 0), "not all zero");
                    self.take(block.cast(), bytes, 16);
                }
                8 => self.resize(size, input),
                9..=11 => self.give_back(kind & 64 != 0, input),
                12 => self.give_back_wrongly(input),
                13 => det_prefetch(alloc, size),
                14 => {
                    det_adopt_remote_frees(alloc, input.below(4));
                }
                15 => self.ask_no_allocator(input),
                _ => self.check(),
            }
        }
    }

    /// A block that the allocator gave for so many bytes, or null.
    fn take(&mut self, block: *mut c_void, size: usize, align: usize) {
        let start = block.cast::<u8>();
        if start.is_null() {
            // SAFETY: the allocator.
            let error = unsafe { det_last_error(self.alloc) };
            let known =
                [DET_ERR_OUT_OF_MEMORY, DET_ERR_UNSUPPORTED_SIZE, DET_ERR_OVERFLOW, DET_ERR_INVALID_PARAM];
            assert!(known.contains(&error), "{size} bytes: {error:?}");
            return;
        }
        assert!(start.addr().is_multiple_of(align.max(16)), "{start:p} is not aligned to {align}");
        // SAFETY: a live block.
        let usable = unsafe { det_alloc_usable_size(self.alloc, block) };
        assert!(usable >= size, "{usable} bytes for {size}");
        for other in &self.live {
            let (here, there) = (start.addr(), other.start.addr());
            assert!(here + usable <= there || there + other.usable <= here, "two blocks in one place");
        }
        self.serial = self.serial.wrapping_add(1);
        // SAFETY: nobody else's, and so many bytes.
        unsafe { start.write_bytes(self.serial, usable) };
        self.freed.retain(|&freed| freed != start);
        self.live.push(Block { start, usable, byte: self.serial });
    }

    /// A block of the program's, whose contents are what they were.
    fn choose(&mut self, input: &mut Input<'_>) -> Option<Block> {
        let count = self.live.len();
        let block = (count > 0).then(|| self.live.swap_remove(input.below(count)))?;
        block.check(block.usable);
        Some(block)
    }

    fn give_back(&mut self, remotely: bool, input: &mut Input<'_>) {
        let Some(block) = self.choose(input) else { return };
        let start = block.start.cast();
        // SAFETY: a live block that is used no more.
        let freed = unsafe {
            if remotely { det_remote_free(self.alloc, start) } else { det_free(self.alloc, start) }
        };
        assert_eq!(freed, DET_OK);
        self.freed.push(block.start);
    }

    fn resize(&mut self, size: usize, input: &mut Input<'_>) {
        let Some(block) = self.choose(input) else { return };
        // SAFETY: a live block of this program's.
        let moved = unsafe { det_realloc(self.alloc, block.start.cast(), size) }.cast::<u8>();
        if moved.is_null() && size > 0 {
            self.live.push(block);
            return;
        }
        if moved != block.start {
            self.freed.push(block.start);
        }
        if !moved.is_null() {
            Block { start: moved, ..block }.check(block.usable.min(size));
            self.take(moved.cast(), size, 16);
        }
    }

    /// What no program should free is refused by its kind.
    fn give_back_wrongly(&mut self, input: &mut Input<'_>) {
        let before = self.counts();
        let outside = &raw mut self.serial;
        let (wrong, expected): (*mut u8, &[det_error_t]) = match (input.byte() % 3, self.live.first()) {
            (0, Some(block)) => {
                let inside = 1 + input.below(block.usable - 1);
                (block.start.wrapping_add(inside), &[DET_ERR_INTERIOR_POINTER])
            }
            (1, _) if !self.freed.is_empty() => {
                let freed = self.freed[input.below(self.freed.len())];
                (freed, &[DET_ERR_DOUBLE_FREE])
            }
            _ => (outside, &[DET_ERR_FOREIGN_POINTER]),
        };
        // SAFETY: refused, whatever it is.
        let (here, remote, grown, usable) = unsafe {
            let wrong = wrong.cast::<c_void>();
            (
                det_free(self.alloc, wrong),
                det_remote_free(self.alloc, wrong),
                det_realloc(self.alloc, wrong, 8),
                det_alloc_usable_size(self.alloc, wrong),
            )
        };
        assert!(expected.contains(&here) && expected.contains(&remote), "{here:?}, {remote:?}: {expected:?}");
        assert!(grown.is_null() && usable == 0);
        assert_eq!(self.counts(), before);
    }

    /// What no allocator lies at is refused, whatever is there, and nothing is written.
    fn ask_no_allocator(&mut self, input: &mut Input<'_>) {
        let before = self.counts();
        let (handle, expected) = match (input.byte() % 3, self.live.first()) {
            // Inside a block, at any alignment.
            (0, Some(block)) => (block.start.wrapping_add(input.below(8)), DET_ERR_NOT_INITIALIZED),
            (1, _) => (self.alloc.cast::<u8>().wrapping_add(1 + input.below(64)), DET_ERR_NOT_INITIALIZED),
            _ => (ptr::null_mut(), DET_ERR_NULL),
        };
        let (wrong, block) = (handle.cast::<det_allocator_t>(), handle.cast::<c_void>());
        let mut stats = MaybeUninit::<det_pool_stats_t>::uninit();
        // SAFETY: nothing, or readable memory.
        unsafe {
            let refused = [
                det_free(wrong, block),
                det_remote_free(wrong, block),
                det_alloc_destroy(wrong),
                det_get_pool_stats(wrong, 0, stats.as_mut_ptr()),
                det_last_error(ptr::null()),
            ];
            assert_eq!(refused, [expected; 5]);
            assert!(det_alloc(wrong, 1).is_null() && det_realloc(wrong, block, 1).is_null());
            assert!(!det_validate(wrong) && det_alloc_usable_size(wrong, block) == 0);
        }
        assert_eq!(self.counts(), before);
    }

    /// What is live, in bytes, and refusals, served allocations and frees.
    fn counts(&self) -> [usize; 4] {
        let mut stats = MaybeUninit::<det_stats_t>::uninit();
        // SAFETY: the allocator and a place for its counts, which are written then.
        let stats = unsafe {
            assert_eq!(det_get_stats(self.alloc, stats.as_mut_ptr()), DET_OK);
            stats.assume_init()
        };
        [stats.used_memory, stats.refused, stats.alloc_count, stats.free_count]
    }

    fn check(&self) {
        // SAFETY: the allocator.
        assert!(unsafe { det_validate(self.alloc) });
        let held: usize = self.live.iter().map(|block| block.usable).sum();
        let [used, ..] = self.counts();
        // What was freed remotely counts until it is adopted.
        assert!(used >= held && (used == held || !self.is_shared), "{used} bytes in use, {held} held");
        self.live.iter().for_each(|block| block.check(block.usable));
    }

    fn end(mut self) {
        self.check();
        let is_empty = self.live.is_empty();
        self.live.clear();
        // SAFETY: nobody uses a block any more.
        let ended = unsafe { det_alloc_destroy(self.alloc) };
        assert_eq!(ended, if is_empty { DET_OK } else { DET_ERR_STILL_LIVE });
        // SAFETY: its buffer is still there.
        let again = unsafe { (det_alloc(self.alloc, 16), det_alloc_destroy(self.alloc)) };
        assert_eq!(again, (ptr::null_mut(), DET_ERR_NOT_INITIALIZED));
    }
}

impl Block {
    /// Whether its first bytes are what was written.
    fn check(self, bytes: usize) {
        // SAFETY: a block of the program's, every byte of which was written.
        let wrong = (0..bytes).find(|&at| unsafe { *self.start.add(at) } != self.byte);
        assert_eq!(wrong, None, "the contents of a block have changed");
    }
}
