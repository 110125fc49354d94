//! The file that every target is compared with is what the traces give here.

use core::mem::MaybeUninit;
use detalloc_benches::traces::{Audio, Operation, Shape, Trace, comb_of, fixed, random_of};
use detalloc_vectors::{ALIGN_BYTES, Outcome, TEXT, Vector};
use std::fmt::Write;

/// The most pools of a heap: few, so that it is small.
const POOLS: usize = 8;

/// Excerpts that fit 128 KiB: of `fixed` the first 64 rounds, `random` with 12 live blocks, `comb` with 12 teeth, `audio`
/// with at most 2 blocks a callback that live at most 8.
fn excerpts() -> [Trace; 4] {
    let mut fixed = fixed();
    fixed.operations.truncate(576);
    let cloud = Audio::shaped(96, Shape { most: 2, life_callbacks: 8 });
    let audio = Trace { name: "audio".to_owned(), operations: cloud.collect(), warm_up: 0 };
    [fixed, random_of(12), comb_of(12), audio]
}

/// The pools of the heap that serves the whole trace, and of one that falls short by a quarter.
fn heaps(trace: &Trace, operations: &str, region: &mut [MaybeUninit<u8>]) -> [(&'static str, String); 2] {
    let demand = trace.demand();
    let sizes: Vec<_> = demand.peaks.keys().copied().collect();
    let sharing = sizes.len().div_ceil(POOLS);
    let sizes: Vec<_> = sizes.chunks(sharing).map(|sharing| sharing[sharing.len() - 1]).collect();
    let roomy = pools(sizes.iter().map(|&size| (size, demand.peak_live_blocks)));
    let outcome = outcome(trace, operations, &roomy, region);
    assert_eq!(outcome.refused, 0);
    let peaks = outcome.stats.pools().iter().map(|pool| (pool.block_bytes, pool.peak));
    let short = peaks.clone().map(|(size, peak)| (size, (peak * 3 / 4).max(1)));
    [("whole", pools(peaks)), ("starved", pools(short))]
}

fn pools(pools: impl Iterator<Item = (usize, usize)>) -> String {
    pools.map(|(size, blocks)| format!("{size}x{blocks}")).collect::<Vec<_>>().join(" ")
}

fn outcome(trace: &Trace, operations: &str, pools: &str, region: &mut [MaybeUninit<u8>]) -> Outcome {
    let (slots, heap, expected) = (trace.slots(), "", "");
    let vector = Vector { trace: &trace.name, slots, operations, heap, pools, expected };
    vector.run(region, &mut vec![None; slots]).unwrap()
}

fn operations(trace: &Trace) -> String {
    let mut text = String::new();
    let mut width = 0;
    for operation in &trace.operations {
        let word = match *operation {
            Operation::Allocate { slot, layout } => {
                assert_eq!(layout.align(), ALIGN_BYTES);
                format!("+{slot}:{}", layout.size())
            }
            Operation::Free { slot } => format!("-{slot}"),
        };
        let separator = match width {
            0 => "",
            _ if width + word.len() < 110 => " ",
            _ => {
                width = 0;
                "\n"
            }
        };
        text += separator;
        text += &word;
        width += 1 + word.len();
    }
    text
}

fn text() -> String {
    let mut text =
        "# What detalloc gives on every target. Written by the test `vectors` of detalloc-benches; see \
                    src/lib.rs.\n"
            .to_owned();
    let mut region = vec![MaybeUninit::uninit(); 1 << 22];
    for trace in excerpts() {
        let operations = operations(&trace);
        write!(text, "\ntrace {} {}\n{operations}", trace.name, trace.slots()).unwrap();
        for (heap, pools) in heaps(&trace, &operations, &mut region) {
            let outcome = outcome(&trace, &operations, &pools, &mut region);
            write!(text, "\nheap {heap} {pools}\n{outcome}").unwrap();
        }
        text += "\n";
    }
    text
}

#[test]
fn the_file_of_vectors_is_what_the_traces_give() {
    let text = text();
    let kept = concat!(env!("CARGO_MANIFEST_DIR"), "/../detalloc/ports/vectors/vectors.txt");
    if std::env::var_os("DETALLOC_UPDATE_VECTORS").is_some() {
        std::fs::write(kept, &text).unwrap();
    } else {
        assert!(text == TEXT, "the core gives something else; DETALLOC_UPDATE_VECTORS=1 writes it to {kept}");
    }
}
