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
#[cfg_attr(miri, ignore = "it locks no memory")]
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

/// A process that may lock nothing: no privilege, and a limit of 0.
#[test]
#[ignore = "what the child runs"]
fn session() {
    if std::env::var_os("SESSION").is_none() {
        return;
    }
    const NOBODY: libc::uid_t = 65_534;
    let nothing = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both change what this process may do, and nothing else.
    unsafe {
        assert_eq!(libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const nothing), 0);
        if libc::geteuid() == 0 {
            assert_eq!(libc::setresuid(NOBODY, NOBODY, NOBODY), 0);
        }
    }
    let mut heap = RtHeap::new();
    heap.reconfigure(&AudioBudget::new(48_000.0, 64).objects::<u64>(4).scratch::<f32>(64)).unwrap();
    let refused = heap.lock_memory();
    assert!(!matches!(refused, Locked::Yes | Locked::NotAsked), "{refused}");
    assert!(refused.to_string().contains("ulimit -l"), "{refused}");
    assert_eq!(locked_kib(), 0);
    heap.enter(|rt| assert_eq!(*rt.boxed(7_u64).unwrap(), 7));
    println!("{refused}");
}

#[test]
#[cfg_attr(miri, ignore = "there are no processes")]
fn where_it_is_refused_that_is_said_and_the_heap_works_all_the_same() {
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "session", "--ignored", "--nocapture"]).env("SESSION", "refused");
    let output = child.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("ulimit -l"), "{said}");
}
