//! Keeping the pools in memory for good.

use crate::{RtHeap, window::Memory};
use core::ptr;
use detalloc::memory::{Locked, lock};

impl RtHeap {
    /// Asks the system to keep the pools and the scratch memory in memory, so that they are never paged out while nothing
    /// plays; says what it granted. They stay locked until they go back to the system. What top-up adds later is not
    /// locked.
    ///
    /// ```
    /// use detalloc_audio::{AudioBudget, RtHeap};
    ///
    /// let mut memory = RtHeap::new();
    /// memory.reconfigure(&AudioBudget::new(48_000.0, 64).objects::<[f32; 64]>(4))?;
    /// println!("pools: {}", memory.lock_memory());
    /// # Ok::<(), detalloc_audio::BudgetError>(())
    /// ```
    ///
    /// # Time complexity
    /// Linear in the size of the pools: a few system calls. Not for callbacks.
    #[must_use = "the system may have refused"]
    pub fn lock_memory(&self) -> Locked {
        let Some(active) = &self.active else { return Locked::NotAsked };
        let instance = &*active.instance;
        let memory = instance.regions().map(|region| &region.region).chain([&instance.scratch_memory]);
        let mut got = Locked::NotAsked;
        for Memory { start, bytes, .. } in memory {
            got = lock(ptr::slice_from_raw_parts(start.as_ptr().cast(), *bytes));
            if got != Locked::Yes {
                break;
            }
        }
        got
    }
}
