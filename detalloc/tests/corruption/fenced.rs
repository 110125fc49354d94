//! Memory between two pages that nobody may touch.

use std::mem::MaybeUninit;

/// At which of the two fences a region lies.
#[derive(Clone, Copy, Debug)]
pub enum Side {
    Low,
    High,
}

pub const SIDES: [Side; 2] = [Side::Low, Side::High];

#[cfg(unix)]
mod pages {
    use super::Side;
    use std::{mem::MaybeUninit, ptr, ptr::NonNull, slice};

    pub struct Fenced {
        start: NonNull<u8>,
        mapped: usize,
        page: usize,
        bytes: usize,
        side: Side,
    }

    impl Fenced {
        pub fn new(bytes: usize, side: Side) -> Self {
            // SAFETY: asks for a number.
            let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap();
            let mapped = bytes.next_multiple_of(page) + 2 * page;
            let flags = libc::MAP_PRIVATE | libc::MAP_ANON;
            // SAFETY: a new mapping at an address of the system's choice.
            let start = unsafe { libc::mmap(ptr::null_mut(), mapped, libc::PROT_NONE, flags, -1, 0) };
            assert_ne!(start, libc::MAP_FAILED);
            // SAFETY: the mapping but for its first and last page.
            let opened = unsafe {
                libc::mprotect(start.byte_add(page), mapped - 2 * page, libc::PROT_READ | libc::PROT_WRITE)
            };
            assert_eq!(opened, 0);
            Self { start: NonNull::new(start.cast()).unwrap(), mapped, page, bytes, side }
        }

        pub fn region(&mut self) -> &mut [MaybeUninit<u8>] {
            let at = match self.side {
                Side::Low => self.page,
                Side::High => self.mapped - self.page - self.bytes,
            };
            // SAFETY: within the pages that were opened, and borrowed exclusively.
            unsafe { slice::from_raw_parts_mut(self.start.add(at).as_ptr().cast(), self.bytes) }
        }
    }

    impl Drop for Fenced {
        fn drop(&mut self) {
            // SAFETY: this very mapping, which nothing uses any more.
            unsafe { libc::munmap(self.start.as_ptr().cast(), self.mapped) };
        }
    }
}

/// There are no such pages elsewhere.
#[cfg(not(unix))]
mod pages {
    use super::Side;
    use std::mem::MaybeUninit;

    pub struct Fenced(Vec<MaybeUninit<u8>>);

    impl Fenced {
        pub fn new(bytes: usize, _: Side) -> Self {
            Self(vec![MaybeUninit::uninit(); bytes])
        }

        pub fn region(&mut self) -> &mut [MaybeUninit<u8>] {
            &mut self.0
        }
    }
}

pub use pages::Fenced;

/// The first `bytes` bytes of memory that a heap has, as they are now.
pub fn image(start: *mut u8, bytes: usize) -> Vec<MaybeUninit<u8>> {
    // SAFETY: the caller's heap has them, and nobody else uses it meanwhile.
    unsafe { std::slice::from_raw_parts(start.cast::<MaybeUninit<u8>>(), bytes) }.to_vec()
}

/// Puts an image back.
pub fn restore(start: *mut u8, image: &[MaybeUninit<u8>]) {
    // SAFETY: as for taking it.
    unsafe { start.cast::<MaybeUninit<u8>>().copy_from_nonoverlapping(image.as_ptr(), image.len()) };
}

/// Overwrites a byte, by exclusive or.
pub fn overwrite(start: *mut u8, at: usize, pattern: u8) {
    // SAFETY: a byte of the region, initialised, that nobody else uses.
    unsafe { *start.add(at) ^= pattern };
}
