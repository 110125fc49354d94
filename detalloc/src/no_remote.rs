//! What stands for the remote frees where there are none: words cannot be exchanged, or nobody asked for them. Nothing is
//! ever announced.

use crate::sync::{AtomicUsize, Ordering};

/// Whether there are remote frees.
pub const EXISTS: bool = false;

/// The remote frees of one pool.
#[derive(Clone, Copy)]
pub struct RemoteFrees<'a> {
    /// No bits.
    pub groups: &'a AtomicUsize,
}

/// A group that was claimed, which none ever is.
#[derive(Clone, Copy, Debug)]
pub enum Group {}

impl RemoteFrees<'_> {
    pub fn claim(&self) -> Option<Group> {
        None
    }

    pub fn narrow(&self, group: Group) -> Option<Group> {
        match group {}
    }

    pub fn collect(&self, group: Group, _collect: impl FnMut(usize, usize)) {
        match group {}
    }

    /// Whether the bits of groups stand for groups that there are: none do.
    pub fn has_groups_that_exist(&self) -> bool {
        // Relaxed: nobody writes it.
        self.groups.load(Ordering::Relaxed) == 0
    }
}
