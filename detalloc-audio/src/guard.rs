//! The guard around a callback: in debug builds, and so in tests, any use of the system heap inside it is a violation.

/// Runs one callback. In debug builds under `assert_no_alloc`; in release builds it adds nothing.
#[inline]
pub(crate) fn guarded<R>(callback: impl FnOnce() -> R) -> R {
    #[cfg(debug_assertions)]
    return assert_no_alloc::assert_no_alloc(callback);
    #[cfg(not(debug_assertions))]
    return callback();
}
