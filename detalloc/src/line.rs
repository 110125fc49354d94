//! Cache lines, which threads that write different words should not share.

/// Takes no bytes and aligns what holds it to a cache line, or to a granule on microcontrollers: those have no caches
/// between cores, and little memory.
#[derive(Debug)]
#[cfg_attr(all(target_pointer_width = "32", target_os = "none"), repr(align(16)))]
#[cfg_attr(not(all(target_pointer_width = "32", target_os = "none")), repr(align(64)))]
pub struct Aligned;

/// A cache line of its own.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Line<T>(pub T, [Aligned; 0]);

impl<T> Line<T> {
    pub const fn new(value: T) -> Self {
        Self(value, [])
    }
}
