//! How much a heap checks and counts: chosen by type, so that what is left out costs nothing.

use core::fmt::Debug;

mod sealed {
    pub trait Sealed {}
}

/// What a [`Heap`](crate::Heap) does with every free beside freeing.
pub trait Policy: sealed::Sealed + Debug {
    /// Whether a free looks whether its block is a live one of this heap.
    const CHECKED: bool;
    /// Whether high water is kept.
    const COUNTED: bool;
}

/// Every free is checked and counted: the default.
#[derive(Clone, Copy, Debug)]
pub enum Checked {}

/// No free is checked, and high water is not kept: a free of anything but a live block is undefined behaviour. See
/// [`Heap::unchecked`](crate::Heap::unchecked).
#[derive(Clone, Copy, Debug)]
pub enum Unchecked {}

impl sealed::Sealed for Checked {}
impl Policy for Checked {
    const CHECKED: bool = true;
    const COUNTED: bool = true;
}

impl sealed::Sealed for Unchecked {}
impl Policy for Unchecked {
    const CHECKED: bool = false;
    const COUNTED: bool = false;
}
