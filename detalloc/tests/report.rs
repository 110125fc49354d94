//! The report: its first lines are the specification's, to the letter.

use core::{alloc::Layout, mem::MaybeUninit};
use detalloc::{
    Allocate, Config, Heap, Meter, Observed, OperationStats, PoolConfig, Stats, Wcet, WcetStats, debug_print,
};

const CONFIG: Config = Config::constant(&[
    PoolConfig::new(16, 1),
    PoolConfig::new(32, 1),
    PoolConfig::new(48, 1),
    PoolConfig::new(64, 1),
    PoolConfig::new(96, 1),
    PoolConfig::new(128, 1),
    PoolConfig::new(256, 1),
    PoolConfig::new(384, 1),
    PoolConfig::new(512, 1),
    PoolConfig::new(1024, 1),
]);

/// The report after 128 integers were allocated.
fn report(wcet: Option<&WcetStats>) -> String {
    let mut region = [MaybeUninit::uninit(); CONFIG.bytes_needed()];
    let mut heap = Heap::new(&mut region, &CONFIG).unwrap();
    heap.allocate(Layout::new::<[i32; 128]>()).unwrap();
    printed(&heap.meter(), wcet)
}

fn printed(meter: &Meter<'_>, wcet: Option<&WcetStats>) -> String {
    let mut text = String::new();
    let stats: Stats = meter.snapshot();
    debug_print(&mut text, &stats, wcet).unwrap();
    text
}

/// Times as they might have been measured.
fn times() -> WcetStats {
    let mut stats = Wcet::new(|| 0).snapshot();
    let operation = |worst, bucket: usize| {
        let mut buckets = [0; OperationStats::BUCKETS];
        (buckets[bucket], buckets[bucket + 1]) = (1, 1);
        OperationStats { count: 2, total: worst + 20, worst, buckets }
    };
    stats.unit = "cycles";
    (stats.allocate, stats.free) = (operation(38, 5), operation(29, 4));
    stats
}

#[test]
fn it_begins_with_the_lines_of_the_specification() {
    let expected = "[detalloc] total pools: 10\n\
                    [detalloc] peak usage: 512 bytes\n\
                    [detalloc] WCET alloc: 38 cycles, free: 29 cycles\n";
    assert!(report(Some(&times())).starts_with(expected));
}

#[test]
fn what_was_not_measured_says_so() {
    let line = "[detalloc] WCET alloc: not measured, free: not measured\n";
    assert!(report(None).contains(line));
    assert!(report(Some(&Wcet::new(|| 0).snapshot())).contains(line));
}

#[test]
fn every_line_has_the_prefix() {
    let text = report(Some(&times()));
    assert!(text.ends_with('\n'));
    assert!(text.lines().all(|line| line.starts_with("[detalloc] ") && line.trim_end() == line), "{text}");
}

#[test]
fn the_table_has_a_line_for_every_pool_in_columns() {
    let text = report(None);
    let table: Vec<_> = text.lines().skip(3).take(11).collect();
    assert!(table.iter().all(|line| line.len() == table[0].len()), "{text}");
    let row: Vec<_> = table[9].split_whitespace().skip(1).collect();
    assert_eq!(row, ["8", "512", "1", "1", "1", "0", "0", "0"], "{text}");
}

#[test]
fn a_histogram_names_only_what_happened() {
    let text = report(Some(&times()));
    assert!(text.contains("[detalloc] alloc: 2 measured, mean 29 cycles, 16-31: 1, 32-38: 1\n"), "{text}");
    assert!(!text.contains("realloc:"), "{text}");
}

#[test]
fn the_extremes_print_too() {
    let mut stats = times();
    stats.allocate = OperationStats {
        count: u64::MAX,
        total: u64::MAX,
        worst: u64::MAX,
        buckets: [u32::MAX; OperationStats::BUCKETS],
    };
    assert!(report(Some(&stats)).contains("mean 1 cycles"));
}

#[test]
fn an_error_of_the_writer_is_handed_on() {
    /// Has room for so many bytes.
    struct Small(usize);
    impl core::fmt::Write for Small {
        fn write_str(&mut self, text: &str) -> core::fmt::Result {
            self.0 = self.0.checked_sub(text.len()).ok_or(core::fmt::Error)?;
            Ok(())
        }
    }
    let mut region = [MaybeUninit::uninit(); CONFIG.bytes_needed()];
    let heap = Observed::new(Heap::new(&mut region, &CONFIG).unwrap(), ());
    let stats = heap.heap().meter().snapshot();
    let needed = printed(&heap.heap().meter(), Some(&times())).len();
    for room in (0..needed).step_by(if cfg!(miri) { 99 } else { 1 }) {
        assert!(debug_print(&mut Small(room), &stats, Some(&times())).is_err(), "{room} of {needed}");
    }
    assert!(debug_print(&mut Small(needed), &stats, Some(&times())).is_ok());
}
