//! Locked pools are locked: Linux says so of the process.
#![cfg(all(feature = "realtime", target_os = "linux"))]

use detalloc_audio::{AudioBudget, Locked, RtHeap};

/// How much memory of this process is locked.
fn locked_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmLck:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().trim().parse().unwrap()
}

#[test]
fn what_is_said_to_be_locked_is_until_the_heap_is_gone() {
    let mut heap = RtHeap::new();
    assert_eq!(heap.lock_memory(), Locked::NotAsked, "there is nothing to lock");
    heap.reconfigure(&AudioBudget::new(48_000.0, 64).slices::<u8>(1_000, 200).scratch::<f32>(64)).unwrap();
    let before = locked_kib();
    match heap.lock_memory() {
        Locked::Yes => assert!(locked_kib() >= before + 200, "{} KiB are locked", locked_kib()),
        refused => assert!(refused.to_string().contains("ulimit -l"), "{refused}"),
    }
    drop(heap);
    assert_eq!(locked_kib(), before);
}
