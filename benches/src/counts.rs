//! Exact instruction counts of requests, and what those of one kind come to.

use crate::{
    replay::{Kind, Playing, Request},
    traces::History,
};
use core::ptr;
use serde::Serialize;
use std::collections::BTreeMap;
use step_count::Stepper;

/// Does what a request asks for, and counts the instructions.
///
/// # Safety
/// As [`Request::perform`].
pub unsafe fn counted(stepper: &mut Stepper, Request { calls, block, layout }: Request) -> (*mut u8, u64) {
    let (size, align) = (layout.size(), layout.align());
    // SAFETY: the caller's promise.
    unsafe {
        if block.is_null() {
            return stepper.call(calls.allocate, calls.allocator, ptr::null_mut(), size, align);
        }
        let ((), count) = stepper.call(calls.free, calls.allocator, block, size, align);
        (ptr::null_mut(), count)
    }
}

/// How many operations are counted, after which history ever.
const COUNTED: usize = 1000;

/// Goes on with a history for so many operations, and then counts 1,000 more: one summary for each kind of operation.
pub fn counted_after(
    stepper: &mut Stepper,
    playing: &mut Playing<'_>,
    history: &mut History,
    operations: usize,
) -> Vec<Summary> {
    for operation in history.by_ref().take(operations) {
        // SAFETY: performed once; the subject is there, and slots hold live blocks.
        unsafe { playing.perform(operation, |request| (request.perform(), 0)) };
    }
    let mut costs = Vec::with_capacity(COUNTED);
    for operation in history.take(COUNTED) {
        // SAFETY: as above.
        costs.extend(unsafe { playing.perform(operation, |request| counted(stepper, request)) });
    }
    of_each_kind(&costs)
}

/// The costs of the operations of one kind, in instructions.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// The kind.
    pub op: Kind,
    /// How many there were.
    pub count: u64,
    /// The fewest.
    pub min: u64,
    /// On average.
    pub mean: f64,
    /// The most.
    pub max: u64,
    /// How many allocations of the whole run were refused.
    pub refused: u64,
}

/// One summary for each kind of operation that there was.
#[must_use]
pub fn of_each_kind(costs: &[(Kind, u64)]) -> Vec<Summary> {
    let mut kinds = BTreeMap::<Kind, Vec<u64>>::new();
    for &(kind, cost) in costs {
        kinds.entry(kind).or_default().push(cost);
    }
    let length = |list: &Vec<u64>| list.len() as u64;
    let refused = kinds.get(&Kind::AllocRefused).map_or(0, length);
    let summary = |(op, costs): (Kind, Vec<u64>)| {
        let count = length(&costs);
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
        let mean = costs.iter().sum::<u64>() as f64 / count as f64;
        let (min, max) = (costs.iter().min(), costs.iter().max());
        Summary { op, count, min: min.copied().unwrap_or(0), mean, max: max.copied().unwrap_or(0), refused }
    };
    kinds.into_iter().map(summary).collect()
}
