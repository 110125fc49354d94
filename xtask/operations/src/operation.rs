//! What an operation looks like from outside: `cargo xtask wcet` finds it by its name, and the driver calls it.

/// An operation: on an object, with a block (or another pointer), and a size and an alignment, of which it uses what it
/// needs. What it returns is a block, or null.
pub type Operation = unsafe extern "C-unwind" fn(*mut (), *mut u8, usize, usize) -> *mut u8;

/// Defines operations: name, type of the object, and what is done with it.
macro_rules! operations {
    ($($(#[$doc:meta])* $name:ident($on:ident: $type:ty, $block:pat, $size:pat, $align:pat) $body:block)*) => {
        $(
            $(#[$doc])*
            ///
            /// # Safety
            /// The object is one of that type, and the others are what the operation wants.
            #[unsafe(export_name = concat!("operation_", stringify!($name)))]
            #[inline(never)]
            pub unsafe extern "C-unwind" fn $name(
                on: *mut (),
                $block: *mut u8,
                $size: usize,
                $align: usize,
            ) -> *mut u8 {
                // SAFETY: the caller's promise.
                let $on = unsafe { &mut *on.cast::<$type>() };
                $body
            }
        )*

        /// All of them, so that the linker keeps them.
        pub static OPERATIONS: &[$crate::operation::Operation] = &[$($name),*];
    };
}

pub(crate) use operations;
