//! The report of a heap, as text: what a program prints when it is looked into. Not for real-time paths.

use crate::{
    stats::Stats,
    wcet::{OperationStats, WcetStats},
};
use core::fmt::{self, Write};

/// Prints a report: three lines that say how many pools there are, how much of them was in use at most, and
/// how long the operations took at worst; then a table of the pools; then, where something was measured, how
/// long it took.
///
/// The peak is the sum of the pools' high waters, whole blocks. It is reached only if they all came at the
/// same time. What was not measured says so.
///
/// ```
/// use core::{alloc::Layout, mem::MaybeUninit};
/// use detalloc::{Allocate, Config, Heap, PoolConfig, debug_print};
///
/// const CONFIG: Config = Config::constant(&[PoolConfig::new(64, 16), PoolConfig::new(512, 4)]);
/// let mut region = [MaybeUninit::uninit(); CONFIG.bytes_needed()];
/// let mut heap = Heap::new(&mut region, &CONFIG)?;
/// heap.allocate(Layout::new::<[i32; 128]>())?;
///
/// let mut text = String::new();
/// debug_print(&mut text, &heap.meter().snapshot(), None)?;
/// assert!(text.starts_with(
///     "[detalloc] total pools: 2\n\
///      [detalloc] peak usage: 512 bytes\n\
///      [detalloc] WCET alloc: not measured, free: not measured\n"
/// ));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// The first error of `out`, if it has one.
///
/// # Time complexity
/// Linear in the number of pools.
pub fn debug_print(out: &mut impl Write, stats: &Stats, wcet: Option<&WcetStats>) -> fmt::Result {
    writeln!(out, "[detalloc] total pools: {}", stats.pools().len())?;
    writeln!(out, "[detalloc] peak usage: {} bytes", stats.peak_bytes())?;
    writeln!(
        out,
        "[detalloc] WCET alloc: {}, free: {}",
        Worst(wcet.map(|wcet| (&wcet.allocate, wcet.unit))),
        Worst(wcet.map(|wcet| (&wcet.free, wcet.unit))),
    )?;
    write_pools(out, stats)?;
    match wcet {
        Some(wcet) => write_times(out, wcet),
        None => Ok(()),
    }
}

/// The worst time of an operation, or that there is none.
struct Worst<'a>(Option<(&'a OperationStats, &'static str)>);

impl fmt::Display for Worst<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some((operation, unit)) if operation.count > 0 => write!(f, "{} {unit}", operation.worst),
            _ => f.write_str("not measured"),
        }
    }
}

fn write_pools(out: &mut impl Write, stats: &Stats) -> fmt::Result {
    let header = ["pool", "block bytes", "blocks", "used", "peak", "refused", "borrowed", "freed remotely"];
    write!(out, "[detalloc]")?;
    for name in header {
        write!(out, "  {name:>6}")?;
    }
    writeln!(out)?;
    for (number, pool) in stats.pools().iter().enumerate() {
        let row = [
            number,
            pool.block_bytes,
            pool.blocks,
            pool.used,
            pool.peak,
            pool.refused,
            pool.borrowed,
            pool.freed_remotely,
        ];
        write!(out, "[detalloc]")?;
        for (name, value) in header.iter().zip(row) {
            write!(out, "  {value:>width$}", width = name.len().max(6))?;
        }
        writeln!(out)?;
    }
    writeln!(out, "[detalloc] refused: {}, of these unsupported: {}", stats.refused(), stats.unsupported)
}

fn write_times(out: &mut impl Write, wcet: &WcetStats) -> fmt::Result {
    let operations = [("alloc", &wcet.allocate), ("free", &wcet.free), ("realloc", &wcet.reallocate)];
    for (name, operation) in operations {
        let Some(mean) = operation.mean() else { continue };
        write!(out, "[detalloc] {name}: {} measured, mean {mean} {}", operation.count, wcet.unit)?;
        for (bucket, &count) in operation.buckets.iter().enumerate() {
            if count > 0 {
                let (shortest, longest) = OperationStats::bucket_ticks(bucket).into_inner();
                match longest.min(operation.worst) {
                    longest if longest > shortest => write!(out, ", {shortest}-{longest}: {count}")?,
                    _ => write!(out, ", {shortest}: {count}")?,
                }
            }
        }
        writeln!(out)?;
    }
    writeln!(out, "[detalloc] overhead of measuring, subtracted: {} {}", wcet.overhead, wcet.unit)
}
