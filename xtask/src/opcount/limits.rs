//! What our operations may take.

use super::report::{Counted, Growth, Report, Target};

/// The most instructions on `x86-64-v3`: of an allocator of ours, for a kind of operation.
const LIMITS: [(&str, &str, u64); 6] = [
    ("detalloc-typed", "alloc", 8),
    ("detalloc-typed", "free", 8),
    ("detalloc", "alloc", 36),
    ("detalloc", "free", 44),
    ("detalloc", "alloc-borrowed", 78),
    ("detalloc", "free-borrowed", 73),
];

/// What the baseline may take beyond that, as it has no instructions that count bits.
const BASELINE_EXTRA: u64 = 8;

/// Up to so many blocks, the size of a pool makes no difference.
const BLOCKS_ALIKE: u64 = 1 << 12;

/// What does not hold, in words.
pub(super) fn broken(report: &Report) -> Vec<String> {
    let mut broken: Vec<_> = report.results.iter().flat_map(broken_by).collect();
    for (allocator, op, _) in LIMITS {
        if !report.results.iter().any(|it| it.row.allocator == allocator && it.row.op == op) {
            broken.push(format!("{allocator}: no {op} was counted"));
        }
    }
    broken.extend(growing(&report.growth));
    broken
}

fn broken_by(Counted { target, row }: &Counted) -> Vec<String> {
    let mut broken = Vec::new();
    let what = format!("{} {} on {} ({target})", row.allocator, row.op, row.trace);
    let limit = LIMITS.iter().find(|limit| limit.0 == row.allocator && limit.1 == row.op);
    let Some(&(_, _, limit)) = limit else { return broken };
    let limit = limit + if *target == Target::Baseline { BASELINE_EXTRA } else { 0 };
    if row.max > limit {
        broken.push(format!("{what} takes {} instructions, more than {limit}", row.max));
    }
    if matches!(&*row.op, "alloc" | "free") && row.min != row.max {
        broken.push(format!("{what} takes {} to {} instructions, not always the same", row.min, row.max));
    }
    if !row.trace.ends_with("-starved") && row.refused > 0 {
        broken.push(format!("{what}: {} allocations were refused", row.refused));
    }
    broken
}

/// Where history, pools or small sizes of a pool make a difference.
fn growing(growth: &[Growth]) -> Vec<String> {
    let alike = growth
        .iter()
        .filter(|it| it.allocator == "detalloc" && (it.grows != "blocks" || it.to <= BLOCKS_ALIKE));
    let differs = |one: &&Growth| {
        let first = growth.iter().find(|other| other.allocator == one.allocator && other.op == one.op);
        first.is_none_or(|first| (first.min, first.max) != (one.min, one.max)) || one.min != one.max
    };
    let words = |it: &Growth| {
        format!(
            "{} {} takes {} to {} instructions at {} {}",
            it.allocator, it.op, it.min, it.max, it.to, it.grows
        )
    };
    alike.filter(differs).map(words).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::opcount::report::Row;

    fn row(allocator: &str, op: &str, min: u64, max: u64) -> Row {
        #[expect(clippy::cast_precision_loss, reason = "small")]
        let mean = (min + max) as f64 / 2.0;
        Row {
            allocator: allocator.into(),
            trace: "audio".into(),
            op: op.into(),
            count: 2,
            min,
            mean,
            max,
            refused: 0,
        }
    }

    fn grown(to: u64, count: u64) -> Growth {
        let (allocator, grows, op) = ("detalloc".into(), "blocks".into(), "alloc".into());
        Growth { allocator, grows, to, op, count: 1, min: count, mean: 0.0, max: count, refused: 0 }
    }

    #[test]
    fn each_limit_is_kept_at_its_value_and_broken_one_above() {
        for (allocator, op, limit) in LIMITS {
            for (target, limit) in [(Target::V3, limit), (Target::Baseline, limit + BASELINE_EXTRA)] {
                assert!(broken_by(&row(allocator, op, limit, limit).on(target)).is_empty());
                assert_eq!(broken_by(&row(allocator, op, limit + 1, limit + 1).on(target)).len(), 1);
            }
        }
    }

    #[test]
    fn a_count_that_is_not_always_the_same_breaks_the_promise_and_only_ours() {
        assert_eq!(broken_by(&row("detalloc", "free", 40, 41).on(Target::V3)).len(), 1);
        assert!(broken_by(&row("detalloc", "alloc-borrowed", 70, 75).on(Target::V3)).is_empty());
        assert!(broken_by(&row("glibc", "alloc", 40, 4000).on(Target::V3)).is_empty());
    }

    #[test]
    fn a_refusal_breaks_the_promise_unless_the_run_was_starved() {
        let mut refusing = row("detalloc", "alloc", 36, 36);
        refusing.refused = 1;
        assert_eq!(broken_by(&refusing.clone().on(Target::V3)).len(), 1);
        refusing.trace = "audio-starved".into();
        assert!(broken_by(&refusing.on(Target::V3)).is_empty());
    }

    #[test]
    fn a_pool_may_cost_more_only_above_4096_blocks() {
        assert!(growing(&[grown(64, 36), grown(4096, 36), grown(1 << 18, 99)]).is_empty());
        assert_eq!(growing(&[grown(64, 36), grown(4096, 37)]).len(), 1);
    }

    #[test]
    fn what_was_not_counted_is_no_success() {
        let nothing = Report { rustc: String::new(), results: Vec::new(), growth: Vec::new() };
        assert!(!broken(&nothing).is_empty());
    }
}
