//! What the operations of one kind cost.

use detalloc_benches::replay::Kind;
use serde::Serialize;
use std::collections::BTreeMap;

/// The costs of the operations of one kind, in instructions.
#[derive(Serialize)]
pub(crate) struct Summary {
    pub(crate) op: Kind,
    pub(crate) count: u64,
    pub(crate) min: u64,
    pub(crate) mean: f64,
    pub(crate) max: u64,
    /// How many allocations of the whole run were refused.
    pub(crate) refused: u64,
}

/// One summary for each kind of operation that there was.
pub(crate) fn of_each_kind(costs: &[(Kind, u64)]) -> Vec<Summary> {
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
