//! The heap of one plugin instance or stream.

use crate::{
    budget::{AudioBudget, BudgetError},
    guard::guarded,
    reaper::{Item, Membership},
    scope::Rt,
    shared::{Owner, Shared},
};
use detalloc::{Config, Stats};
use std::{fmt, sync::Arc};

/// The memory of one plugin instance or stream: one field of its struct.
///
/// Hosts move `process` between threads; so ownership is taken by [`RtHeap::enter`] for one callback, and given back at
/// its end. The exclusive borrow that it takes rules out nested and simultaneous calls. Several heaps in one process
/// know nothing of each other: in the callback of one, the others' handles count as being elsewhere.
#[derive(Default)]
pub struct RtHeap {
    active: Option<Active>,
}

struct Active {
    shared: Arc<Shared>,
    config: Config,
    membership: Membership,
}

impl Drop for Active {
    fn drop(&mut self) {
        // Before the membership goes: a reaper that stops has to know already that nobody will enter again, and what
        // has been dropped so far may hold heaps of its own.
        self.shared.close();
        self.membership.settle();
    }
}

impl RtHeap {
    /// A heap without memory: everything that is asked of it is refused.
    #[must_use]
    pub const fn new() -> Self {
        Self { active: None }
    }

    /// Gets the memory that this budget needs from the system, and touches every page of it. Does nothing if the pools
    /// are the same as before, so that hosts may activate as often as they like. Otherwise handles from before stay
    /// valid, and may be dropped in callbacks as before; their memory goes back to the system when the last of them has
    /// gone. The pools take a block's size each and 32 bytes a block for its way to the reaper.
    ///
    /// Waits for the reaper when there was memory before, as dropping the heap does: hold no lock that a destructor of
    /// one of your values takes.
    ///
    /// # Errors
    /// [`BudgetError`]: the heap then stays as it was.
    ///
    /// # Time complexity
    /// Linear in the size of the pools. Not for real-time paths: it allocates, and may start a thread.
    pub fn reconfigure(&mut self, budget: &AudioBudget) -> Result<(), BudgetError> {
        let config = budget.config()?;
        if self.active.as_ref().is_some_and(|active| active.config == config) {
            return Ok(());
        }
        let owner = self.active.as_ref().map_or_else(Owner::default, |active| active.shared.owner());
        let Some((shared, lane)) = Shared::build(&config, owner) else {
            return Err(BudgetError::OutOfMemory { bytes: config.layout().size() });
        };
        let shared = Arc::new(shared);
        let item = Item { shared: Arc::clone(&shared), lane };
        let membership = Membership::new(item).map_err(BudgetError::Reaper)?;
        self.active = Some(Active { shared, config, membership });
        Ok(())
    }

    /// Runs one callback as the owner of the pools. In debug builds any use of the system heap in it aborts, if
    /// [`AllocDisabler`](crate::AllocDisabler) is the global allocator.
    ///
    /// What other threads have freed since is adopted first. A panic in the callback gives the ownership back.
    ///
    /// # Time complexity
    /// Constant, but for the callback: no loop without a constant bound, no lock, no system call.
    #[inline]
    pub fn enter<R>(&mut self, callback: impl FnOnce(&Rt<'_>) -> R) -> R {
        let shared = self.active.as_ref().map(|active| &*active.shared);
        // SAFETY: `self` is borrowed exclusively for this whole call.
        let owned = shared.map(|shared| unsafe { shared.own() });
        let rt = Rt::new(owned.as_ref().map(|owned| owned.0));
        guarded(|| callback(&rt))
    }

    /// The counts of the pools, for a GUI or a report. `None` while there is no memory.
    #[must_use]
    pub fn meter(&self) -> Option<Meter> {
        self.active.as_ref().map(|active| Meter { shared: Arc::clone(&active.shared) })
    }

    /// The pools that there are. `None` while there is no memory.
    #[must_use]
    pub fn config(&self) -> Option<&Config> {
        self.active.as_ref().map(|active| &active.config)
    }
}

impl fmt::Debug for RtHeap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RtHeap").field("pools", &self.config().map(Config::pools)).finish()
    }
}

/// Reads the counts of a heap's pools from any thread, without disturbing the callback. Keeps the memory it came from,
/// so let go of it when the heap has been reconfigured, and not in a callback: the last one to go frees that memory.
#[derive(Clone)]
pub struct Meter {
    shared: Arc<Shared>,
}

impl Meter {
    /// Takes a snapshot.
    ///
    /// # Time complexity
    /// Linear in the number of pools; wait-free.
    #[must_use]
    pub fn snapshot(&self) -> Stats {
        self.shared.meter().snapshot()
    }
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Meter").field(&self.snapshot()).finish()
    }
}
