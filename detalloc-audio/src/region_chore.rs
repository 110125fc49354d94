//! The reaper's work for one region: destroy what its lane brings, and end it when the last block has come home.

use crate::{
    deferred::{Deferred, LaneOut},
    reaper::{Chore, destroy},
    shared::Shared,
};
use core::ptr::NonNull;
use ringbuf::traits::{Consumer, Observer};
use std::sync::Arc;

/// One region, seen from the reaper.
pub(crate) struct RegionChore {
    shared: Arc<Shared>,
    lane: LaneOut<Deferred>,
}

impl RegionChore {
    pub(crate) fn new(shared: Arc<Shared>, lane: LaneOut<Deferred>) -> Self {
        Self { shared, lane }
    }
}

impl Chore for RegionChore {
    fn look(&mut self) -> bool {
        let shared = NonNull::from(self.shared.as_ref());
        while let Some(value) = self.lane.try_pop() {
            // SAFETY: (A3, A5) the lane hands over values that are nobody else's, each once.
            destroy(|| unsafe { Shared::drop_here(shared, &value) });
        }
        self.is_over()
    }

    fn is_over(&mut self) -> bool {
        self.lane.is_empty() && self.shared.can_end()
    }

    fn set_watched(&self, watched: bool) {
        if watched {
            self.shared.visits().adopt();
        } else {
            self.shared.visits().orphan();
        }
    }
}
