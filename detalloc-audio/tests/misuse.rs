//! What safe code must not do does not compile: the cases of this package, by the same test as the core's.

#[path = "../../detalloc/tests/misuse.rs"]
mod misuse;
