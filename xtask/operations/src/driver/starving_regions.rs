//! A heap with all the regions that can be added, each of which has nothing left and announces blocks in vain, but for the last: the
//! longest way of everything that allocates in a callback.

use super::{
    Driver,
    announced::{Announced, mapped_before},
    integration::{Place, heap, nothing, owner, placed, scope},
    step,
};
use crate::{audio::Elsewhere, heap::Voice};
use core::ptr;
use detalloc_audio::{AudioBudget, Foreign, OnViolation, ReapTask, Routed, Rt, RtArc, RtBox, RtHeap, RtVec};
use std::sync::Arc;

/// The most regions that are added.
const ADDED: usize = 8;

/// Blocks of the first region; each added one doubles what there is, so that the last has as many as two levels hold.
const BLOCKS: usize = 32;

/// How many values the lane takes that are no pool's.
const FOREIGN: usize = 2;

pub fn all(driver: &mut Driver) {
    let voice = size_of::<Voice>() / size_of::<u64>();
    let mut place = Place::uninit();
    let place = place.as_mut_ptr().cast::<u8>();
    let mut starved = Starved::new(&[voice]);
    starved.announce(|rt| {
        if !step!(driver, audio::boxed, scope(rt), place, 0, 0).is_null() {
            // SAFETY: what was made, once; here and below.
            drop(unsafe { place.cast::<RtBox<Voice>>().read() });
        }
    });
    // Nothing but in vain.
    let mut kept = Vec::new();
    starved.announce(|rt| kept.extend(rt.vec::<u64>(voice)));
    starved.announce(|rt| {
        step!(driver, audio::boxed, scope(rt), place, 0, 0);
    });
    kept.clear();
    starved.announce(|rt| {
        if !step!(driver, audio::vec, scope(rt), place, voice, 0).is_null() {
            // SAFETY: as above.
            drop(unsafe { place.cast::<RtVec<u64>>().read() });
        }
    });
    // Behind a lane that is full, in a block of the pools.
    let mut other = heap(&AudioBudget::new(48_000.0, 64).objects::<crate::audio::Owner>(1));
    starved.announce_behind_a_full_lane(|rt| {
        let mut value = placed(Arc::new(1_u64));
        step!(driver, audio::retire, scope(rt), value.as_mut_ptr().cast(), 0, 0);
    });
    starved.announce_behind_a_full_lane(|_| {
        let mut value = placed(Foreign::new(Arc::new(1_u64)));
        step!(driver, audio::drop_foreign, nothing(), value.as_mut_ptr().cast(), 0, 0);
    });
    let mut guest = placed(other.enter(|rt| rt.boxed(owner()).ok()).expect("enough memory"));
    starved.announce_behind_a_full_lane(|_| {
        step!(driver, audio::drop_deferred, nothing(), guest.as_mut_ptr().cast(), 0, 0);
    });
    // A summary that lies.
    starved.regions[0].add_blocks(1 << (usize::BITS - 1));
    starved.announce(|rt| {
        step!(driver, audio::boxed, scope(rt), place, 0, 0);
    });
    // The class that the size leads to is not aligned enough; the next one is.
    let mut routed = Routed::contain(Elsewhere).on_violation(OnViolation::Count);
    let routed: *mut Routed<Elsewhere> = &raw mut routed;
    Starved::new(&[26, 32]).announce(|_| {
        // What no class is aligned to.
        step!(driver, audio::allocate_routed, routed, ptr::null_mut(), 64, 8_192);
        let block = step!(driver, audio::allocate_routed, routed, ptr::null_mut(), 190, 64);
        if !block.is_null() {
            step!(driver, audio::free_routed, routed, block, 190, 64);
        }
    });
    // A count beside the value.
    Starved::new(&[voice + 1]).announce(|rt| {
        if !step!(driver, audio::arc, scope(rt), place, 0, 0).is_null() {
            // SAFETY: as above.
            drop(unsafe { place.cast::<RtArc<Voice>>().read() });
        }
    });
}

/// Such a heap.
struct Starved {
    heap: RtHeap,
    regions: Vec<Announced>,
    /// Everything else.
    _live: Vec<RtVec<u64>>,
}

impl Starved {
    /// Of classes of so many words, of which the last one is announced.
    fn new(classes: &[usize]) -> Self {
        let budget = AudioBudget::new(48_000.0, 64).foreign(FOREIGN).top_up(64 << 20);
        let of = |budget: AudioBudget, words: &usize| budget.slices::<u64>(*words, BLOCKS);
        let mut heap = heap(&classes.iter().fold(budget, of));
        let (mut regions, mut all) = (Vec::new(), Vec::new());
        for number in 0..=ADDED {
            // The largest first, so that none borrows.
            let mut live: Vec<RtVec<u64>> = Vec::new();
            for &words in classes.iter().rev() {
                let more: Vec<_> =
                    heap.enter(|rt| core::iter::from_fn(|| rt.vec::<u64>(words).ok()).collect());
                live.extend(more);
            }
            let lowest = live.iter().map(|block| block.as_ptr()).min().expect("a region was added");
            let is_last = number == ADDED;
            // In the last one behind three other groups.
            let one = live.swap_remove(if is_last { 3 * usize::BITS as usize } else { 0 });
            // SAFETY: the metadata of its region lies in front of the first block; nobody else frees.
            let words = unsafe { Announced::by(mapped_before(lowest.cast()), || drop(one)) };
            if !is_last {
                words.forget_blocks();
            }
            regions.push(words);
            all.append(&mut live);
            ReapTask.run();
        }
        Self { heap, regions, _live: all }
    }

    /// Runs something in a callback, where every region announces blocks in vain, and the last one a block as well.
    fn announce(&mut self, body: impl FnOnce(&Rt<'_>)) {
        self.announce_behind(0, body);
    }

    fn announce_behind_a_full_lane(&mut self, body: impl FnOnce(&Rt<'_>)) {
        self.announce_behind(FOREIGN, body);
        ReapTask.run();
    }

    fn announce_behind(&mut self, values: usize, body: impl FnOnce(&Rt<'_>)) {
        let Self { heap, regions, .. } = self;
        heap.enter(|rt| {
            for _ in 0..values {
                _ = rt.retire(Arc::new(0_u64));
            }
            for (number, region) in regions.iter().enumerate() {
                region.add(if number == ADDED { 7 } else { usize::MAX }, true);
            }
            body(rt);
        });
    }
}
