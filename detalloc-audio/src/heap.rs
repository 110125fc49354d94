//! The heap of one plugin instance or stream.

use crate::{
    budget::{AudioBudget, BudgetError},
    guard::guarded,
    inside,
    instance::{Held, Instance, Plan, Visit},
    meter::Meter,
    reaper::{self, Membership, ReapTask},
    refused::Refusal,
    scope::Rt,
    shared::Family,
};
use detalloc::Config;
use std::fmt;

/// The memory of one plugin instance or stream: one field of its struct.
///
/// Hosts move `process` between threads; so ownership is taken by [`RtHeap::enter`] for one callback, and given back at
/// its end. The exclusive borrow that it takes rules out that a heap is entered twice at once:
///
/// ```compile_fail
/// # let mut heap = detalloc_audio::RtHeap::new();
/// heap.enter(|_| heap.enter(|_| ()));
/// ```
///
/// To enter another heap inside a callback is possible, but its [`Rt`] refuses everything with [`Refusal::Nested`].
#[derive(Default)]
pub struct RtHeap {
    pub(crate) active: Option<Active>,
    /// No thread is wanted: a `ReapTask` does the reaper's work.
    by_task: bool,
}

pub(crate) struct Active {
    pub(crate) instance: Held,
    plan: Plan,
    /// Goes last: what a callback has dropped may hold heaps of its own.
    _membership: Option<Membership>,
}

impl Drop for Active {
    fn drop(&mut self) {
        self.instance.close();
        // In a callback, which is no place to drop a heap, that is left to the next look.
        ReapTask.run();
    }
}

impl RtHeap {
    /// A heap without memory: everything that is asked of it is refused.
    #[must_use]
    pub const fn new() -> Self {
        Self { active: None, by_task: false }
    }

    /// A heap without memory that will not start the reaper's thread: a plugin's background task, or a timer, has to run
    /// [`ReapTask`](crate::ReapTask). Values that were dropped keep their blocks until then; were it never run, the pools would run dry and
    /// refuse, and dropping or reconfiguring the heap would destroy what is left.
    #[must_use]
    pub const fn reaped_by_task() -> Self {
        Self { active: None, by_task: true }
    }

    /// Gets the memory that this budget needs from the system, and touches every page of it. Does nothing if the budget
    /// comes to the same as before, so that hosts may activate as often as they like. Otherwise handles from before stay
    /// valid, and may be dropped in callbacks as before; their memory goes back to the system when the last of them has
    /// gone. The pools take a block's size each and 32 to 64 bytes a block for its way to the reaper.
    ///
    /// When there was memory before, destroys what callbacks have dropped so far, as dropping the heap does: hold no lock
    /// that a destructor of one of your values takes.
    ///
    /// # Errors
    /// [`BudgetError`]: the heap then stays as it was.
    ///
    /// # Time complexity
    /// Linear in the size of the pools. Not for real-time paths: it allocates, and may start a thread.
    pub fn reconfigure(&mut self, budget: &AudioBudget) -> Result<(), BudgetError> {
        let plan = budget.plan()?;
        let (sample_rate_hz, max_frames) = budget.stream();
        if let Some(active) = self.active.as_ref().filter(|active| active.plan == plan) {
            active.instance.timing.expect(sample_rate_hz, max_frames);
            return Ok(());
        }
        inside::prefault();
        let family = self
            .active
            .as_ref()
            .map_or_else(Family::default, |active| Family::clone(active.instance.family()));
        let Some((instance, region, chore)) = Instance::build(&plan, family) else {
            return Err(budget.out_of_memory(&plan.config));
        };
        instance.timing.expect(sample_rate_hz, max_frames);
        let membership =
            if self.by_task { None } else { Some(Membership::new().map_err(BudgetError::Reaper)?) };
        reaper::watch(Box::new(region));
        reaper::watch(Box::new(chore));
        self.active = Some(Active { instance: Held::new(instance), plan, _membership: membership });
        Ok(())
    }

    /// Runs one callback as the owner of the pools, against the deadline of the largest block. In debug builds any use of the
    /// system heap in it aborts, if [`AllocDisabler`](crate::AllocDisabler) or a [`Routed`](crate::Routed) in strict mode is
    /// the global allocator.
    ///
    /// What other threads have freed since is adopted first. A panic in the callback gives the ownership back.
    ///
    /// # Time complexity
    /// Constant, but for the callback: no loop without a constant bound, no lock, no system call.
    #[inline]
    pub fn enter<R>(&mut self, callback: impl FnOnce(&Rt<'_>) -> R) -> R {
        self.visit(None, callback)
    }

    /// As [`RtHeap::enter`], for a block of so many frames, whose deadline counts.
    ///
    /// # Time complexity
    /// As [`RtHeap::enter`].
    #[inline]
    pub fn enter_for<R>(&mut self, frames: u32, callback: impl FnOnce(&Rt<'_>) -> R) -> R {
        self.visit(Some(frames), callback)
    }

    #[inline]
    fn visit<R>(&mut self, frames: Option<u32>, callback: impl FnOnce(&Rt<'_>) -> R) -> R {
        let visit = match &self.active {
            // SAFETY: `self` is borrowed exclusively for this whole call.
            Some(active) => unsafe { Visit::new(&active.instance, frames) },
            None => None,
        };
        let Some(visit) = visit else {
            // SAFETY: as above.
            return unsafe { enter_the_longer_way(self.active.as_ref(), frames, callback) };
        };
        let result = guarded(|| callback(&Rt::new(Ok(visit.instance()))));
        visit.end();
        result
    }

    /// The counts of the heap, for a GUI or a report. `None` while there is no memory.
    #[must_use]
    pub fn meter(&self) -> Option<Meter> {
        self.active.as_ref().map(|active| Meter::new(active.instance.share()))
    }

    /// The pools that there are. `None` while there is no memory.
    #[must_use]
    pub fn config(&self) -> Option<&Config> {
        self.active.as_ref().map(|active| &active.plan.config)
    }

    /// Lets the `n`-th allocation from now on fail, 0 being the next, and all others succeed as they would; `None`: none. For tests
    /// that go through every allocation of a program in turn.
    #[cfg(feature = "fault-injection")]
    pub fn refuse_nth(&mut self, n: Option<usize>) {
        if let Some(active) = &self.active {
            active.instance.refuse_nth(n);
        }
    }
}

/// There is no memory, or the usual place in the table of threads is taken.
///
/// # Safety
/// The caller has the exclusive borrow of the `RtHeap` that this is of.
#[cold]
#[inline(never)]
unsafe fn enter_the_longer_way<R>(
    active: Option<&Active>,
    frames: Option<u32>,
    callback: impl FnOnce(&Rt<'_>) -> R,
) -> R {
    let visit = match active {
        // SAFETY: the caller's promise.
        Some(active) => unsafe { Visit::beside_others(&active.instance, frames) }.ok_or(Refusal::Nested),
        None => Err(Refusal::Unconfigured),
    };
    let rt = Rt::new(visit.as_ref().map(Visit::instance).map_err(|refusal| *refusal));
    let result = guarded(|| callback(&rt));
    if let Ok(visit) = visit {
        visit.end();
    }
    result
}

impl fmt::Debug for RtHeap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RtHeap").field("pools", &self.config().map(Config::pools)).finish()
    }
}
