//! No callback meets a page that nobody has touched: counted by the kernel, for the thread.
#![cfg(target_os = "linux")]

use detalloc_audio::{AudioBudget, RtHeap};
use thread_watch::Usage;

/// Page faults of this thread so far that needed no disk.
fn minor_faults() -> u64 {
    Usage::of_this_thread().unwrap().minor_faults
}

struct Dropped([u8; 16_000]);

impl Drop for Dropped {
    fn drop(&mut self) {
        assert_eq!(self.0[0], self.0[15_999]);
    }
}

/// Uses every block of a new heap and every place of its lane, and says how many faults that took.
fn faults_of_a_burst() -> u64 {
    let mut heap = RtHeap::new();
    let budget = AudioBudget::new(48_000.0, 64).objects::<Dropped>(600).slices::<u8>(5_000, 333);
    heap.reconfigure(&budget).unwrap();
    let mut kept = Vec::with_capacity(600);
    kept.resize_with(600, || None);

    let before = minor_faults();
    heap.enter(|rt| {
        for place in &mut kept {
            *place = rt.boxed(Dropped([2; 16_000])).ok();
        }
        for _ in 0..333 {
            let mut vec = rt.vec::<u8>(5_000).unwrap();
            while vec.try_push(3).is_ok() {}
            core::mem::forget(vec);
        }
        kept.iter_mut().for_each(|place| *place = None);
    });
    minor_faults() - before
}

#[test]
#[cfg_attr(miri, ignore = "it counts no faults")]
fn blocks_lane_and_metadata_are_touched_before_the_first_callback() {
    // The stack that the burst itself uses, and the first call of everything.
    faults_of_a_burst();
    assert_eq!(faults_of_a_burst(), 0);
}
