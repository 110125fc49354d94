//! How much memory this process has.

/// Memory of this process that is in RAM now.
///
/// # Time complexity
///
/// Reads a file: not for real-time threads.
pub fn resident_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    #[cfg(unix)]
    {
        // SAFETY: asking for the page size has no preconditions.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        Some(pages * u64::try_from(page).ok()?)
    }
    #[cfg(not(unix))]
    {
        let _ = pages;
        None
    }
}
