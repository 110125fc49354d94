//! Where the events of a heap go: into a recording with the feature `record`, and nowhere, at no cost, without it.

#[cfg(not(feature = "record"))]
pub(crate) use nowhere::Tap;

#[cfg(feature = "record")]
pub(crate) use crate::record::Tap;

#[cfg(not(feature = "record"))]
mod nowhere {
    use core::{alloc::Layout, ptr::NonNull};

    pub(crate) struct Tap;

    impl Tap {
        pub(crate) fn open() -> Self {
            Self
        }

        #[inline(always)]
        pub(crate) fn callback(&self) {}

        #[inline(always)]
        pub(crate) fn allocated(&self, _block: NonNull<u8>, _layout: Layout) {}

        #[inline(always)]
        pub(crate) fn refused(&self, _layout: Layout) {}

        #[inline(always)]
        pub(crate) fn freed(&self, _block: NonNull<u8>) {}
    }
}
