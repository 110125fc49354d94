//! Every interleaving of a callback that drops and a reaper that destroys: what goes into a lane comes out once, whole and in
//! order, a full lane gives back what did not fit, the lane of a region has room for every block of it, and what finds the lane of
//! foreign values full travels in a block.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p detalloc-audio --release --test loom_lanes -- --nocapture`
#![cfg(loom)]

/// The modules themselves, built with loom's atomics.
#[path = "../src/deferred.rs"]
mod deferred;
#[path = "../../detalloc/tests/interleavings/explore.rs"]
mod explore;
#[path = "../src/leaving.rs"]
mod leaving;
#[path = "../../detalloc/src/remote.rs"]
#[allow(dead_code, reason = "its ends are enough")]
mod remote;
#[path = "interleavings/ring.rs"]
mod ring;

mod sync {
    pub(crate) use crate::ring::Ring;
    pub(crate) use loom::{
        cell::UnsafeCell,
        sync::atomic::{AtomicUsize, Ordering},
    };
}

use core::{mem::MaybeUninit, ptr::NonNull};
use deferred::{Deferred, LaneIn, LaneOut, lane};
use explore::explore;
use leaving::Leaving;
use loom::{
    cell::UnsafeCell,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};
use remote::RemoteFrees;
use ringbuf::traits::{Consumer, Producer};

/// What the values of a model were: their numbers in the order of their ends.
#[derive(Clone)]
struct Ends(Arc<Noted>);

struct Noted(UnsafeCell<Vec<usize>>);

// SAFETY: loom reports two threads that are here at once.
unsafe impl Sync for Noted {}
// SAFETY: as above.
unsafe impl Send for Noted {}

impl Ends {
    fn new() -> Self {
        Self(Arc::new(Noted(UnsafeCell::new(Vec::new()))))
    }

    fn get(&self) -> Vec<usize> {
        self.0.0.with(|ends| unsafe { (*ends).clone() })
    }
}

/// A value that notes its end, on the one thread where values end.
struct Value {
    number: usize,
    /// What the thread has written that made it.
    written: UnsafeCell<usize>,
    ends: Ends,
}

impl Value {
    fn new(number: usize, ends: &Ends) -> Self {
        let value = Self { number, written: UnsafeCell::new(0), ends: ends.clone() };
        value.written.with_mut(|written| unsafe { *written = number });
        value
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        assert_eq!(self.written.with_mut(|written| unsafe { *written }), self.number);
        self.ends.0.0.with_mut(|ends| unsafe { (*ends).push(self.number) });
    }
}

fn lane_of<T: Send + 'static>(places: usize, filler: impl FnMut() -> T) -> (LaneIn<T>, LaneOut<T>) {
    lane(places, filler).unwrap()
}

#[test]
fn what_goes_in_comes_out_once_and_in_order_and_a_full_lane_gives_it_back() {
    explore(|| {
        let ends = Ends::new();
        let (mut near, mut far) = lane_of(2, || Leaving::new(()));
        let reaper = thread::spawn(move || {
            for _ in 0..3 {
                drop(far.try_pop());
            }
            far
        });
        let sent: Vec<_> =
            (1..=3).map(|number| near.try_push(Leaving::new(Value::new(number, &ends)))).collect();
        let mut far = reaper.join().unwrap();
        while far.try_pop().is_some() {}
        let fitted: Vec<_> = (1..=3).zip(&sent).filter(|(_, sent)| sent.is_ok()).map(|(n, _)| n).collect();
        assert!(fitted.starts_with(&[1, 2]), "there is room for two");
        assert_eq!(ends.get(), fitted);
        // What did not fit is whole.
        drop(sent);
        assert_eq!(ends.get(), [1, 2, 3]);
    });
}

#[test]
fn what_is_left_in_a_lane_ends_with_it() {
    explore(|| {
        let ends = Ends::new();
        let (mut near, mut far) = lane_of(2, || Leaving::new(()));
        let reaper = thread::spawn(move || {
            drop(far.try_pop());
            far
        });
        assert!(near.try_push(Leaving::new(Value::new(1, &ends))).is_ok());
        assert!(near.try_push(Leaving::new(Value::new(2, &ends))).is_ok());
        drop((near, reaper.join().unwrap()));
        assert_eq!(ends.get(), [1, 2]);
    });
}

const BLOCKS: usize = 2;

/// The blocks of a region, and how they come home.
struct Region {
    blocks: [UnsafeCell<MaybeUninit<Leaving>>; BLOCKS],
    pools: AtomicUsize,
    groups: AtomicUsize,
    leaves: [AtomicUsize; 1],
}

impl Region {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            blocks: core::array::from_fn(|_| UnsafeCell::new(MaybeUninit::uninit())),
            pools: AtomicUsize::new(0),
            groups: AtomicUsize::new(0),
            leaves: [AtomicUsize::new(0)],
        })
    }

    fn frees(&self) -> RemoteFrees<'_> {
        RemoteFrees { pools: &self.pools, pool: 0, groups: &self.groups, leaves: &self.leaves }
    }

    /// For the owner: puts a value into a block, which is its own, and says how the reaper gets it.
    fn fill(&self, block: usize, value: Leaving) -> Deferred {
        self.blocks[block].with_mut(|place| {
            // SAFETY: loom reports it if the block is somebody else's, too.
            let value = unsafe { (*place).write(value) };
            // SAFETY: it is `Send`, and this thread does not touch it any more.
            unsafe { Deferred::new(NonNull::from(value)) }
        })
    }

    /// For the reaper: destroys the value and sends its block home.
    fn end(&self, value: &Deferred) {
        let lies_in = |block: &UnsafeCell<_>| {
            let begin = core::ptr::from_ref(block).addr();
            (begin..begin + size_of_val(block)).contains(&value.block.as_ptr().addr())
        };
        let block = self.blocks.iter().position(lies_in).unwrap();
        // SAFETY: as in `fill`; the lane brings it once.
        self.blocks[block].with_mut(|_| unsafe { value.destroy() });
        assert!(self.frees().announce(block));
    }

    /// For the owner: the blocks that came home.
    fn collect(&self, home: &mut Vec<usize>) {
        if self.pools.load(Ordering::Relaxed) == 0 {
            return;
        }
        if let Some(group) = self.frees().claim() {
            let blocks = |bits| (0..BLOCKS).filter(move |block| bits >> block & 1 == 1);
            self.frees().collect(group, |_, bits: usize| home.extend(blocks(bits)));
        }
    }
}

fn filler() -> Deferred {
    // SAFETY: never destroyed.
    unsafe { Deferred::new(NonNull::<u8>::dangling()) }
}

#[test]
fn the_lane_of_a_region_has_room_for_each_of_its_blocks() {
    explore(|| {
        let (region, ends) = (Region::new(), Ends::new());
        let (mut near, mut far) = lane_of(BLOCKS, filler);
        let its = Arc::clone(&region);
        let reaper = thread::spawn(move || {
            for _ in 0..2 {
                if let Some(value) = far.try_pop() {
                    its.end(&value);
                }
            }
            far
        });
        let mut home = vec![0, 1];
        let mut sent = Vec::new();
        for number in 1..=3 {
            region.collect(&mut home);
            if let Some(block) = home.pop() {
                let value = region.fill(block, Leaving::new(Value::new(number, &ends)));
                assert!(near.try_push(value).is_ok(), "the block was free, so there is room");
                sent.push(number);
            }
        }
        let mut far = reaper.join().unwrap();
        while let Some(value) = far.try_pop() {
            region.end(&value);
        }
        assert_eq!(ends.get(), sent);
        region.collect(&mut home);
        home.sort_unstable();
        assert_eq!(home, [0, 1]);
    });
}

#[test]
fn what_finds_its_lane_full_travels_in_a_block_and_what_finds_none_is_counted() {
    explore(|| {
        let (region, ends) = (Region::new(), Ends::new());
        let (mut near, mut far) = lane_of(1, || Leaving::new(()));
        let (mut near_blocks, mut far_blocks) = lane_of(1, filler);
        let its = Arc::clone(&region);
        let reaper = thread::spawn(move || {
            drop(far.try_pop());
            if let Some(value) = far_blocks.try_pop() {
                its.end(&value);
            }
            (far, far_blocks)
        });
        let (mut home, mut abandoned) = (vec![0], Vec::new());
        for number in 1..=3 {
            // As `Instance::retire` and `Instance::carry` do.
            let Err(value) = near.try_push(Leaving::new(Value::new(number, &ends))) else { continue };
            region.collect(&mut home);
            if let Some(block) = home.pop() {
                assert!(near_blocks.try_push(region.fill(block, value)).is_ok());
            } else {
                abandoned.push(value);
            }
        }
        let (mut far, mut far_blocks) = reaper.join().unwrap();
        while far.try_pop().is_some() {}
        while let Some(value) = far_blocks.try_pop() {
            region.end(&value);
        }
        assert_eq!(ends.get().len() + abandoned.len(), 3);
        drop(abandoned);
        let mut ended = ends.get();
        ended.sort_unstable();
        assert_eq!(ended, [1, 2, 3], "each ends once");
    });
}
