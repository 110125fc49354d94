//! More memory while it is running: regions that the reaper adds before a pool runs dry.
//!
//! Off unless the budget asks for it. The reaper looks at the counts, builds and touches a region that doubles
//! every class that is low or could not serve a request, and publishes it in the next of a few places. The audio side looks there only when the
//! regions that it knows have refused: a load, no system call, nothing to wait for. Regions that were added stay until the
//! heap is reconfigured or gone.

mod extras;

pub(crate) use extras::Extras;

use crate::{
    pressure::LowWater,
    reaper,
    region_chore::RegionChore,
    shared::{Family, Shared},
};
use detalloc::{Config, PoolConfig, Room, Stats};
use std::sync::Arc;

impl Extras<Shared> {
    /// Adds a region if a class wants one and there is a place for it. For the reaper.
    pub(crate) fn add(&self, main: &Shared, family: &Family, top_up: &mut TopUp) {
        let Some(place) = self.next() else { return };
        let stats = main.meter().snapshot();
        let mut room = vec![Room { free_blocks: 0, blocks: 0 }; stats.pools().len()];
        let regions = core::iter::once(main).chain(self.iter());
        regions.for_each(|region| add_room(&mut room, &stats, &region.meter().snapshot()));
        let pools = top_up.wanted(&stats, &room);
        let Ok(config) = Config::new(&pools) else { return };
        let Some(left) = top_up.left_bytes.checked_sub(config.layout().size()) else { return };
        let Some((region, lane)) = Shared::build(&config, Arc::clone(family)) else { return };
        if region.is_in_window() != main.is_in_window() {
            // What `Routed` could not tell apart is of no use, and the next one would be none either.
            top_up.left_bytes = 0;
            return;
        }
        top_up.left_bytes = left;
        reaper::watch(Box::new(RegionChore::new(Arc::clone(&region), lane)));
        // Nobody else fills a place.
        let _ = place.set(region);
    }
}

/// What the reaper knows when it decides.
pub(crate) struct TopUp {
    left_bytes: usize,
    low_water: LowWater,
    /// For each class, how often its first pool could not serve a request, when it was last looked at.
    unserved: Vec<usize>,
}

impl TopUp {
    /// At most so many bytes in all.
    pub(crate) fn new(max_bytes: usize, low_water: LowWater) -> Self {
        Self { left_bytes: max_bytes, low_water, unserved: Vec::new() }
    }

    pub(crate) fn is_off(&self) -> bool {
        self.left_bytes == 0
    }

    /// As much again as there is of the classes that are low, and of those that have no block left and could not serve a request since the last look. A class
    /// with so few blocks that low means none at all wants more by requests only: a single block that is in use all the
    /// time wants none.
    fn wanted(&mut self, stats: &Stats, room: &[Room]) -> Vec<PoolConfig> {
        let unserved: Vec<_> = stats.pools().iter().map(|pool| pool.refused + pool.borrowed).collect();
        self.unserved.resize(unserved.len(), 0);
        let wanted = stats.pools().iter().zip(room).enumerate().filter(|&(class, (_, room))| {
            let is_low = |free| self.low_water.is_low(free, room.blocks);
            let is_wanted = room.free_blocks == 0 && unserved[class] != self.unserved[class];
            is_wanted || (is_low(1) && is_low(room.free_blocks))
        });
        let pools = wanted.map(|(_, (pool, room))| PoolConfig::new(pool.block_bytes, room.blocks)).collect();
        self.unserved = unserved;
        pools
    }
}

/// Adds what these pools have to the classes of the first region.
fn add_room(room: &mut [Room], first: &Stats, stats: &Stats) {
    for (room, pool) in room.iter_mut().zip(first.pools()) {
        if let Some(same) = stats.pools().iter().find(|other| other.block_bytes == pool.block_bytes) {
            room.blocks += same.blocks;
            room.free_blocks += same.blocks - same.used;
        }
    }
}
