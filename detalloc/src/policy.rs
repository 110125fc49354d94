//! How much a heap checks: chosen by type, so that what is left out costs nothing.

use core::fmt::Debug;

mod sealed {
    pub trait Sealed {}
}

/// What a [`Heap`](crate::Heap) checks with every operation.
pub trait Policy: sealed::Sealed + Debug {
    /// Whether a free looks whether its block is a live one of this heap.
    const CHECKED: bool;
}

/// Every free is checked: the default.
#[derive(Clone, Copy, Debug)]
pub enum Checked {}

/// No free is checked: one of anything but a live block is undefined behaviour. See
/// [`Heap::unchecked`](crate::Heap::unchecked).
#[derive(Clone, Copy, Debug)]
pub enum Unchecked {}

impl sealed::Sealed for Checked {}
impl Policy for Checked {
    const CHECKED: bool = true;
}

impl sealed::Sealed for Unchecked {}
impl Policy for Unchecked {
    const CHECKED: bool = false;
}
