//! No window: nothing is routed.

use crate::shared::Shared;
use core::{alloc::Layout, ptr::NonNull};

pub(super) fn take(_: Layout) -> Option<NonNull<u8>> {
    None
}

pub(super) fn assign(_: NonNull<u8>, _: usize, _: *mut Shared) {}

pub(super) fn give_back(_: NonNull<u8>, _: usize) {}

#[inline]
pub(super) fn region_of(_: *mut u8) -> Option<NonNull<Shared>> {
    None
}
