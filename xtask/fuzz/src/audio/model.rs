//! What becomes of the blocks of a heap, as numbers: so it may be run in a callback.

use core::alloc::Layout;
use detalloc::Config;
use detalloc_audio::Snapshot;

/// The most pools of a heap here.
const POOLS: usize = 8;

/// Where a handle is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Where {
    /// In the callback of the heap of this number.
    Inside(usize),
    /// In none: here or on another thread.
    Elsewhere,
}

/// One class.
#[derive(Clone, Copy, Default)]
struct Pool {
    block_bytes: usize,
    blocks: usize,
    free: usize,
    /// Given back, and not adopted.
    pending: usize,
    /// With a value that the reaper has to destroy.
    deferred: usize,
}

#[derive(Default)]
pub(super) struct Model {
    pools: [Pool; POOLS],
    len: usize,
    /// How often the heap got memory.
    pub(super) generation: usize,
    pub(super) refused: usize,
    pub(super) callbacks: usize,
    /// Values that this heap has sent away as foreign ones, until the next look.
    pub(super) foreign: usize,
    pub(super) allocated: usize,
    pub(super) refused_in_all: usize,
    pub(super) callbacks_in_all: usize,
}

impl Model {
    /// The heap has new memory.
    pub(super) fn renew(&mut self, config: &Config) {
        self.len = config.pools().len();
        assert!(self.len <= POOLS);
        for (into, pool) in self.pools.iter_mut().zip(config.pools()) {
            assert!(pool.blocks <= 64, "a callback adopts a group of 64 blocks at a time");
            let (block_bytes, blocks) = (pool.block_bytes, pool.blocks);
            *into = Pool { block_bytes, blocks, free: blocks, pending: 0, deferred: 0 };
        }
        self.generation += 1;
        (self.refused, self.callbacks) = (0, 0);
    }

    fn pools(&mut self) -> &mut [Pool] {
        &mut self.pools[..self.len]
    }

    pub(super) fn enter(&mut self) {
        self.callbacks += 1;
        self.callbacks_in_all += 1;
        for pool in self.pools() {
            pool.free += core::mem::take(&mut pool.pending);
        }
    }

    pub(super) fn look(&mut self) {
        self.foreign = 0;
        for pool in self.pools() {
            pool.pending += core::mem::take(&mut pool.deferred);
        }
    }

    /// The pool that serves it, if one does.
    pub(super) fn allocate(&mut self, layout: Layout) -> Option<usize> {
        let fits = |pool: &Pool| {
            pool.block_bytes >= layout.size().max(1) && pool.block_bytes.is_multiple_of(layout.align())
        };
        let pools = &mut self.pools[..self.len];
        let own = pools.iter().position(fits);
        let found = own.and_then(|own| {
            let mut fitting = (own..pools.len()).filter(|&pool| fits(&pools[pool]));
            let has_own = pools[own].free + pools[own].pending > 0;
            let with = |count: fn(&Pool) -> usize| {
                (own..pools.len()).find(|&pool| fits(&pools[pool]) && count(&pools[pool]) > 0)
            };
            if has_own {
                fitting.next()
            } else {
                with(|pool| pool.free).or_else(|| with(|pool| pool.pending))
            }
        });
        let Some(found) = found else {
            self.refuse();
            return None;
        };
        self.allocated += 1;
        let pool = &mut pools[found];
        if pool.free == 0 {
            pool.free = core::mem::take(&mut pool.pending);
        }
        pool.free -= 1;
        Some(found)
    }

    pub(super) fn refuse(&mut self) {
        self.refused += 1;
        self.refused_in_all += 1;
    }

    /// That memory which was added has served what was refused here.
    pub(super) fn served_elsewhere(&mut self) {
        self.refused -= 1;
        self.refused_in_all -= 1;
        self.allocated += 1;
    }

    /// The last handle of a block goes.
    pub(super) fn dropped(&mut self, pool: usize, has_destructor: bool, place: Where, of_this_heap: bool) {
        let pool = &mut self.pools[pool];
        let count = match (place, has_destructor) {
            (Where::Inside(_), true) => &mut pool.deferred,
            (Where::Inside(_), false) if of_this_heap => &mut pool.free,
            _ => &mut pool.pending,
        };
        *count += 1;
    }

    /// That the pressure is told where little is left, and not where much is.
    pub(super) fn check_pressure(&self, layout: Layout, pressure: Option<(usize, usize)>) {
        let pools = &self.pools[..self.len];
        let Some(own) = pools.iter().find(|pool| pool.block_bytes >= layout.size().max(1)) else { return };
        match pressure {
            Some(left) => assert_eq!(left, (own.free, own.blocks)),
            None => assert!(own.free > 0, "{} bytes: nothing is left", layout.size()),
        }
        assert!(pressure.is_none() || own.free * 10 <= own.blocks + 10);
    }

    pub(super) fn check(&self, snapshot: &Snapshot) {
        assert_eq!(snapshot.pools().len(), self.len);
        for (counted, pool) in snapshot.pools().iter().zip(&self.pools) {
            let used = pool.blocks - pool.free;
            assert_eq!(
                (counted.block_bytes, counted.blocks, counted.used),
                (pool.block_bytes, pool.blocks, used)
            );
        }
    }
}
