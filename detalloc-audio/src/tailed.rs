//! A header and a slice in one block.

/// A header followed by a slice, in one block of memory: an object of its own size, such as a grain with its samples.
/// Made by [`Rt::tailed`](crate::Rt::tailed).
#[derive(Debug)]
#[repr(C)]
pub struct Tailed<H, T: ?Sized> {
    /// The part that every object has.
    pub head: H,
    /// The part whose length differs: a slice in every handle.
    pub tail: T,
}
